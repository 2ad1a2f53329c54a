"""Proving that everything a run read is accounted for, tier by tier, up to what each has completed.

Each check compares two independent records of one fact: the log with the account of ingest, arrivals
with the log, the journal with the rows of every tier, results with their digests. Whatever one has
and the other lacks is a hole.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from skymesh.codecs import wire
from skymesh.model.execution import JournalEntry, count_lines, journal_id
from skymesh.model.ids import text_id
from skymesh.model.run import ConfigRecord, JobRecord, Product, Run, RunSummary, job_id, run_id
from skymesh.runtime.topics import ACCEPTED, ALERTS, INTENTS, PROVENANCE, RESULTS, STATES, topic_of
from skymesh_local.app import Embedded
from skymesh_local.audit_log import audit_arrivals, audit_intake
from skymesh_local.audit_reactions import audit_deliveries, audit_reactions
from skymesh_local.audit_states import audit_results, audit_states, audit_verdicts, audit_views
from skymesh_local.digests import run_digests

READS = {"t0": ALERTS, "t1": ACCEPTED, "t2": STATES, "t3": RESULTS, "deliver": INTENTS}
_MOST_HOLES = 200
# What entries count beside the outcomes of their lines.
_NO_OUTCOMES = frozenset({"memoised", "points"})


@dataclass
class Journal:
    """The journal of a run, whether it has reached the store yet or lies in the provenance topic.

    Attributes
    ----------
    entries
        All entries.
    completed
        tier → offset of its input topic up to which it has committed.
    ends
        tier → end of its input topic.
    """

    entries: list[JournalEntry]
    completed: dict[str, int]
    ends: dict[str, int]

    def of(self, tier: str) -> list[JournalEntry]:
        """Return the entries of a tier."""
        return [entry for entry in self.entries if entry.tier == tier]

    def waiting(self, tier: str) -> int:
        """Return how many records a tier has not completed."""
        return self.ends[tier] - self.completed[tier]

    @property
    def inflight(self) -> int:
        """Records that some tier has not completed."""
        return sum(self.waiting(tier) for tier in self.ends)


@dataclass
class Audit:
    """What an audit found.

    Attributes
    ----------
    run
        Which run.
    packets
        read, published, accepted, rejected, duplicate, dead.
    inflight
        Records that some tier has not completed.
    holes
        What is not accounted for, one line each.
    digest, results_digest
        The run's digests so far.
    """

    run: Run
    packets: dict[str, int] = field(default_factory=dict)
    inflight: int = 0
    holes: list[str] = field(default_factory=list)
    digest: str = ""
    results_digest: str = ""

    def told(self) -> dict[str, Any]:
        """Return it in plain values, as ``--json`` prints it."""
        return {
            "balanced": not self.holes,
            "run": text_id("run", self.run.id),
            "digest": self.digest,
            "results_digest": self.results_digest,
            "packets": self.packets,
            "inflight": self.inflight,
            "holes": self.holes[:_MOST_HOLES],
        }


async def audit(embedded: Embedded, run: Run, *, is_final: bool) -> Audit:
    """Audit a run.

    Parameters
    ----------
    embedded
        The store with the bus beside it.
    run
        The run.
    is_final
        Whether anything still in flight is a hole too.
    """
    found = Audit(run)
    journal = await _journal(embedded, run)
    found.inflight = journal.inflight
    found.holes += await _registry_holes(embedded, run)
    found.holes += _tiling_holes(run, journal)
    found.holes += await audit_intake(embedded, run)
    registered, holes = await audit_arrivals(embedded, run, journal.of("t0"), journal.completed["t0"])
    found.holes += holes
    found.holes += await audit_verdicts(embedded.store, run, journal)
    found.holes += await audit_states(embedded.store, run, journal)
    found.holes += await audit_results(embedded.store, run, journal)
    found.holes += await audit_views(embedded.store, run, journal)
    found.holes += await audit_reactions(embedded.store, run, journal)
    found.holes += await audit_deliveries(embedded.store, run, journal)
    if is_final:
        found.holes += await _final_holes(embedded, run, journal)
    digest, results_digest = await run_digests(embedded.store, run.id)
    found.digest, found.results_digest = digest.hex(), results_digest.hex()
    found.packets = {
        "read": run.read,
        "published": run.published,
        "accepted": registered.get("accepted", 0),
        "rejected": registered.get("rejected", 0),
        "duplicate": registered.get("duplicate", 0),
        "dead": run.dead,
    }
    return found


async def _journal(embedded: Embedded, run: Run) -> Journal:
    """Collect the journal, with what the sink has not kept yet."""
    entries = [entry async for entry in embedded.store.scan(JournalEntry, run=run.id)]
    topic = topic_of(PROVENANCE, run.id)
    if await embedded.bus.partitions(topic):
        start = await embedded.bus.committed(f"{run.id.hex()}.provenance", topic, 0)
        async for records in embedded.bus.iter_from(topic, 0, start):
            entries += [wire.decode(record.value, JournalEntry) for record in records]
    completed, ends = {}, {}
    for tier, record in READS.items():
        topic = topic_of(record, run.log if record == ALERTS else run.id)
        has_begun = bool(await embedded.bus.partitions(topic))
        ends[tier] = await embedded.bus.end(topic, 0) if has_begun else 0
        completed[tier] = await embedded.bus.committed(f"{run.id.hex()}.{tier}", topic, 0) if has_begun else 0
    unique = {entry.id: entry for entry in entries}
    return Journal(sorted(unique.values(), key=lambda entry: (entry.tier, entry.first)), completed, ends)


async def _registry_holes(embedded: Embedded, run: Run) -> list[str]:
    holes = []
    if run_id(run.job, run.log, run.origin, run.name) != run.id:
        holes.append(f"run:{run.id.hex()} is not the digest of its job, log, origin and name")
    job = await embedded.store.get(JobRecord, id=run.job)
    if job is None:
        return [*holes, f"job:{run.job.hex()} is not in the store"]
    if job_id(job.resolved) != run.job:
        holes.append(f"job:{run.job.hex()} is not the digest of what it says")
    return holes


def _tiling_holes(run: Run, journal: Journal) -> list[str]:
    """Return where the entries of a (tier, channel, instance) leave or cover twice offsets of its input."""
    holes: list[str] = []
    covered: dict[tuple[str, str, str], int] = {}
    for entry in journal.entries:
        place = (entry.tier, entry.channel, entry.instance)
        right = journal_id(run.id, *place, entry.partition, entry.first, entry.end)
        if any(
            entry.counts.get(outcome, 0) != count for outcome, count in count_lines(entry.lines).items()
        ) or len(entry.lines) != sum(
            count for outcome, count in entry.counts.items() if outcome not in _NO_OUTCOMES
        ):
            holes.append(f"journal:{entry.id.hex()} has other lines than it counts")
        if entry.id != right:
            holes.append(f"journal:{entry.id.hex()} is not the digest of its place")
        if entry.end > entry.first:
            if entry.first != covered.get(place, 0):
                said = " ".join(filter(None, place))
                holes.append(f"journal of {said}: offsets {covered.get(place, 0)} to {entry.first}")
            covered[place] = entry.end
    for tier, completed in (journal.completed | {"ingest": journal.ends["t0"]}).items():
        places = [place for place in covered if place[0] == tier]
        if completed and not places:
            holes.append(f"journal of {tier}: nothing, but {completed} offsets are committed")
        for place in places:
            if covered[place] != completed:
                said = " ".join(filter(None, place))
                holes.append(f"journal of {said}: ends at {covered[place]}, committed is {completed}")
    return holes


async def _final_holes(embedded: Embedded, run: Run, journal: Journal) -> list[str]:
    holes = []
    if journal.inflight:
        holes.append(f"{journal.inflight} records are still in flight")
    if await embedded.store.get(RunSummary, run=run.id) is None:
        holes.append("the run is not finished")
    job = await embedded.store.get(JobRecord, id=run.job)
    if job is not None and job.resolved["summaries"] and not await embedded.store.count(Product, run=run.id):
        holes.append("the products of the run are missing")
    configs = sorted({entry.ref.config for entry in journal.entries if entry.ref is not None})
    return holes + [
        f"config:{config.hex()} is not in the store"
        for config in configs
        if await embedded.store.get(ConfigRecord, id=config) is None
    ]

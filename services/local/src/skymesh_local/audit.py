"""Proving that everything a run read is accounted for, tier by tier, up to what each has completed.

Each check compares two independent records of one fact: the log with the account of ingest, arrivals
with the log, the journal with the rows of every tier, results with their digests. Whatever one has
and the other lacks is a hole.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Any

from skymesh.codecs import wire
from skymesh.model.execution import JournalEntry
from skymesh.model.ids import text_id
from skymesh.model.run import ConfigRecord, JobRecord, Product, Run, RunSummary, job_id, run_id
from skymesh.provenance.journal import BATCH
from skymesh.runtime.references import resolved
from skymesh.runtime.tier import Context
from skymesh.runtime.topics import ACCEPTED, ALERTS, INTENTS, PROVENANCE, RESULTS, STATES
from skymesh_local.app import Embedded
from skymesh_local.audit_dead import Burials
from skymesh_local.audit_deliveries import DELIVERERS, audit_deliveries
from skymesh_local.audit_log import audit_arrivals, audit_intake
from skymesh_local.audit_reactions import audit_reactions
from skymesh_local.audit_states import audit_results, audit_states, audit_verdicts, audit_views
from skymesh_local.audit_tiling import audit_tiling
from skymesh_local.digests import run_digests

READS = {"t0": ALERTS, "t1": ACCEPTED, "t2": STATES, "t3": RESULTS}
_MOST_HOLES = 200


Reader = tuple[str, int]
"""A tier, and a partition of its input."""


@dataclass
class Journal:
    """The journal of a run, whether it has reached the store yet or lies in the provenance topic.

    Attributes
    ----------
    entries
        What the units of the run did.
    batches
        What tiles each tier's input, with the runs at work in each batch.
    completed
        tier and partition → offset of its input up to which it has committed.
    left
        tier and partition → records that it has not committed.
    """

    entries: list[JournalEntry]
    batches: list[JournalEntry]
    completed: dict[Reader, int]
    left: dict[Reader, int]

    @functools.cached_property
    def burials(self) -> Burials:
        """What the tiers could not handle."""
        return Burials(self.batches)

    def of(self, tier: str) -> list[JournalEntry]:
        """Return the entries of a tier."""
        return [entry for entry in self.entries if entry.tier == tier]

    def waiting(self, tier: str) -> int:
        """Return how many records a tier has not completed."""
        return sum(count for (name, _), count in self.left.items() if name == tier)

    @property
    def inflight(self) -> int:
        """Records that some tier has not completed."""
        return sum(self.left.values())


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
    dead_letters
        Records that a tier could not handle, by tier.
    holes
        What is not accounted for, one line each.
    digest, results_digest
        The run's digests so far.
    """

    run: Run
    packets: dict[str, int] = field(default_factory=dict)
    inflight: int = 0
    dead_letters: dict[str, int] = field(default_factory=dict)
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
            "dead_letters": self.dead_letters,
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
    job = await embedded.store.get(JobRecord, id=run.job)
    journal = await _journal(embedded, run, job)
    found.inflight = journal.inflight
    found.dead_letters = journal.burials.counts()
    found.holes += _registry_holes(run, job)
    found.holes += audit_tiling(run, job, journal)
    found.holes += await audit_intake(embedded, run)
    registered, holes = await audit_arrivals(embedded, run, journal)
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


def _readers(job: JobRecord | None) -> dict[str, str]:
    """Return the tiers of a run with what they read; of each outlet that the job names, the deliverer."""
    channels = job.resolved["channels"].values() if job else ()
    told = [target for spec in channels for told in spec.get("react", {}).values() for target in told["to"]]
    return READS | {f"{DELIVERERS}{target}": INTENTS for target in told}


async def _journal(embedded: Embedded, run: Run, job: JobRecord | None) -> Journal:
    """Collect the journal, with what the sink has not kept yet."""
    context = Context(run.log, run.id)
    bus = embedded.bus
    entries = {entry.id: entry async for entry in embedded.store.scan(JournalEntry, run=run.id)}
    topic = context.topic(PROVENANCE)
    for partition in range(await bus.partitions(topic)):
        start = await bus.committed(context.group(PROVENANCE), topic, partition)
        async for records in bus.iter_from(topic, partition, start):
            resolved_ = await resolved(embedded.store, records)
            told = [wire.decode(record.value, JournalEntry) for record in resolved_]
            entries |= {entry.id: entry for entry in told}
    completed, left = {}, {}
    for tier, record in _readers(job).items():
        topic = context.topic(record)
        for partition in range(await bus.partitions(topic)):
            place = (context.group(tier), topic, partition)
            completed[tier, partition] = await bus.committed(*place)
            left[tier, partition] = await bus.waiting(*place)
    ordered = sorted(entries.values(), key=lambda entry: (entry.tier, entry.partition, entry.first))
    return Journal(
        [entry for entry in ordered if entry.instance != BATCH],
        [entry for entry in ordered if entry.instance == BATCH],
        completed,
        left,
    )


def _registry_holes(run: Run, job: JobRecord | None) -> list[str]:
    holes = []
    if run_id(run.job, run.log, run.origin, run.name) != run.id:
        holes.append(f"run:{run.id.hex()} is not the digest of its job, log, origin and name")
    if job is None:
        return [*holes, f"job:{run.job.hex()} is not in the store"]
    if job_id(job.resolved) != run.job:
        holes.append(f"job:{run.job.hex()} is not the digest of what it says")
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

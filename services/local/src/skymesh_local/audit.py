"""Proving that everything a run read is accounted for, tier by tier, up to what each has completed.

Each check compares two independent records of one fact: the log with the account of ingest, arrivals
with the log, the journal with the rows of every tier, results with their digests. Whatever one has
and the other lacks is a hole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from skymesh.model.ids import text_id
from skymesh.model.retention import Expired
from skymesh.model.run import (
    ConfigRecord,
    DeadLetter,
    JobRecord,
    Product,
    Run,
    RunSummary,
    job_id,
    letter_id,
    run_id,
)
from skymesh.runtime.epochs import refuse_ended
from skymesh.runtime.expired import expiries_of, told_expiry
from skymesh.runtime.tier import Context
from skymesh.runtime.topics import survey_record
from skymesh.surveys import registry as surveys
from skymesh_local.audit_deliveries import audit_deliveries
from skymesh_local.audit_ingest import Ingested, audit_files, audit_streams
from skymesh_local.audit_journal import INGEST, Journal, collect_journal
from skymesh_local.audit_log import Registry, audit_log
from skymesh_local.audit_reactions import audit_reactions
from skymesh_local.audit_results import audit_results, audit_views
from skymesh_local.audit_states import audit_states, audit_verdicts
from skymesh_local.audit_tiling import audit_tiling
from skymesh_local.digests import run_digests
from skymesh_local.mesh import Mesh

_MOST_HOLES = 200


@dataclass
class Audit:
    """What an audit found.

    Attributes
    ----------
    run
        Which run.
    packets
        read, published, accepted, rejected, duplicate, dead. Where there are some: alerts that were
        registered ``before`` the run began, and while it was switched ``off``.
    inflight
        Records that some tier has not completed.
    waiting
        The same by tier; for a deliverer those of all runs.
    dead_letters
        Records that a tier could not handle, by tier.
    holes
        What is not accounted for, one line each.
    notes
        What could not be compared, one line each: it has expired.
    digest, results_digest
        The run's digests so far.
    """

    run: Run
    packets: dict[str, int] = field(default_factory=dict)
    inflight: int = 0
    waiting: dict[str, int] = field(default_factory=dict)
    dead_letters: dict[str, int] = field(default_factory=dict)
    holes: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
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
            **({"notes": self.notes} if self.notes else {}),
        }


async def audit(mesh: Mesh, run: Run, *, is_final: bool) -> Audit:
    """Audit a run.

    Parameters
    ----------
    mesh
        The mesh.
    run
        The run.
    is_final
        Whether anything still in flight is a hole too.

    Raises
    ------
    EpochEndedError
        If the log went on in another epoch meanwhile.
    """
    found = Audit(run)
    store = mesh.store
    if expiries := await expiries_of(store, run.id):
        return await _audit_expired(mesh, found, expiries)
    job = await store.get(JobRecord, id=run.job)
    # What ingest completes from here on, the tiers below are found to have, done or not.
    unread = await unread_messages(mesh, await mesh.context(run))
    journal = await collect_journal(mesh, run, job)
    found.waiting = _waiting(journal, unread)
    found.inflight = sum(found.waiting.values())
    found.dead_letters = journal.burials.counts()
    found.holes += _registry_holes(run, job)
    found.holes += audit_tiling(run, job, journal)
    registry = await _audit_log(mesh, journal, found)
    found.notes += _expiry_notes(registry)
    found.notes += [
        f"image stamps of {len(expired.until) or 'all'} partitions of the log {told_expiry(expired)}"
        for expired in registry.stampless
    ]
    found.holes += registry.holes
    found.holes += await _burial_holes(mesh, journal)
    found.holes += await audit_verdicts(store, journal)
    found.holes += await audit_states(store, journal)
    found.holes += await audit_results(store, journal)
    found.holes += await audit_views(store, journal)
    found.holes += await audit_reactions(store, journal)
    found.holes += await audit_deliveries(store, journal)
    if is_final:
        found.holes += await _final_holes(mesh, run, journal, found.inflight)
    digest, results_digest = await run_digests(store, run.id)
    found.digest, found.results_digest = digest.hex(), results_digest.hex()
    # What came in then lies in topics that were not looked at.
    await refuse_ended(store, journal.context, adds=False)
    return found


def _waiting(journal: Journal, unread: int) -> dict[str, int]:
    waiting = Counter({INGEST: unread})
    for (tier, _), count in journal.left.items():
        waiting[tier] += count
    return {tier: count for tier, count in waiting.items() if count}


async def _audit_expired(mesh: Mesh, found: Audit, expiries: list[Expired]) -> Audit:
    """Tell what is left of a run of which something has expired: there is nothing to compare any more."""
    run = found.run
    found.holes += _registry_holes(run, await mesh.store.get(JobRecord, id=run.job))
    if (await mesh.context(run)).run is not None:
        found.packets = {"read": run.read, "published": run.published, "dead": run.dead}
    found.notes += [f"what was kept of the run {told_expiry(expired)}, {expired.why}" for expired in expiries]
    known = next((e for e in expiries if e.digest is not None and e.results_digest is not None), None)
    if known is not None and known.digest is not None and known.results_digest is not None:
        digest, results_digest = known.digest, known.results_digest
    else:
        digest, results_digest = await run_digests(mesh.store, run.id)
    found.digest, found.results_digest = digest.hex(), results_digest.hex()
    return found


async def _audit_log(mesh: Mesh, journal: Journal, found: Audit) -> Registry:
    """Compare what was read with the log, and the log with what became of it; count the packets."""
    run, is_live = journal.run, journal.context.run is None
    if is_live:
        ingested = await Ingested.of(mesh, journal.context)
        registry = await audit_log(mesh, journal, ingested.has_read)
        found.holes += await audit_streams(mesh, run.log, ingested, registry)
        has_streams = bool(ingested.streams)
        published = ingested.total("published") if has_streams else registry.published
        dead = ingested.total("dead")
        read = ingested.total("read") if has_streams else published
    else:
        registry = await audit_log(mesh, journal)
        found.holes += await audit_files(mesh, run, registry)
        read, published, dead = run.read, run.published, run.dead
    counts = registry.counts
    found.packets = {
        "read": read,
        "published": published,
        **{name: counts[name] for name in ("accepted", "rejected", "duplicate")},
        "dead": dead,
        **{name: counts[name] for name in ("before", "off") if counts[name]},
    }
    return registry


def _expiry_notes(registry: Registry) -> Iterator[str]:
    for partition, first in sorted(registry.expired.items()):
        yield (
            f"the log has forgotten offsets below {first} of partition {partition}:"
            " their arrivals are compared with the journal alone"
        )


async def _burial_holes(mesh: Mesh, journal: Journal) -> list[str]:
    """Compare what was set aside with the dead letters."""
    told = {name for batch in journal.batches for line in batch.lines for name in line.output}
    if not told:
        return []
    letters = mesh.store.scan(DeadLetter, run=journal.context.owner)
    kept = {text_id("letter", letter_id(letter)) async for letter in letters}
    return [f"{name} was set aside and is not in the store" for name in sorted(told - kept)]


def _registry_holes(run: Run, job: JobRecord | None) -> list[str]:
    holes = []
    if run_id(run.job, run.log, run.origin, run.name) != run.id:
        holes.append(f"run:{run.id.hex()} is not the digest of its job, log, origin and name")
    if job is None:
        return [*holes, f"job:{run.job.hex()} is not in the store"]
    if job_id(job.resolved) != run.job:
        holes.append(f"job:{run.job.hex()} is not the digest of what it says")
    return holes


async def unread_messages(mesh: Mesh, context: Context) -> int:
    """Return how many messages of the mesh's own survey topics ingest has not completed."""
    if context.run is not None:
        return 0
    unread, group = 0, context.group(INGEST)
    for topic in (context.topic(survey_record(name)) for name in surveys.installed()):
        for partition in range(await mesh.bus.partitions(topic)):
            unread += await mesh.bus.waiting(group, topic, partition)
    return unread


async def _final_holes(mesh: Mesh, run: Run, journal: Journal, inflight: int) -> list[str]:
    holes = []
    if inflight:
        holes.append(f"{inflight} records are still in flight")
    if journal.context.run is not None:
        holes += await _unfinished(mesh, run)
    configs = sorted({entry.ref.config for entry in journal.entries if entry.ref is not None})
    return holes + [
        f"config:{config.hex()} is not in the store"
        for config in configs
        if await mesh.store.get(ConfigRecord, id=config) is None
    ]


async def _unfinished(mesh: Mesh, run: Run) -> list[str]:
    """Return what a run that has an end lacks."""
    holes = []
    if await mesh.store.get(RunSummary, run=run.id) is None:
        holes.append("the run is not finished")
    job = await mesh.store.get(JobRecord, id=run.job)
    if job is not None and job.resolved["summaries"] and not await mesh.store.count(Product, run=run.id):
        holes.append("the products of the run are missing")
    return holes

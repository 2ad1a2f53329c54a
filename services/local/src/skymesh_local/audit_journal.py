"""The journal of a run, up to the cut that every tier has completed."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from skymesh.codecs import wire
from skymesh.jobs.pools import named_pools
from skymesh.jobs.reactions import VIEW
from skymesh.model.deployment import PlacedMarker, spans
from skymesh.model.execution import JournalEntry, service_of
from skymesh.model.ids import Digest, text_id
from skymesh.model.position import Position
from skymesh.model.run import JobRecord, Run
from skymesh.provenance.journal import BATCH
from skymesh.runtime.places import Place, committed, iter_behind
from skymesh.runtime.references import resolved
from skymesh.runtime.tier import Context
from skymesh.runtime.topics import ACCEPTED, ALERTS, INTENTS, PROVENANCE, RESULTS, STATES, states_of
from skymesh_local.audit_dead import Burials
from skymesh_local.mesh import Mesh
from skymesh_t2.pool import tier_of

DELIVERERS = "deliver."
"""How the names of the tiers begin that hand over what is intended."""
INGEST = "ingest"

Reader = tuple[str, int]
"""A tier, and a partition of its input."""
Range = tuple[int, int]
"""Offsets: first ≤ offset < end."""


@dataclass
class Journal:
    """The journal of a run, whether it has reached the store yet or lies in the provenance topic.

    Attributes
    ----------
    run, context
        The run, and whose work the tiers did.
    completed
        tier and partition → offset of its input up to which it has committed: the cut.
    left
        tier and partition → records that it has not committed.
    entries
        What the units of the run did, up to the cut.
    batches
        What tiles each tier's input up to the cut, with the runs at work in each batch.
    markers
        partition of the log → the markers in it up to the cut; none where the only run judges all.
    """

    run: Run
    context: Context
    completed: dict[Reader, int]
    left: dict[Reader, int] = field(default_factory=dict)
    entries: list[JournalEntry] = field(default_factory=list)
    batches: list[JournalEntry] = field(default_factory=list)
    markers: dict[int, list[PlacedMarker]] = field(default_factory=dict)

    def of(self, tier: str) -> list[JournalEntry]:
        """Return the entries of a tier, for T2 those of all its pools."""
        return [entry for entry in self.entries if entry.service == tier]

    def waiting(self, tier: str) -> int:
        """Return how many records a tier, in all its pools, has not completed."""
        return sum(count for (name, _), count in self.left.items() if service_of(name) == tier)

    @property
    def partitions(self) -> list[int]:
        """The partitions of the log, by their numbers."""
        return sorted(number for tier, number in self.completed if tier == "t0")

    @property
    def tiers(self) -> frozenset[str]:
        """The tiers that read, each pool of T2 a tier of its own."""
        return frozenset(name for name, _ in self.completed)

    @functools.cached_property
    def burials(self) -> Burials:
        """What the tiers could not handle."""
        return Burials(self.batches)

    @property
    def inflight(self) -> int:
        """Records that some tier has not completed."""
        return sum(self.left.values())

    @functools.cached_property
    def viewed(self) -> frozenset[tuple[str, str]]:
        """Channel and state of all that T3 has viewed."""
        entries = [entry for entry in self.of("t3") if entry.instance == VIEW]
        return frozenset((entry.channel, line.subject) for entry in entries for line in entry.lines)

    def has_viewed(self, states: Mapping[str, Iterable[Digest]]) -> bool:
        """Return whether T3 has viewed any of what channels reached at one alert: all of it comes at once."""
        return any(
            (channel, text_id("state", id_)) in self.viewed for channel, ids in states.items() for id_ in ids
        )

    def is_due(self, states: Mapping[str, Iterable[Digest]]) -> bool:
        """Return whether T3 must have kept what channels reached at one alert, if nobody failed on it."""
        return not self.undecided or self.has_viewed(states)

    @property
    def undecided(self) -> int:
        """Records that some tier has not completed; whatever waits to be delivered is decided."""
        return sum(count for (name, _), count in self.left.items() if not name.startswith(DELIVERERS))

    def covers(self, position: Position) -> bool:
        """Return whether a position lies below the cut."""
        cut = self.completed.get(("t0", position.partition), 0)
        return position.offset < cut

    def judged(self, partition: int) -> list[Range]:
        """Return the offsets of a partition of the log that the run judges, up to the cut."""
        end = self.completed["t0", partition]
        if not self.context.is_marked:
            return [(0, end)]
        ranges = spans(self.markers[partition], self.run.id, end)
        return [(first, stop) for first, stop in ranges if first < stop]


async def collect_journal(mesh: Mesh, run: Run, job: JobRecord | None) -> Journal:
    """Collect the journal of a run.

    Others may be at work meanwhile. So each tier's cut is taken before that of the one above it: whatever
    a tier has handled, the one above has completed. What is left is counted after all cuts, and the journal
    is read last: whatever was completed stands in it, and what came later is not looked at. Pools of T2 are
    above and below each other: what one has handled beyond the other's cut is in flight.
    """
    context = await mesh.context(run)
    readers = readers_of(job)
    offsets: dict[tuple[str, Place], int] = {}
    for tier, record in reversed(readers.items()):
        done = await committed(mesh.bus, context, tier, record)
        offsets |= {(tier, place): offset for place, offset in done.items()}
    journal = Journal(run, context, {(tier, place.number): end for (tier, place), end in offsets.items()})
    counts = await asyncio.gather(*(_left(mesh, place, end) for (_, place), end in offsets.items()))
    journal.left = dict(zip(journal.completed, counts, strict=True))
    entries = {entry.id: entry for entry in await told_since(mesh, await sunk(mesh, context))}
    entries |= {entry.id: entry async for entry in mesh.store.scan(JournalEntry, run=run.id)}
    if context.owner != run.id:
        batches = mesh.store.scan(JournalEntry, run=context.owner, instance=BATCH)
        entries |= {entry.id: entry async for entry in batches}
    in_order = sorted(entries.values(), key=lambda entry: (entry.tier, entry.partition, entry.first))
    _add_ended(journal, readers, in_order)
    journal.markers = await _markers(mesh, journal)
    below = [entry for entry in in_order if _is_below(entry, journal.completed)]
    journal.entries = [entry for entry in below if entry.instance != BATCH and entry.run == run.id]
    journal.batches = [entry for entry in below if entry.instance == BATCH and entry.run == context.owner]
    return journal


def readers_of(job: JobRecord | None) -> dict[str, str]:
    """Return the tiers of a job with what they read, each before those that read what it publishes.

    Beside the usual ones those are the T2 of each pool that the job names, if it has one of its own, and
    the deliverer of each outlet.
    """
    resolved_ = job.resolved if job is not None else {"channels": {}}
    channels = resolved_["channels"].values()
    told = [target for spec in channels for told in spec.get("react", {}).values() for target in told["to"]]
    pools = {tier_of(pool): states_of(pool) for pool in sorted(named_pools(resolved_))}
    deliverers = {f"{DELIVERERS}{target}": INTENTS for target in told}
    return {"t0": ALERTS, "t1": ACCEPTED, "t2": STATES, **pools, "t3": RESULTS, **deliverers}


async def _left(mesh: Mesh, place: Place, offset: int) -> int:
    """Return how many records lie behind an offset: their number, as offsets may have gaps."""
    return sum([len(records) async for records in iter_behind(mesh.bus, place, offset)])


def _add_ended(journal: Journal, readers: Iterable[str], entries: Iterable[JournalEntry]) -> None:
    """Add the partitions of ended epochs: every tier was through with them, as far as the journal tells."""
    ended = range(journal.context.first_partition)
    for entry in entries:
        who = (entry.tier, entry.partition)
        if entry.instance == BATCH and entry.tier in readers and entry.partition in ended:
            journal.completed[who] = max(entry.end, journal.completed.get(who, 0))


async def _markers(mesh: Mesh, journal: Journal) -> dict[int, list[PlacedMarker]]:
    log, markers = journal.context.log, {}
    for partition in journal.partitions:
        placed = mesh.store.scan(PlacedMarker, log=log, partition=partition)
        markers[partition] = [marker async for marker in placed if journal.covers(marker.position)]
    return markers


async def sunk(mesh: Mesh, context: Context) -> dict[Place, int]:
    """Return up to which offset of each partition of the provenance topics the sink has kept all."""
    return await committed(mesh.bus, context, PROVENANCE, PROVENANCE)


async def told_since(mesh: Mesh, starts: Mapping[Place, int]) -> list[JournalEntry]:
    """Return the entries in the provenance topics from an offset on of each partition."""
    found = await asyncio.gather(*(_told_since(mesh, place, start) for place, start in starts.items()))
    return [entry for entries in found for entry in entries]


async def _told_since(mesh: Mesh, place: Place, start: int) -> list[JournalEntry]:
    entries = []
    async for records in iter_behind(mesh.bus, place, start):
        told = await resolved(mesh.store, records)
        entries += [wire.decode(record.value, JournalEntry) for record in told]
    return entries


def _is_below(entry: JournalEntry, completed: dict[Reader, int]) -> bool:
    """Return whether an entry lies below the cut; what covers nothing, and what ingest did, always does."""
    return entry.first == entry.end or entry.first < completed.get((entry.tier, entry.partition), entry.end)

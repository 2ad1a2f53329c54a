"""What is in flight in a mesh: whose records some tier has not completed, and from which position on."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from skymesh.codecs import wire
from skymesh.model.alert import Alert
from skymesh.model.deployment import LogRecord, Marker
from skymesh.model.execution import JournalEntry
from skymesh.model.ids import Digest
from skymesh.model.position import Position
from skymesh.model.records import Accepted, Completed, Intended, Reached
from skymesh.runtime.places import Place, committed, iter_behind
from skymesh.runtime.references import resolved
from skymesh.runtime.tier import Context
from skymesh.runtime.topics import ACCEPTED, ALERTS, INTENTS, PROVENANCE, RESULTS, STATES
from skymesh_local.audit_journal import DELIVERERS
from skymesh_local.mesh import Mesh

TYPES: Mapping[str, Any] = {
    ALERTS: LogRecord, ACCEPTED: Accepted, STATES: Reached, RESULTS: Completed, INTENTS: Intended,
    PROVENANCE: JournalEntry,
}  # fmt: skip
"""What lies in the topics of records; those of pools are named ``states-<pool>``."""


class InFlight(NamedTuple):
    """What some tier has not completed.

    Attributes
    ----------
    runs
        The runs whose records wait.
    lowest
        partition of the log → the smallest position of an alert that is not through T3.
    stamps
        Ids of the image stamps of alerts that T0 has not registered.
    waiting
        tier → how many records it has not completed.
    """

    runs: frozenset[Digest]
    lowest: dict[int, Position]
    stamps: frozenset[Digest]
    waiting: Counter[str]


async def find_in_flight(mesh: Mesh, context: Context, readers: Mapping[str, str]) -> InFlight:
    """Return what is in flight, while the tiers are at work.

    First it is noted how far every tier has come, then all that lies behind that is looked at, completed
    meanwhile or not. A record that a tier completes between is in the look at its input, or what came of it
    is in the look at a topic below: it left nothing behind that was noted as completed before.

    Parameters
    ----------
    mesh, context
        Where, and whose work the tiers do.
    readers
        Tiers, each with the record that it reads.
    """
    starts = await _starts(mesh, context, readers)
    runs: set[Digest] = set()
    stamps: set[Digest] = set()
    lowest: dict[int, Position] = {}
    # What lies behind an open transaction is not to be seen yet.
    hiding = {
        p for p in {place for _, place in starts} if not await mesh.bus.is_settled(p.topic, p.partition)
    }
    waiting = Counter(tier for tier, place in starts if place in hiding)
    for (tier, there), start in starts.items():
        async for offset, record in _behind(mesh, there, start):
            if isinstance(record, Intended) and f"{DELIVERERS}{record.target}" != tier:
                continue
            waiting[tier] += 1
            runs |= runs_of(record)
            stamps |= {record.cutouts} if isinstance(record, Alert) and record.cutouts is not None else set()
            place = context.at(there.number, offset) if tier == "t0" else getattr(record, "position", None)
            if place is not None and not isinstance(record, Intended):
                lowest[place.partition] = min(place, lowest.get(place.partition, place))
    return InFlight(frozenset(runs), lowest, frozenset(stamps), waiting)


async def _starts(mesh: Mesh, context: Context, readers: Mapping[str, str]) -> dict[tuple[str, Place], int]:
    """Return how far every tier has come, in each partition of its input."""
    starts: dict[tuple[str, Place], int] = {}
    for tier, record in readers.items():
        offsets = await committed(mesh.bus, context, tier, record)
        starts |= {(tier, place): offset for place, offset in offsets.items()}
    return starts


async def _behind(mesh: Mesh, place: Place, start: int) -> AsyncIterator[tuple[int, Any]]:
    """Yield offset and record of what lies behind an offset; None for what cannot be read."""
    async for records in iter_behind(mesh.bus, place, start):
        for each in await resolved(mesh.store, records):
            yield each.offset, read_record(place.topic, each.value)


def read_record(topic: str, value: bytes) -> Any:
    """Return a record of one of the mesh's own topics; None for what is none."""
    name = topic.rpartition(".")[0].rpartition(".")[2]
    kind = TYPES.get(name.partition("-")[0])
    try:
        return None if kind is None else wire.decode(value, kind)
    except (msgspec.MsgspecError, ValueError):
        return None


def runs_of(record: Any) -> set[Digest]:
    """Return the runs that a record names."""
    return set(_named(record))


def _named(record: Any) -> Iterable[Digest]:
    if isinstance(record, Accepted):
        return record.channels
    if isinstance(record, Reached):
        return (run for state in record.states for run in state.channels)
    if isinstance(record, Completed):
        return record.results
    return (record.run,) if isinstance(record, Marker | Intended | JournalEntry) else ()

"""The first half of an audit: what was read is in the log, and the log is registered."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

import msgspec

from skymesh.codecs import wire
from skymesh.errors import InvariantError
from skymesh.model.alert import Alert, Arrival
from skymesh.model.execution import JournalEntry, Line
from skymesh.model.ids import digest_sequence, text_id
from skymesh.model.point import point_id
from skymesh.model.position import Position
from skymesh.model.run import DeadLetter, Log, Run, SourceCount
from skymesh.runtime.references import resolved
from skymesh.runtime.tier import Context
from skymesh.runtime.topics import ALERTS
from skymesh_local.app import Embedded

if TYPE_CHECKING:
    from skymesh_local.audit import Journal


async def audit_intake(embedded: Embedded, run: Run) -> list[str]:
    """Compare the account of every file with the log and the dead letters, and the log with its id."""
    holes: list[str] = []
    read = published = dead = 0
    async for source in embedded.store.scan(SourceCount, run=run.id):
        read, published, dead = read + source.read, published + source.published, dead + source.dead
        if source.read != source.published + source.dead:
            holes.append(
                f"{source.name}: read {source.read}, published {source.published}, dead {source.dead}"
            )
    if (read, published, dead) != (run.read, run.published, run.dead):
        holes.append(f"sources: read {read}, published {published}, dead {dead}; the run says otherwise")
    log = await embedded.store.get(Log, id=run.log)
    if log is None or log.length != run.published:
        holes.append(f"log:{run.log.hex()} has {log and log.length} alerts, published were {run.published}")
    kept = [letter.tier async for letter in embedded.store.scan(DeadLetter, run=run.id)]
    letters = kept.count("ingest")
    if letters != run.dead:
        holes.append(f"{letters} dead letters are kept of {run.dead}")
    alerts = [alert async for _, alert in iter_log(embedded, run)]
    keys = [alert.id + alert.record for alert in alerts if alert is not None]
    if len(keys) != len(alerts) or digest_sequence("log", keys) != run.log:
        holes.append(f"log:{run.log.hex()} is not the digest of the {len(keys)} alerts that are in it")
    return holes


async def iter_log(embedded: Embedded, run: Run) -> AsyncIterator[tuple[Position, Alert | None]]:
    """Yield position and alert of the log, partition by partition; None for what is no alert."""
    topic = Context(run.log, run.id).topic(ALERTS)
    for partition in range(await embedded.bus.partitions(topic)):
        async for records in embedded.bus.iter_from(topic, partition, 0):
            for record in await resolved(embedded.store, records):
                yield Position(0, partition, record.offset), _alert(record.value)


def _alert(value: bytes) -> Alert | None:
    try:
        return wire.decode(value, Alert)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


async def audit_arrivals(embedded: Embedded, run: Run, journal: Journal) -> tuple[dict[str, int], list[str]]:
    """Compare log, arrivals and T0's registration, position by position up to what T0 has completed.

    Returns
    -------
    How many alerts were accepted, rejected and duplicates; and the holes.
    """
    counts: dict[str, int] = {}
    holes: list[str] = []
    lines = _registration(journal.of("t0"))
    arrivals = _below(embedded.store.scan(Arrival, log=run.log), journal)
    arrival = await anext(arrivals, None)
    completed = 0
    async for position, alert in iter_log(embedded, run):
        if position.offset >= journal.completed["t0", position.partition]:
            continue
        if journal.burials.is_dead("t0", position.partition, position.offset):
            continue
        if alert is None:
            holes.append(f"what stands at offset {position.offset} of the log is no alert")
            continue
        completed += 1
        line = next(lines, None)
        while arrival is not None and arrival.position < position:
            holes.append(f"an arrival at {arrival.position} that is not in the log")
            arrival = await anext(arrivals, None)
        here = arrival if arrival is not None and arrival.position == position else None
        holes += await _place_holes(embedded, position.offset, alert, here, line)
        if line is not None:
            counts[line.outcome] = counts.get(line.outcome, 0) + 1
        if here is not None:
            arrival = await anext(arrivals, None)
    if sum(counts.values()) != completed:
        holes.append(f"T0 completed {completed} alerts, its journal tells of {sum(counts.values())}")
    return counts, holes


async def _place_holes(
    embedded: Embedded, offset: int, alert: Alert, arrival: Arrival | None, line: Line | None
) -> list[str]:
    name = text_id("alert", alert.id)
    if arrival is None:
        return [f"{name} at offset {offset} has no arrival"]
    holes = []
    trigger = alert.trigger
    is_equal = msgspec.structs.replace(arrival.alert, points=()) == msgspec.structs.replace(alert, points=())
    if not is_equal or (arrival.trigger, arrival.trigger_labels) != (trigger.id, trigger.labels):
        holes.append(f"the arrival at offset {offset} is not that of {name}")
    if line is None or line.subject != name or (line.outcome == "duplicate") != arrival.is_duplicate:
        holes.append(f"{name} at offset {offset} is not what T0's journal says")
    known = {point.id: point for point in alert.points}
    holes += [
        f"point:{point.id.hex()} is not the digest of its values, or not as in its alert"
        for point in arrival.alert.points
        if point_id(point.body) != point.id or known.get(point.id) != point
    ]
    if alert.cutouts is not None and not await _has_cutouts(embedded, alert):
        holes.append(f"cutout:{alert.cutouts.hex()} of {name} is missing or damaged")
    return holes


async def _has_cutouts(embedded: Embedded, alert: Alert) -> bool:
    try:
        return alert.cutouts is None or await embedded.store.read_cutouts(alert.cutouts) is not None
    except InvariantError:
        return False


def _registration(entries: list[JournalEntry]) -> Iterator[Line]:
    for entry in entries:
        if not entry.channel:
            yield from entry.lines


async def _below(arrivals: AsyncIterator[Arrival], journal: Journal) -> AsyncIterator[Arrival]:
    """Yield arrivals up to what T0 completed; rows of a batch that was not committed may stand behind it."""
    async for arrival in arrivals:
        position = arrival.position
        if position.offset < journal.completed.get(("t0", position.partition), 0):
            yield arrival

"""The first half of an audit: the log is registered, and every alert of it is judged where it should be."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from skymesh.bus.bus import Received
from skymesh.errors import InvariantError
from skymesh.model.alert import Alert, Arrival, Source
from skymesh.model.deployment import Marker, PlacedMarker
from skymesh.model.execution import Line
from skymesh.model.ids import Digest, text_id
from skymesh.model.point import point_id
from skymesh.model.position import Position
from skymesh.model.retention import Expired
from skymesh.runtime.places import Place, places_of_log
from skymesh.runtime.references import resolved
from skymesh.store.store import Store
from skymesh_local.audit_journal import Journal
from skymesh_local.expired import packet_expiries
from skymesh_local.log import Logged, StreamPlace, decoded, place_of
from skymesh_local.mesh import Mesh

_AT_ONCE = 32


@dataclass
class Registry:
    """What an audit found in a log.

    Attributes
    ----------
    counts
        Alerts below the cut by what became of them: ``accepted``, ``rejected``, ``duplicate``; those that
        were registered ``before`` the run began, and while it was switched ``off``.
    published, judged
        Alerts in the log, beyond the cut too; and those of them that are the run's to judge.
    by_source
        Alerts by the partition of a survey's stream that they come from, as far as that was accounted for.
    strange
        Alerts below the cut that come from elsewhere, by the name of their source.
    expired
        partition → offset below which the log has been forgotten.
    stampless
        What has expired of the image stamps of the log.
    holes
        What is not accounted for.
    """

    counts: Counter[str] = field(default_factory=Counter)
    published: int = 0
    judged: int = 0
    by_source: Counter[StreamPlace] = field(default_factory=Counter)
    strange: Counter[str] = field(default_factory=Counter)
    expired: dict[int, int] = field(default_factory=dict)
    stampless: list[Expired] = field(default_factory=list)
    holes: list[str] = field(default_factory=list)


async def audit_log(
    mesh: Mesh, journal: Journal, is_counted: Callable[[Source], bool] = lambda _: False
) -> Registry:
    """Compare log, arrivals and T0's registration, position by position up to what T0 has completed.

    Parameters
    ----------
    mesh
        The mesh.
    journal
        The journal of a run.
    is_counted
        Says of the source of a packet whether it is accounted for.
    """
    registry = Registry(stampless=await packet_expiries(mesh.store, journal.context.log))
    arrivals = _Arrivals(mesh.store.scan(Arrival, log=journal.context.log), journal)
    places = {place.number: place for place in await places_of_log(mesh.bus, journal.context)}
    for number in journal.partitions:
        await _Walk(mesh, journal, arrivals, (number, places.get(number)), registry, is_counted).go()
    return registry


class _Arrivals:
    """The arrivals of a log below the cut, in order, one at hand."""

    def __init__(self, rows: AsyncIterator[Arrival], journal: Journal) -> None:
        self._rows = rows
        self._journal = journal
        self._next: list[Arrival] = []

    async def before(self, position: Position) -> AsyncIterator[Arrival]:
        """Yield those at smaller positions."""
        while (row := await self._at_hand()) is not None and row.position < position:
            yield self._next.pop()

    async def at(self, position: Position) -> Arrival | None:
        """Return the one at a position."""
        row = await self._at_hand()
        return self._next.pop() if row is not None and row.position == position else None

    async def _at_hand(self) -> Arrival | None:
        while not self._next:
            row = await anext(self._rows, None)
            if row is None:
                return None
            # Rows of a batch that was not committed may stand behind the cut.
            if self._journal.covers(row.position):
                self._next.append(row)
        return self._next[0]


class _Walk:
    """Goes through one partition of a log."""

    def __init__(
        self,
        mesh: Mesh,
        journal: Journal,
        arrivals: _Arrivals,
        place: tuple[int, Place | None],
        registry: Registry,
        is_counted: Callable[[Source], bool],
    ) -> None:
        self._mesh = mesh
        self._journal = journal
        self._arrivals = arrivals
        self._partition, self._place = place
        self._registry = registry
        self._is_counted = is_counted
        self._cut = journal.completed["t0", self._partition]
        self._first = 0
        self._lines = _registration(journal, self._partition)
        self._met: list[PlacedMarker] = []
        self._is_ended = self._partition < journal.context.first_partition
        self._is_on = not journal.context.is_marked
        self._began = self._is_on or _began_below(journal, self._partition)

    async def go(self) -> None:
        """Go through it, part by part; then look at what only one side knows."""
        bus, place = self._mesh.bus, self._place
        self._first = self._cut if place is None else await bus.first(place.topic, place.partition)
        await self._expired()
        if place is not None:
            async for received in bus.iter_from(place.topic, place.partition, self._first):
                await self._read_part(received)
        async for row in self._arrivals.before(self._journal.context.at(self._partition + 1, 0)):
            self._hole(f"an arrival at {row.position} that is not in the log")
        if self._met != self._journal.markers.get(self._partition, []):
            self._hole(f"the markers kept of partition {self._partition} are not those of the log")
        if left := sum(1 for _ in self._lines):
            self._hole(f"T0's journal tells of {left} alerts more than it completed")

    async def _read_part(self, received: Sequence[Received]) -> None:
        part = [
            (self._journal.context.at(self._partition, each.offset), decoded(each.value))
            for each in await resolved(self._mesh.store, received)
        ]
        below = [record for position, record in part if self._has_stamps(position)]
        self._registry.holes += await _lost_cutouts(self._mesh.store, below)
        for position, record in part:
            await self._read(position, record)

    def _has_stamps(self, position: Position) -> bool:
        """Return whether the image stamps of an alert must be there: below the cut, and not expired."""
        is_expired = any(expired.covers(position) for expired in self._registry.stampless)
        return position.offset < self._cut and not is_expired

    async def _expired(self) -> None:
        """Take the arrivals for what the log has forgotten."""
        if not self._first:
            return
        self._registry.expired[self._partition] = self._first
        below = [m for m in self._journal.markers.get(self._partition, ()) if m.position.offset < self._first]
        ahead = iter([*below, None])
        marker = next(ahead)
        async for row in self._arrivals.before(self._journal.context.at(self._partition, self._first)):
            while marker is not None and marker.position < row.position:
                self._switch(marker)
                marker = next(ahead)
            self._count(row.position, row.alert.source)
            self._tell(row.position, row.alert.id, is_duplicate=row.is_duplicate)
        while marker is not None:
            self._switch(marker)
            marker = next(ahead)

    def _switch(self, placed: PlacedMarker) -> None:
        if placed.position.offset < self._cut:
            self._met.append(placed)
        if placed.marker.run == self._journal.run.id:
            self._is_on = placed.marker.switch == "on"
            self._began = self._began or self._is_on

    async def _read(self, position: Position, record: Logged) -> None:
        """Take in a record of the log."""
        if isinstance(record, Marker):
            self._switch(PlacedMarker(self._journal.context.log, self._partition, position, record))
        elif isinstance(record, Alert):
            if self._is_ended and position.offset >= self._cut:
                self._hole(f"{text_id('alert', record.id)} at {position} came in when its epoch had ended")
            self._count(position, record.source)
            if self._is_handled(position):
                await self._compare(position, record)
        elif record is None and self._is_handled(position):
            self._hole(f"what is at {position} in the log is no record of it")

    def _is_handled(self, position: Position) -> bool:
        """Return whether T0 has completed a record, and could handle it."""
        is_dead = self._journal.burials.is_dead("t0", self._partition, position.offset)
        return position.offset < self._cut and not is_dead

    def _count(self, position: Position, source: Source) -> None:
        registry = self._registry
        registry.published += 1
        registry.judged += self._is_on
        if self._is_counted(source):
            registry.by_source[place_of(source)[0]] += 1
        elif position.offset < self._cut:
            registry.strange[source.name] += 1

    async def _compare(self, position: Position, alert: Alert) -> None:
        async for row in self._arrivals.before(position):
            self._hole(f"an arrival at {row.position} that is not in the log")
        here = await self._arrivals.at(position)
        if here is None:
            self._hole(f"{text_id('alert', alert.id)} at {position} has no arrival")
        else:
            self._registry.holes += _arrival_holes(alert, here)
        self._tell(position, alert.id, is_duplicate=None if here is None else here.is_duplicate)

    def _tell(self, position: Position, alert: Digest, *, is_duplicate: bool | None) -> None:
        """Compare an alert with the next line of T0's journal, if it is the run's to judge."""
        if not self._is_on:
            self._registry.counts["off" if self._began else "before"] += 1
            return
        name, line = text_id("alert", alert), next(self._lines, None)
        if line is None or line.subject != name or (line.outcome == "duplicate") != (is_duplicate or False):
            self._hole(f"{name} at {position} is not what T0's journal says")
        if line is not None:
            self._registry.counts[line.outcome] += 1

    def _hole(self, said: str) -> None:
        self._registry.holes.append(said)


def _began_below(journal: Journal, partition: int) -> bool:
    """Return whether a run began in an epoch before that of a partition."""
    epoch = journal.context.at(partition, 0).epoch
    below = (marker for number in range(partition) for marker in journal.markers.get(number, ()))
    return any(m.marker.run == journal.run.id and m.position.epoch < epoch for m in below)


def _registration(journal: Journal, partition: int) -> Iterator[Line]:
    for entry in journal.of("t0"):
        if entry.partition == partition and not entry.channel:
            yield from entry.lines


def _arrival_holes(alert: Alert, arrival: Arrival) -> Iterator[str]:
    """Yield what an arrival says that its alert does not."""
    trigger = alert.trigger
    is_equal = msgspec.structs.replace(arrival.alert, points=()) == msgspec.structs.replace(alert, points=())
    if not is_equal or (arrival.trigger, arrival.trigger_labels) != (trigger.id, trigger.labels):
        yield f"the arrival at {arrival.position} is not that of {text_id('alert', alert.id)}"
    known = {point.id: point for point in alert.points}
    for point in arrival.alert.points:
        if point_id(point.body) != point.id or known.get(point.id) != point:
            yield f"point:{point.id.hex()} is not the digest of its values, or not as in its alert"


async def _lost_cutouts(store: Store, records: Iterable[Logged]) -> list[str]:
    """Return which image stamps of alerts are not there, or not what their id says."""

    async def is_lost(id_: Digest) -> bool:
        try:
            return await store.read_cutouts(id_) is None
        except InvariantError:
            return True

    wanted = iter({r.cutouts: r.id for r in records if isinstance(r, Alert) and r.cutouts}.items())
    holes = []
    while some := list(itertools.islice(wanted, _AT_ONCE)):
        lost = await asyncio.gather(*(is_lost(id_) for id_, _ in some))
        holes += [
            f"{text_id('cutout', id_)} of {text_id('alert', alert)} is missing or damaged"
            for (id_, alert), is_one in zip(some, lost, strict=True)
            if is_one
        ]
    return holes

"""The decisions of T1: which states a channel holds at an alert, and which it reaches there first."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from skymesh.jobs.plan import ChannelPlan, JobPlan
from skymesh.model.access import union_of_labels
from skymesh.model.execution import JournalEntry, Line
from skymesh.model.ids import Digest, text_id
from skymesh.model.point import DataPoint
from skymesh.model.records import Accepted, Reached, ReachedState
from skymesh.model.state import State, StateLink, make_state
from skymesh.provenance.journal import Journalist, Stopwatch
from skymesh.runtime.guard import guarded
from skymesh.runtime.tier import Batch, Context, Outcome, Publication
from skymesh.runtime.topics import ACCEPTED, STATES
from skymesh.store.store import Found, Keys
from skymesh.units.inputs import in_order_of_time
from skymesh_t1.muxing import known_points, mux

INLINE_BYTES = 256 * 1024
"""What travels well: Kafka's default limit is 1 MiB."""

# What a point takes beside its raw values: id, key, labels, time.
_POINT_BYTES = 128
REACHED, HELD, FAILED = "reached", "held", "failed"


class Combination(NamedTuple):
    """What a channel's combiner made at one alert: states with their points, or a problem."""

    states: tuple[tuple[State, tuple[DataPoint, ...]], ...]
    problem: str


class T1:
    """Makes the states of every channel that keeps an alert.

    Parameters
    ----------
    context
        The run and its log.
    job
        Its plan.
    inline_bytes
        Points of a record travel with it up to this size; above it they are read from the store.
    """

    name = "t1"
    reads = ACCEPTED
    record_type = Accepted

    def __init__(self, context: Context, job: JobPlan, *, inline_bytes: int = INLINE_BYTES) -> None:
        self._context = context
        self._inline_bytes = inline_bytes
        self._channels = {channel.name: channel for channel in job.channels}

    def needs(self, batch: Batch[Accepted], found: Found) -> Keys:
        """Return the stocks of the batch: their arrivals, and the states reached before."""
        stocks = frozenset(record.stock for record in batch.records)
        return Keys(arrivals=stocks, links=stocks, until=batch.records[-1].position)

    def process(self, batch: Batch[Accepted], found: Found) -> Outcome:
        """Combine, link every accepted alert to its states, and publish the states that are new."""
        reached = self._reached_before(batch, found)
        watch = Stopwatch()
        spent = dict.fromkeys(self._channels, 0.0)
        lines: dict[str, list[Line]] = {name: [] for name in self._channels}
        links, states, records = [], [], []
        for record in batch.records:
            combined = self._combine(record, found, spent)
            link = self._link(record, combined, reached)
            links.append(link)
            for name in record.channels:
                lines[name].append(_line(record, link, name, combined[name].problem))
            new = _new_states(link, combined)
            states += [state for state, _, _ in new]
            if new:
                records.append(
                    Publication(STATES, record.stock, _reached_record(record, new, self._inline_bytes))
                )
        return Outcome(
            documents=(*links, *states),
            records=tuple(records),
            journal=self._journal(batch, lines, watch, spent),
        )

    def _reached_before(self, batch: Batch[Accepted], found: Found) -> dict[tuple[str, str], set[Digest]]:
        """Return (stock, channel) → states reached below the batch.

        Rows of the batch itself, left by an attempt before, are not looked at.
        """
        start = batch.records[0].position
        reached: dict[tuple[str, str], set[Digest]] = {}
        for stock, rows in found.links.items():
            for row in rows:
                if row.position < start:
                    for channel, ids in row.emitted.items():
                        reached.setdefault((stock, channel), set()).update(ids)
        return reached

    def _combine(self, record: Accepted, found: Found, spent: dict[str, float]) -> dict[str, Combination]:
        """Run the combiner of each channel; channels that see the same through equal units share one run."""
        points = known_points(found.arrivals.get(record.stock, ()), record.position)
        labels = union_of_labels(points)
        shared: dict[object, Combination] = {}
        combined = {}
        for name in record.channels:
            channel = self._channels[name]
            sight = (channel.combiner.ref, channel.grants & labels)
            if sight not in shared:
                watch = Stopwatch()
                shared[sight] = _states(channel, record.stock, points)
                spent[name] += watch.seconds()
            combined[name] = shared[sight]
        return combined

    def _link(
        self, record: Accepted, combined: dict[str, Combination], reached: dict[tuple[str, str], set[Digest]]
    ) -> StateLink:
        held = {
            name: tuple(state.id for state, _ in combination.states) for name, combination in combined.items()
        }
        emitted = {}
        for name, ids in held.items():
            before = reached.setdefault((record.stock, name), set())
            new = tuple(dict.fromkeys(id_ for id_ in ids if id_ not in before))
            before.update(new)
            if new:
                emitted[name] = new
        return StateLink(self._context.run, record.stock, record.position, record.alert, held, emitted)

    def _journal(
        self, batch: Batch[Accepted], lines: dict[str, list[Line]], watch: Stopwatch, spent: dict[str, float]
    ) -> tuple[JournalEntry, ...]:
        journalist = Journalist(self._context.run, self.name, batch.partition, batch.first, batch.end)
        return tuple(
            journalist.entry(
                name, "combine", channel.combiner.ref, lines[name], watch.started_utc, spent[name]
            )
            for name, channel in self._channels.items()
        )


def _states(channel: ChannelPlan, stock: str, points: Iterable[DataPoint]) -> Combination:
    seen = mux(points, channel.grants)

    def combine() -> Combination:
        known, states = {point.id for point in seen}, []
        for members in channel.combiner.unit.combine(seen):
            ordered = seen if members is seen else in_order_of_time(members)
            ids = {point.id for point in ordered}
            if not known >= ids:
                raise ValueError("the combiner returned points that it was not given")
            states.append((make_state(stock, ids), ordered))
        return Combination(tuple(states), "")

    combined, problem = guarded(combine, channel.combiner.unit.deadline_s)
    return combined or Combination((), problem)


def _new_states(
    link: StateLink, combined: dict[str, Combination]
) -> list[tuple[State, tuple[DataPoint, ...], tuple[str, ...]]]:
    """Return the states that any channel reached here first: state, points, channels."""
    by_id: dict[Digest, tuple[State, tuple[DataPoint, ...], list[str]]] = {}
    for name, ids in link.emitted.items():
        made = {state.id: (state, points) for state, points in combined[name].states}
        for id_ in ids:
            by_id.setdefault(id_, (*made[id_], []))[2].append(name)
    return [(state, points, tuple(names)) for state, points, names in by_id.values()]


def _reached_record(
    record: Accepted, new: list[tuple[State, tuple[DataPoint, ...], tuple[str, ...]]], inline_bytes: int
) -> Reached:
    """Return the record for T2, with the points inline unless they are too many to travel."""
    places: dict[Digest, int] = {}
    inline: list[DataPoint] = []
    states = []
    for state, points, names in new:
        for point in points:
            if point.id not in places:
                places[point.id] = len(inline)
                inline.append(point)
        states.append(ReachedState(state.id, tuple(places[point.id] for point in points), names))
    size = sum(len(point.body) + _POINT_BYTES for point in inline)
    travel = tuple(inline) if size <= inline_bytes else None
    ids = () if travel is not None else tuple(places)
    return Reached(record.position, record.stock, record.alert, travel, ids, tuple(states))


def _line(record: Accepted, link: StateLink, channel: str, problem: str) -> Line:
    new = set(link.emitted.get(channel, ()))
    outcome = FAILED if problem else REACHED if new else HELD
    output = tuple(text_id("state", id_) for id_ in link.states[channel])
    return Line(text_id("alert", record.alert), record.stock, output, outcome, problem)

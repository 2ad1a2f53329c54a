"""The decisions of T1: which states a channel holds at an alert, and which it reaches there first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from skymesh.jobs.deployed import Deployed
from skymesh.model.access import union_of_labels
from skymesh.model.execution import JournalEntry, Line
from skymesh.model.ids import Digest, text_id
from skymesh.model.point import DataPoint
from skymesh.model.records import Accepted, Reached, ReachedState
from skymesh.model.state import State, StateLink
from skymesh.provenance.journal import Stopwatch, Told, batch_journal
from skymesh.runtime.tier import Batch, Context, Outcome, Publication, Tier
from skymesh.runtime.topics import ACCEPTED, STATES
from skymesh.store.store import Found, Keys
from skymesh_t1.combining import Combination, as_linked, combine
from skymesh_t1.linking import Linker, Place, links_left, reached_before, refuse_contradiction
from skymesh_t1.muxing import known_points

INLINE_BYTES = 256 * 1024
"""What travels well: Kafka's default limit is 1 MiB."""

# What a point takes beside its raw values: id, key, labels, time.
_POINT_BYTES = 128
REACHED, HELD, FAILED = "reached", "held", "failed"

_Channel = tuple[Digest, str]
"""Run and channel."""

_Spent = dict[_Channel, tuple[float, float]]
"""What combining took for each channel: seconds, and CPU time in seconds."""


class _NewState(NamedTuple):
    """A state that channels of some runs reached first at one alert."""

    state: State
    points: tuple[DataPoint, ...]
    channels: dict[Digest, tuple[str, ...]]


class T1(Tier[Accepted]):
    """Makes the states of every channel that keeps an alert.

    Parameters
    ----------
    context
        The log.
    inline_bytes
        Points of a record travel with it up to this size; above it they are read from the store.
    """

    name = "t1"
    reads = ACCEPTED
    record_type = Accepted

    def __init__(self, context: Context, *, inline_bytes: int = INLINE_BYTES) -> None:
        self._context = context
        self._inline_bytes = inline_bytes

    def needs(self, batch: Batch[Accepted], found: Found) -> Keys:
        """Return the stocks of the batch: their arrivals, and the states that each run reached before.

        And those that an attempt before linked to the batch: a combiner may be late that was in time then.
        """
        left = links_left(batch.records, found.links).values()
        return Keys(
            arrivals=frozenset(record.stock for record in batch.records),
            links=frozenset((run, record.stock) for record in batch.records for run in record.channels),
            states=frozenset(id_ for link in left for ids in link.states.values() for id_ in ids),
            jobs=frozenset(_runs(batch)),
            until=max(record.position for record in batch.records),
        )

    def process(self, batch: Batch[Accepted], found: Found) -> Outcome:
        """Combine, link every accepted alert to its states, and publish the states that are new.

        Raises
        ------
        TransientError
            If a combiner was late, and what an attempt before has stored says otherwise.
        """
        left = links_left(batch.records, found.links)
        linker = Linker(reached_before(batch.records, found.links))
        watch = Stopwatch()
        spent: _Spent = {}
        lines: dict[_Channel, list[Line]] = {}
        links, states, records = [], [], []
        for record in batch.records:
            combined = self._combine(record, found, left, spent)
            of_record = [
                linker.link(record, run, {name: combined[run, name] for name in names})
                for run, names in record.channels.items()
            ]
            links += of_record
            for link in of_record:
                refuse_contradiction(link, left)
                for name in link.states:
                    told = _line(record, link, name, combined[link.run, name].problem)
                    lines.setdefault((link.run, name), []).append(told)
            new = _new_states(of_record, combined)
            states += [state for state, _, _ in new]
            if new:
                records.append(
                    Publication(STATES, record.stock, _reached_record(record, new, self._inline_bytes))
                )
        return Outcome(
            documents=(*links, *states),
            records=tuple(records),
            journal=self._journal(batch, found, lines, watch, spent),
        )

    def _combine(
        self, record: Accepted, found: Found, left: dict[Place, StateLink], spent: _Spent
    ) -> dict[_Channel, Combination]:
        """Run the combiner of each channel; channels that see the same through equal units share one run.

        Where one is late that was in time at an attempt before, what is stored of that stands.
        """
        points = known_points(found.arrivals.get(record.stock, ()), record.position)
        labels = union_of_labels(points)
        shared: dict[object, Combination] = {}
        combined = {}
        for place in _channels(record):
            run, name = place
            channel = found.jobs[run].channel(name)
            sight = (channel.combiner.ref, channel.grants & labels)
            if sight not in shared:
                watch = Stopwatch()
                shared[sight] = combine(channel, record.stock, points)
                seconds, cpu_s = spent.get(place, (0.0, 0.0))
                spent[place] = (seconds + watch.seconds(), cpu_s + watch.cpu_s())
            made, link = shared[sight], left.get((run, record.stock, record.position))
            if made.is_late and link is not None and link.states.get(name):
                made = as_linked(link, name, points, found.states)
            combined[place] = made
        return combined

    def _journal(
        self,
        batch: Batch[Accepted],
        found: Found,
        lines: dict[_Channel, list[Line]],
        watch: Stopwatch,
        spent: _Spent,
    ) -> tuple[JournalEntry, ...]:
        told = {run: _told(found.jobs[run], lines, spent) for run in _runs(batch)}
        place = (self.name, batch.partition, batch.first, batch.end)
        return batch_journal(self._context.owner, place, watch, {"records": len(batch.records)}, told)


def _told(job: Deployed, lines: dict[_Channel, list[Line]], spent: _Spent) -> Iterator[Told]:
    for channel in job.plan.channels:
        place = (job.run, channel.name)
        own = lines.get(place, [])
        yield Told(channel.name, "combine", channel.combiner.ref, own, *spent.get(place, (0.0, 0.0)))


def _runs(batch: Batch[Accepted]) -> tuple[Digest, ...]:
    return tuple(dict.fromkeys(run for record in batch.records for run in record.channels))


def _channels(record: Accepted) -> list[_Channel]:
    return [(run, name) for run, names in record.channels.items() for name in names]


def _new_states(links: Iterable[StateLink], combined: dict[_Channel, Combination]) -> list[_NewState]:
    """Return the states that any channel reached here first."""
    by_id: dict[Digest, _NewState] = {}
    for link in links:
        for name, ids in link.emitted.items():
            made = {state.id: (state, points) for state, points in combined[link.run, name].states}
            for id_ in ids:
                channels = by_id.setdefault(id_, _NewState(*made[id_], {})).channels
                channels[link.run] = (*channels.get(link.run, ()), name)
    return list(by_id.values())


def _reached_record(record: Accepted, new: list[_NewState], inline_bytes: int) -> Reached:
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
    return Reached(record.position, record.stock, record.alert, travel, ids, tuple(states), record.times)


def _line(record: Accepted, link: StateLink, channel: str, problem: str) -> Line:
    new = set(link.emitted.get(channel, ()))
    outcome = FAILED if problem else REACHED if new else HELD
    output = tuple(text_id("state", id_) for id_ in link.states[channel])
    return Line(text_id("alert", record.alert), record.stock, output, outcome, problem)

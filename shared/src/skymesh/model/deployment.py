"""Where in a live log jobs begin and end: markers among its alerts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec

from skymesh.model.alert import Alert
from skymesh.model.ids import Digest
from skymesh.model.position import Position

Switch = Literal["on", "off"]


class Marker(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """A record of the log that is no alert: from here on a run judges alerts, or judges none any more.

    Attributes
    ----------
    run, switch
        Which run begins or ends here.
    """

    run: Digest
    switch: Switch


class Genesis(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """The first record of every partition of a live log: whose generation of the topic this is.

    A topic that was made again under its name begins with another one, or with none.
    """

    log: Digest
    epoch: int


LogRecord = Alert | Marker | Genesis
"""What the topic of alerts holds."""


class PlacedMarker(msgspec.Struct, frozen=True, array_like=True):
    """A marker where T0 met it.

    Attributes
    ----------
    log, partition, position
        The key. The partition is named apart, as it is what markers are asked for by.
    marker
        What it says.
    """

    log: Digest
    partition: int
    position: Position
    marker: Marker


class Epoch(msgspec.Struct, frozen=True, array_like=True):
    """A generation of a live log's topics.

    Partitions are numbered on through the epochs, so that a number names one partition of the log.

    Attributes
    ----------
    log, number, status
        The key: the log's id, made once, the generation, from 0, and what is said of it: that it is
        announced, which holds back ingest until all that came in before is through; that it has begun, its
        topics are there and it may be worked in; or that it never will. What was said stays.
    first
        Number of its first partition: behind all those of the epochs before.
    partitions
        How many partitions its topics have, from alerts to results.
    """

    log: Digest
    number: int
    first: int
    partitions: int
    status: Literal["announced", "withdrawn", "begun"] = "announced"

    @property
    def is_begun(self) -> bool:
        """Whether it may be worked in."""
        return self.status == "begun"

    @property
    def numbers(self) -> range:
        """The numbers of its partitions."""
        return range(self.first, self.first + self.partitions)

    def followed_by(self, number: int, partitions: int = 0) -> Epoch:
        """Return an epoch to follow, of some number; with as many partitions unless told otherwise."""
        return Epoch(self.log, number, self.numbers.stop, partitions or self.partitions)


class Deployment(msgspec.Struct, frozen=True, array_like=True):
    """The runs of jobs of one name that may be at work: what the next deployment switches off.

    Written before the markers go out, with the runs from before and after; then again, with what is left.

    Attributes
    ----------
    log, name
        The key: the log, and the name of the job.
    runs
        The runs, the newest last.
    """

    log: Digest
    name: str
    runs: tuple[Digest, ...]


def runs_on(markers: Iterable[PlacedMarker]) -> tuple[Digest, ...]:
    """Return the runs that judge what comes behind the markers of a partition, all of them in order."""
    last = {placed.marker.run: placed.marker.switch for placed in markers}
    return tuple(run for run, switch in last.items() if switch == "on")


def spans(markers: Iterable[PlacedMarker], run: Digest, end: int) -> Iterator[tuple[int, int]]:
    """Yield the ranges of offsets in one partition that a run judges, as (first, end) below `end`.

    Parameters
    ----------
    markers
        All markers of the partition, in order.
    """
    first: int | None = None
    for placed in markers:
        if placed.marker.run != run:
            continue
        if placed.marker.switch == "on" and first is None:
            first = placed.position.offset + 1
        elif placed.marker.switch == "off" and first is not None:
            yield min(first, end), min(placed.position.offset, end)
            first = None
    if first is not None:
        yield min(first, end), end

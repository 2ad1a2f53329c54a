"""What travels between the tiers, keyed by stock; every record carries its position in the log."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import NamedTuple

import msgspec

from skymesh.model.execution import Outcome, SettledResult
from skymesh.model.ids import Digest
from skymesh.model.point import DataPoint
from skymesh.model.position import Position


class Times(NamedTuple):
    """How old an alert is, for those who measure how late the mesh is.

    Attributes
    ----------
    arrived_ms
        When it entered the log: ms of Unix time (UTC); 0 where nobody knows.
    observed_mjd_tai
        When its triggering point was observed: MJD (TAI).
    """

    arrived_ms: int
    observed_mjd_tai: float


class Accepted(msgspec.Struct, frozen=True, array_like=True):
    """An alert that some channels keep: T0 → T1.

    Attributes
    ----------
    position, stock, alert
        Which alert.
    channels
        run → names of its channels that keep it.
    times
        Of the alert.
    """

    position: Position
    stock: str
    alert: Digest
    channels: dict[Digest, tuple[str, ...]]
    times: Times

    @property
    def channel_names(self) -> frozenset[str]:
        """The channels that it is for, in whichever run."""
        return _names(self.channels.values())


class ReachedState(msgspec.Struct, frozen=True, array_like=True):
    """A state, with the channels that reached it here first.

    Attributes
    ----------
    id
        The state.
    members
        Indices of its points in the record's `points`, in order of time.
    channels
        run → names of its channels.
    """

    id: Digest
    members: tuple[int, ...]
    channels: dict[Digest, tuple[str, ...]]


class Stamp(msgspec.Struct, frozen=True, array_like=True):
    """How an execution was settled, as it travels on a routing slip.

    Attributes
    ----------
    id, outcome, reason, digest, is_transient
        Of its result; see `skymesh.model.execution.Result`. The store may hold another outcome by now,
        if a deadline ended this one.
    """

    id: Digest
    outcome: Outcome
    reason: str
    digest: Digest
    is_transient: bool


Slip = dict[Digest, dict[str, dict[Digest, dict[str, Stamp]]]]
"""run → channel → state → instance → how it was settled."""


class Reached(msgspec.Struct, frozen=True, array_like=True):
    """States that channels reached for the first time: T1 → T2, and on from pool to pool of T2.

    Attributes
    ----------
    position, stock, alert
        At which alert.
    points
        The points of all the states, once each; None where they are too many to travel: then they
        are read from the store, by `point_ids`.
    point_ids
        Ids of the points, in the order that `ReachedState.members` counts in.
    states
        The states.
    times
        Of the alert.
    slip
        What the pools that it has been to have settled; their results stand in the store.
    """

    position: Position
    stock: str
    alert: Digest
    points: tuple[DataPoint, ...] | None
    point_ids: tuple[Digest, ...]
    states: tuple[ReachedState, ...]
    times: Times
    slip: Slip = {}

    @property
    def channel_names(self) -> frozenset[str]:
        """The channels that it is for, in whichever run."""
        return _names(names for state in self.states for names in state.channels.values())


class Completed(msgspec.Struct, frozen=True, array_like=True):
    """Results of the states reached at a position: T2 → T3.

    Attributes
    ----------
    position, stock, alert
        At which alert.
    results
        run → channel → state → instance → how it was settled.
    times
        Of the alert.
    """

    position: Position
    stock: str
    alert: Digest
    results: dict[Digest, dict[str, dict[Digest, dict[str, SettledResult]]]]
    times: Times

    @property
    def channel_names(self) -> frozenset[str]:
        """The channels that it is for, in whichever run."""
        return _names(self.results.values())


class Intended(msgspec.Struct, frozen=True, array_like=True):
    """Something is to be told: T3 → deliverers. What it is stands in the store, as messages may be large.

    Attributes
    ----------
    position, stock
        Whose.
    run, reaction
        The key of the intent.
    target
        The outlet that is to tell it.
    """

    position: Position
    stock: str
    run: Digest
    reaction: Digest
    target: str


def _names(of_runs: Iterable[Iterable[str]]) -> frozenset[str]:
    return frozenset(chain.from_iterable(of_runs))

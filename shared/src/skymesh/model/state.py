"""States: the immutable sets of datapoints that analyses see."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from skymesh.model.ids import Digest, canonical_row, digest_bytes
from skymesh.model.position import Position


class State(msgspec.Struct, frozen=True, array_like=True):
    """A set of datapoints of one stock.

    Attributes
    ----------
    id
        Digest of the stock and the set; order, channel and time of arrival do not enter.
    stock
        The object.
    points
        Ids of the members, sorted.
    """

    id: Digest
    stock: str
    points: tuple[Digest, ...]


class Verdict(msgspec.Struct, frozen=True, array_like=True):
    """The channels of a run whose filter accepted the alert at a position."""

    run: Digest
    stock: str
    position: Position
    channels: tuple[str, ...]


class StateLink(msgspec.Struct, frozen=True, array_like=True):
    """The states that the channels of a run hold at an accepted alert.

    Attributes
    ----------
    run, stock, position
        The key.
    alert
        Id of the accepted alert.
    states
        For each channel the ids of its states here, in the combiner's order.
    emitted
        Those among them that the channel reached here for the first time.
    is_transient
        A combiner's deadline passed here, or before in the same batch of T1: at another attempt it may come
        out otherwise.

    Notes
    -----
    T1 must find the states that it reached before, so it writes links before its transaction is committed.
    A worker that ends in between leaves them; whoever does the batch again writes the same, unless a deadline
    passed at one of the attempts. Then what was made in time stands: it takes the place of a link that is
    transient, and T1 publishes it where it finds it. Zombies remain: a worker that others took for dead may
    store its link when they have committed another one, if it was in time and they were not, or if both were
    late. An audit finds it.
    """

    run: Digest
    stock: str
    position: Position
    alert: Digest
    states: dict[str, tuple[Digest, ...]]
    emitted: dict[str, tuple[Digest, ...]]
    is_transient: bool = False


def make_state(stock: str, points: Iterable[Digest]) -> State:
    """Return the state of a stock that consists of these points."""
    members = tuple(sorted(set(points)))
    return State(digest_bytes("state", canonical_row((stock, members))), stock, members)

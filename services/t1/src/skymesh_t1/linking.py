"""Linking alerts to the states that channels hold there: which of them a channel reaches first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from skymesh.errors import TransientError
from skymesh.model.ids import Digest, text_id
from skymesh.model.position import Position
from skymesh.model.records import Accepted
from skymesh.model.state import StateLink
from skymesh.store.store import RunStock
from skymesh_t1.combining import Combination

_Teller = tuple[Digest, str, str]
"""Run, channel and stock."""
Place = tuple[Digest, str, Position]
"""Run, stock and position."""


def reached_before(
    records: Iterable[Accepted], found: Mapping[RunStock, Iterable[StateLink]]
) -> dict[_Teller, set[Digest]]:
    """Return (run, channel, stock) → the states reached before a batch.

    Rows of the batch itself, left by an attempt before, are not among them. Of each stock by itself: a
    dead letter that was sent again stands behind records of larger positions.
    """
    own = _positions(records)
    reached: dict[_Teller, set[Digest]] = {}
    for (run, stock), rows in found.items():
        last = max(own[stock])
        for row in rows:
            if row.position < last and row.position not in own[stock]:
                for channel, ids in row.emitted.items():
                    reached.setdefault((run, channel, stock), set()).update(ids)
    return reached


def links_left(
    records: Iterable[Accepted], found: Mapping[RunStock, Iterable[StateLink]]
) -> dict[Place, StateLink]:
    """Return the links of a batch itself that an attempt before has left, and at which nobody was late."""
    own = _positions(records)
    return {
        (run, stock, row.position): row
        for (run, stock), rows in found.items()
        for row in rows
        if row.position in own[stock] and not row.is_transient
    }


def refuse_contradiction(link: StateLink, left: Mapping[Place, StateLink]) -> None:
    """Have a batch decided again where somebody is late, and a final link of another attempt would stay.

    That attempt may have stored this link and not those before it in the batch, which say what is new here.

    Raises
    ------
    TransientError
        If it is so.
    """
    stored = left.get((link.run, link.stock, link.position))
    differs = stored is not None and (stored.states, stored.emitted) != (link.states, link.emitted)
    if link.is_transient and differs:
        where = text_id("alert", link.alert)
        raise TransientError("a combiner was late that was in time at an attempt before", where=where)


def _positions(records: Iterable[Accepted]) -> dict[str, set[Position]]:
    own: dict[str, set[Position]] = {}
    for record in records:
        own.setdefault(record.stock, set()).add(record.position)
    return own


class Linker:
    """Links the alerts of a batch, one after the other.

    Parameters
    ----------
    reached
        The states reached before the batch; those of the batch are added.
    """

    def __init__(self, reached: dict[_Teller, set[Digest]]) -> None:
        self._reached = reached
        self._late: set[_Teller] = set()

    def link(self, record: Accepted, run: Digest, made: Mapping[str, Combination]) -> StateLink:
        """Link an alert to what the channels of a run hold there.

        Parameters
        ----------
        record, run
            The alert, and the run.
        made
            By channel.
        """
        tellers = {name: (run, name, record.stock) for name in made}
        # What is new at later alerts of the batch depends on what was late here.
        self._late.update(tellers[name] for name, combination in made.items() if combination.is_late)
        held = {name: tuple(state.id for state, _ in made[name].states) for name in made}
        emitted = {}
        for name, ids in held.items():
            before = self._reached.setdefault(tellers[name], set())
            new = tuple(dict.fromkeys(id_ for id_ in ids if id_ not in before))
            before.update(new)
            if new:
                emitted[name] = new
        is_transient = not self._late.isdisjoint(tellers.values())
        return StateLink(run, record.stock, record.position, record.alert, held, emitted, is_transient)

"""What a channel's combiner makes of the points at one alert."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from skymesh.errors import TransientError, UnitTimeoutError
from skymesh.jobs.plan import ChannelPlan
from skymesh.model.ids import Digest, text_id
from skymesh.model.point import DataPoint
from skymesh.model.state import State, StateLink, make_state
from skymesh.runtime.guard import guarded
from skymesh.units.inputs import in_order_of_time
from skymesh_t1.muxing import mux


class Combination(NamedTuple):
    """What a channel's combiner made at one alert: states with their points, or a problem.

    Attributes
    ----------
    states, problem
        What it made.
    is_late
        Its deadline passed: at another attempt it may make something.
    """

    states: tuple[tuple[State, tuple[DataPoint, ...]], ...]
    problem: str
    is_late: bool = False


def combine(channel: ChannelPlan, stock: str, points: Iterable[DataPoint]) -> Combination:
    """Run a channel's combiner on what the channel may see of some points."""
    seen = mux(points, channel.grants)

    def combine() -> Combination:
        known, states = {point.id: point for point in seen}, []
        for members in channel.combiner.unit.combine(seen):
            ids = {point.id for point in members}
            if not known.keys() >= ids:
                raise ValueError("the combiner returned points that it was not given")
            # Those that it was given, whatever it made of them.
            ordered = seen if members is seen else in_order_of_time(known[id_] for id_ in ids)
            states.append((make_state(stock, ids), ordered))
        return Combination(tuple(states), "")

    combined, problem = guarded(combine, channel.combiner.unit.deadline_s)
    return combined or Combination((), problem, is_late=problem.startswith(UnitTimeoutError.__name__))


def as_linked(
    link: StateLink, channel: str, points: Iterable[DataPoint], states: Mapping[Digest, State]
) -> Combination:
    """Return what a channel's combiner made at an attempt before, which has left its link.

    Parameters
    ----------
    link, channel
        The link, and the name of the channel.
    points
        Those registered up to the alert.
    states
        The states of the link, as far as they are in the store.

    Raises
    ------
    TransientError
        If that attempt ended before it had stored its states: the combiner is to make them again.
    """
    known = {point.id: point for point in points}
    made = []
    for id_ in link.states[channel]:
        if id_ not in states:
            raise TransientError("is linked and not stored yet", where=text_id("state", id_))
        state = states[id_]
        made.append((state, in_order_of_time(known[point] for point in state.points)))
    return Combination(tuple(made), "")

"""From everything registered for a stock to what one channel's states may be made of."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from skymesh.model.access import Labels, visible
from skymesh.model.alert import Arrival
from skymesh.model.point import DETECTION, DataPoint
from skymesh.model.position import Position
from skymesh.units.inputs import in_order_of_time


def known_points(arrivals: Iterable[Arrival], position: Position) -> tuple[DataPoint, ...]:
    """Return all points registered for a stock up to a position, inclusive."""
    return tuple(
        chain.from_iterable(arrival.alert.points for arrival in arrivals if arrival.position <= position)
    )


def mux(points: Iterable[DataPoint], grants: Labels) -> tuple[DataPoint, ...]:
    """Return what states of a channel with these grants may be made of, in order of time.

    In this order: the visible points; of each measurement the highest version, and none where that
    one is withdrawn; of detections in one exposure the one with the largest native id, which is the
    survey's latest processing.
    """
    in_force: dict[tuple[str, str, int | str], DataPoint] = {}
    for point in visible(points, grants):
        key = (point.survey, point.kind, point.native)
        if key not in in_force or point.rank > in_force[key].rank:
            in_force[key] = point
    return in_order_of_time(_one_per_exposure(p for p in in_force.values() if not p.is_withdrawn))


def _one_per_exposure(points: Iterable[DataPoint]) -> Iterable[DataPoint]:
    kept: dict[tuple[str, object], DataPoint] = {}
    for point in points:
        # What is no detection in an exposure stands for itself.
        is_look = point.kind == DETECTION and point.exposure is not None
        place = (point.survey, point.exposure if is_look else point.id)
        if place not in kept or _number(point) > _number(kept[place]):
            kept[place] = point
    return kept.values()


def _number(point: DataPoint) -> tuple[int, str]:
    """Return a native id so that numbers compare as numbers."""
    return (point.native, "") if isinstance(point.native, int) else (-1, point.native)

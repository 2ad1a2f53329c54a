"""From everything registered for a stock to what one channel's states may be made of."""

from __future__ import annotations

from collections.abc import Iterable

from skymesh.model.access import Labels, visible
from skymesh.model.alert import Arrival
from skymesh.model.point import DETECTION, DataPoint
from skymesh.model.position import Position
from skymesh.units.inputs import in_order_of_time


def known_points(arrivals: Iterable[Arrival], position: Position) -> tuple[DataPoint, ...]:
    """Return all points registered for a stock up to a position, inclusive."""
    return tuple(
        point for arrival in arrivals if arrival.position <= position for point in arrival.alert.points
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
        other = in_force.get(key)
        if other is None or point.rank > other.rank:
            in_force[key] = point
    return in_order_of_time(_one_per_exposure(p for p in in_force.values() if not p.is_withdrawn))


def _one_per_exposure(points: Iterable[DataPoint]) -> list[DataPoint]:
    kept: list[DataPoint] = []
    by_exposure: dict[tuple[str, tuple[float, int]], DataPoint] = {}
    for point in points:
        if point.kind != DETECTION or point.exposure is None:
            kept.append(point)
            continue
        place = (point.survey, point.exposure)
        other = by_exposure.get(place)
        if other is None or _number(point) > _number(other):
            by_exposure[place] = point
    return kept + list(by_exposure.values())


def _number(point: DataPoint) -> tuple[int, str]:
    """Return a native id so that numbers compare as numbers."""
    return (point.native, "") if isinstance(point.native, int) else (-1, point.native)

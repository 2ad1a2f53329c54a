"""From everything registered for a stock to what one channel's states may be made of."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from skymesh.model.access import Labels, visible
from skymesh.model.alert import Arrival
from skymesh.model.point import DataPoint
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
    one is withdrawn; of the points of one kind in one exposure the one that the survey processed last, and
    where it does not say, the one with the largest native id.
    """
    in_force: dict[tuple[str, str, int | str], DataPoint] = {}
    for point in visible(points, grants):
        key = (point.survey, point.kind, point.native)
        if key not in in_force or point.rank > in_force[key].rank:
            in_force[key] = point
    return in_order_of_time(_one_per_exposure(p for p in in_force.values() if not p.is_withdrawn))


def _one_per_exposure(points: Iterable[DataPoint]) -> Iterable[DataPoint]:
    kept: dict[tuple[str, str, object], DataPoint] = {}
    for point in points:
        # What is in no exposure stands for itself.
        place = (point.survey, point.kind, point.id if point.exposure is None else point.exposure)
        if place not in kept or _processing(point) > _processing(kept[place]):
            kept[place] = point
    return kept.values()


def _processing(point: DataPoint) -> tuple[float, int, str]:
    """Return how late a point was processed, with the native id such that numbers compare as numbers."""
    number, text = (point.native, "") if isinstance(point.native, int) else (-1, point.native)
    return point.processed_mjd_tai, number, text

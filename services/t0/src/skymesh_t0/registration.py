"""What an alert adds to its stock: a pure function of the alerts of the stock before it."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from skymesh.model.alert import Alert, Arrival
from skymesh.model.ids import Digest
from skymesh.model.point import DataPoint
from skymesh.model.position import Position


class StockRegister:
    """The alerts and points of one stock up to a position.

    Parameters
    ----------
    arrivals
        The stock's rows below the position, in order.
    """

    def __init__(self, arrivals: Iterable[Arrival] = ()) -> None:
        self._alerts: set[Digest] = set()
        # Whether a point is known as its alert's trigger; a copy from a history adds nothing to that.
        self._is_trigger: dict[Digest, bool] = {}
        self._versions: dict[tuple[str, str, int | str], list[DataPoint]] = {}
        for arrival in arrivals:
            self._alerts.add(arrival.alert.id)
            self._add(arrival.alert.points)

    def register(self, log: Digest, position: Position, alert: Alert) -> Arrival:
        """Take in the next alert of the stock; return the row that says what it added."""
        is_duplicate = alert.id in self._alerts
        new = () if is_duplicate else self._new(alert.points)
        self._alerts.add(alert.id)
        trigger = alert.trigger
        return Arrival(
            log=log,
            stock=alert.stock,
            position=position,
            alert=msgspec.structs.replace(alert, points=new),
            trigger=trigger.id,
            trigger_labels=trigger.labels,
            is_duplicate=is_duplicate,
        )

    def _new(self, points: Iterable[DataPoint]) -> tuple[DataPoint, ...]:
        """Return the points that are neither known nor outranked; from then on they are known."""
        known = self._is_trigger
        unknown = [p for p in points if p.id not in known or (p.is_triggering and not known[p.id])]
        return tuple(point for point in unknown if self._adds(point))

    def _adds(self, point: DataPoint) -> bool:
        """Take in a point, unless a version as high with the same labels is there: nobody would see it."""
        versions = self._versions.get((point.survey, point.kind, point.native))
        if versions and any(other.labels == point.labels and other.rank >= point.rank for other in versions):
            return False
        self._add((point,))
        return True

    def _add(self, points: Iterable[DataPoint]) -> None:
        # This runs for every point that a stock has, at each of its alerts.
        known, versions = self._is_trigger, self._versions
        for point in points:
            known[point.id] = point.is_triggering or known.get(point.id, False)
            key = (point.survey, point.kind, point.native)
            if key in versions:
                versions[key].append(point)
            else:
                versions[key] = [point]

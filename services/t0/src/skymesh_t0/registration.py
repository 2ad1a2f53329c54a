"""What an alert adds to its stock: a pure function of the alerts of the stock before it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

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
        self._points: set[tuple[Digest, bool]] = set()
        self._versions: dict[tuple[str, str, int | str], list[DataPoint]] = {}
        for arrival in arrivals:
            self._alerts.add(arrival.alert.id)
            for point in arrival.alert.points:
                self._add(point)

    def register(self, log: Digest, position: Position, alert: Alert) -> Arrival:
        """Take in the next alert of the stock; return the row that says what it added."""
        is_duplicate = alert.id in self._alerts
        new = () if is_duplicate else tuple(self._new(alert.points))
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

    def _new(self, points: Iterable[DataPoint]) -> Iterator[DataPoint]:
        for point in points:
            is_known = (point.id, True) in self._points or (point.id, point.is_triggering) in self._points
            if not is_known and not self._is_outranked(point):
                self._add(point)
                yield point

    def _is_outranked(self, point: DataPoint) -> bool:
        """Return whether a higher version with the same labels is there: then nobody would see this one."""
        versions = self._versions.get((point.survey, point.kind, point.native))
        return versions is not None and any(
            other.labels == point.labels and other.rank > point.rank for other in versions
        )

    def _add(self, point: DataPoint) -> None:
        self._points.add((point.id, point.is_triggering))
        self._versions.setdefault((point.survey, point.kind, point.native), []).append(point)

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
            self._take_in(arrival.alert.points)

    def register(self, log: Digest, position: Position, alert: Alert) -> Arrival:
        """Take in the next alert of the stock; return the row that says what it added."""
        is_duplicate = alert.id in self._alerts
        new = () if is_duplicate else self._take_in(alert.points)
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

    def _take_in(self, points: Iterable[DataPoint]) -> tuple[DataPoint, ...]:
        """Return the points that are neither known nor outranked; from then on they are known.

        It runs for every point that a stock has, at each of its alerts: one loop without calls.
        """
        is_trigger, all_versions, new = self._is_trigger, self._versions, []
        for point in points:
            id_, is_triggering = point.id, point.is_triggering
            if id_ in is_trigger and (is_trigger[id_] or not is_triggering):
                continue
            key = (point.survey, point.kind, point.native)
            versions = all_versions.get(key)
            if versions is None:
                all_versions[key] = [point]
            elif _is_outranked(point, versions):
                continue
            else:
                versions.append(point)
            is_trigger[id_] = is_triggering
            new.append(point)
        return tuple(new)


def _is_outranked(point: DataPoint, versions: Iterable[DataPoint]) -> bool:
    """Return whether a version as high with the same labels is there: then nobody would see this one."""
    return any(other.labels == point.labels and other.rank >= point.rank for other in versions)

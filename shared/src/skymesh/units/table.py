"""Alerts as filters see them: one by one, or a batch as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import compress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skymesh.model.ids import Digest
from skymesh.model.point import DETECTION, DataPoint, raw_values
from skymesh.surveys import registry


@dataclass(frozen=True, eq=False)
class AlertView:
    """What one channel may see of one alert.

    Attributes
    ----------
    id, survey, stock
        The alert's id and survey, and the object.
    points
        The triggering point, then the visible history.
    values
        What only the triggering record carries, under the survey's names.
    aggregates
        Numbers over the whole history; empty unless every label of the survey is granted.
    """

    id: Digest
    survey: str
    stock: str
    points: tuple[DataPoint, ...]
    values: Mapping[str, Any]
    aggregates: Mapping[str, Any]

    @cached_property
    def trigger(self) -> Mapping[str, Any]:
        """Raw values of the triggering point under the survey's names."""
        return registry.values_of(self.points[0], self._row)

    @cached_property
    def detections(self) -> tuple[DataPoint, ...]:
        """The visible detections, the trigger first; an exposure counts once however often it was reduced.

        What the survey withdrew is left out.
        """
        looks: dict[Any, DataPoint] = {}
        for point in self.points:
            if point.kind == DETECTION and not point.is_withdrawn:
                looks.setdefault(point.exposure or point.native, point)
        return tuple(looks.values())

    @property
    def first_mjd_tai(self) -> float:
        """Time of the first visible detection, MJD (TAI); NaN if there is none."""
        return min((point.mjd_tai for point in self.detections), default=np.nan)

    def value(self, name: str) -> Any:
        """Return a value of the triggering record by the survey's name; None if it is absent."""
        # Filters ask for some twenty values of every alert: this is quicker than to make a dictionary of all.
        point = self.points[0]
        place = _place(point.survey, point.kind, name)
        value = None if place is None else self._row[place]
        if value is None:
            value = self.values.get(name)
        return self.aggregates.get(name) if value is None else value

    @cached_property
    def _row(self) -> tuple[Any, ...]:
        return raw_values(self.points[0])


@dataclass(frozen=True, eq=False)
class AlertTable:
    """A batch of alerts, in the order of the log."""

    alerts: tuple[AlertView, ...]

    def __len__(self) -> int:
        return len(self.alerts)

    def __iter__(self) -> Iterator[AlertView]:
        return iter(self.alerts)

    def select(self, is_chosen: NDArray[np.bool_]) -> AlertTable:
        """Return the alerts where a mask of shape ``(n_alerts,)`` is true."""
        return AlertTable(tuple(compress(self.alerts, is_chosen.tolist())))

    def column(self, name: str) -> NDArray[np.float64]:
        """Return a numeric value of every triggering record, shape ``(n_alerts,)``; NaN where absent."""
        return np.array([alert.value(name) for alert in self.alerts], dtype=float)

    def detection_counts(self) -> NDArray[np.float64]:
        """Return how many detections of each object are visible, shape ``(n_alerts,)``."""
        return np.array([len(alert.detections) for alert in self.alerts], dtype=float)

    def detection_spans_days(self) -> NDArray[np.float64]:
        """Return the days from the first visible detection to the last; NaN where there is none."""
        spans = []
        for alert in self.alerts:
            times = [point.mjd_tai for point in alert.detections]
            spans.append(max(times) - min(times) if times else np.nan)
        return np.array(spans, dtype=float)


def values_at(points: Sequence[DataPoint], names: Sequence[str]) -> list[tuple[Any, ...]]:
    """Return some raw values of points of one survey and kind.

    Decoding is what histories cost: ask for all names at once, and only for the points that matter.

    Parameters
    ----------
    points
        The points.
    names
        The survey's names of the values.

    Returns
    -------
    list of tuple
        The values in the order of the names, a tuple for each point; None where absent.
    """
    if not points:
        return []
    fields = registry.get(points[0].survey).fields(points[0].kind)
    places = [fields.index(name) for name in names]
    return [tuple([row[place] for place in places]) for row in map(raw_values, points)]


@lru_cache(maxsize=1024)
def _place(survey: str, kind: str, name: str) -> int | None:
    """Return where a value stands in the rows of a kind; None if it does not."""
    fields = registry.get(survey).fields(kind)
    return fields.index(name) if name in fields else None

"""Alerts as filters see them: one by one, or a batch as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skymesh.model.ids import Digest
from skymesh.model.point import DataPoint, raw_values
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
        return registry.values_of(self.points[0], raw_values(self.points[0]))

    def value(self, name: str) -> Any:
        """Return a value of the triggering record by the survey's name; None if it is absent."""
        for source in (self.trigger, self.values, self.aggregates):
            if name in source:
                return source[name]
        return None


@dataclass(frozen=True, eq=False)
class AlertTable:
    """A batch of alerts, in the order of the log."""

    alerts: tuple[AlertView, ...]

    def __len__(self) -> int:
        return len(self.alerts)

    def __iter__(self) -> Iterator[AlertView]:
        return iter(self.alerts)

    def column(self, name: str) -> NDArray[np.float64]:
        """Return a numeric value of every triggering record, shape ``(n_alerts,)``; NaN where absent."""
        return np.array([alert.value(name) for alert in self.alerts], dtype=float)

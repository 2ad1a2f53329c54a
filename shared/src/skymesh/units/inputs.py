"""Inputs of analysers that are made from datapoints."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import Any

import numpy as np

from skymesh.model.point import DETECTION, DataPoint, raw_values
from skymesh.surveys import registry
from skymesh.surveys.survey import Floats

_CIRCLE_DEG = 360.0


@dataclass(frozen=True, eq=False)
class DataPoints:
    """The points of a state with the survey's raw values, in order of time.

    Attributes
    ----------
    points
        The points themselves.
    """

    points: tuple[DataPoint, ...]

    def __len__(self) -> int:
        return len(self.points)

    def __iter__(self) -> Iterator[DataPoint]:
        return iter(self.points)

    @cached_property
    def detections(self) -> DataPoints:
        """The detections among them."""
        return DataPoints(tuple(point for point in self.points if point.kind == DETECTION))

    @cached_property
    def positions_deg(self) -> tuple[Floats, Floats]:
        """Right ascension and declination (ICRS, degrees), NaN for points without one."""
        ra_deg, dec_deg = np.full(len(self), np.nan), np.full(len(self), np.nan)
        for survey, rows in _by_survey(self.points).items():
            found = registry.get(survey).positions_deg([self.points[row] for row in rows])
            ra_deg[rows], dec_deg[rows] = found
        return ra_deg, dec_deg

    def mean_position_deg(self) -> tuple[float, float]:
        """Return the mean position of the detections (ICRS, degrees), right across 0h; NaN without any.

        The mean is taken over unit vectors.
        """
        ra_deg, dec_deg = self.detections.positions_deg
        has_both = np.isfinite(ra_deg) & np.isfinite(dec_deg)
        ra, dec = np.radians(ra_deg[has_both]), np.radians(dec_deg[has_both])
        if not len(ra):
            return math.nan, math.nan
        x, y, z = (np.cos(dec) * np.cos(ra)).mean(), (np.cos(dec) * np.sin(ra)).mean(), np.sin(dec).mean()
        mean_ra_deg = math.degrees(math.atan2(y, x)) % 360
        # The remainder of a tiny negative angle rounds to 360 itself.
        return mean_ra_deg if mean_ra_deg < _CIRCLE_DEG else 0.0, math.degrees(
            math.atan2(z, math.hypot(x, y))
        )

    def values(self, point: DataPoint) -> Mapping[str, Any]:
        """Return the raw values of a point under the survey's names; absent ones are left out."""
        return registry.values_of(point, raw_values(point))


def in_order_of_time(points: Iterable[DataPoint]) -> tuple[DataPoint, ...]:
    """Return points by time of observation; at equal times by id, so that the order is one."""
    return tuple(sorted(points, key=attrgetter("mjd_tai", "id")))


def _by_survey(points: Sequence[DataPoint]) -> dict[str, list[int]]:
    rows: dict[str, list[int]] = {}
    for row, point in enumerate(points):
        rows.setdefault(point.survey, []).append(row)
    return rows

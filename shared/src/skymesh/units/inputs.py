"""Inputs of units that are made from datapoints and image stamps."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import Any, Protocol

import msgspec
import numpy as np

from skymesh.model.point import DETECTION, DataPoint, raw_values
from skymesh.surveys import registry
from skymesh.surveys.survey import Floats

_CIRCLE_DEG = 360.0
_STEPS_PER_DEG = 36_000


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


@dataclass(frozen=True)
class Position:
    """Where an object is: the mean position of its visible detections, rounded to 0.1".

    It changes seldom as an object grows: what is computed on it is computed once for many states.

    Attributes
    ----------
    ra_deg, dec_deg
        ICRS; 0 ≤ ra < 360.
    """

    ra_deg: float
    dec_deg: float

    @classmethod
    def of(cls, points: DataPoints) -> Position | None:
        """Return the position of points; None if none of them is a detection with a position."""
        ra_deg, dec_deg = points.mean_position_deg()
        if not math.isfinite(ra_deg):
            return None
        steps = round(ra_deg * _STEPS_PER_DEG) % round(_CIRCLE_DEG * _STEPS_PER_DEG)
        return cls(steps / _STEPS_PER_DEG, round(dec_deg * _STEPS_PER_DEG) / _STEPS_PER_DEG)


class PointSelector(Protocol):
    """Says which one of a state's detections an input is: ``Annotated[DataPoint, First()]``."""

    def select(self, detections: DataPoints) -> DataPoint:
        """Return one of the detections, of which there is at least one, in order of time."""


@dataclass(frozen=True)
class First:
    """The earliest detection."""

    def select(self, detections: DataPoints) -> DataPoint:
        """Return the first detection."""
        return detections.points[0]


@dataclass(frozen=True)
class Newest:
    """The latest detection."""

    def select(self, detections: DataPoints) -> DataPoint:
        """Return the last detection."""
        return detections.points[-1]


@dataclass(frozen=True)
class Brightest:
    """The detection of the highest difference flux; the earliest of equals."""

    def select(self, detections: DataPoints) -> DataPoint:
        """Return the brightest detection; if none has a usable flux, the first."""
        flux_njy = np.full(len(detections), -np.inf)
        for survey, rows in _by_survey(detections.points).items():
            found = registry.get(survey).photometry([detections.points[row] for row in rows])
            flux_njy[rows] = np.nan_to_num(found.flux_njy, nan=-np.inf)
        return detections.points[int(np.argmax(flux_njy))]


@dataclass(frozen=True, eq=False)
class Cutouts:
    """The image stamps of the alert at which a state was reached.

    Attributes
    ----------
    stamps
        ``science``, ``template`` and ``difference``, those that are there, as the survey sent them
        (ZTF: gzipped FITS; LSST: FITS).
    """

    stamps: Mapping[str, bytes]

    @classmethod
    def of(cls, block: bytes) -> Cutouts:
        """Return the stamps in a stored block."""
        return cls(msgspec.msgpack.decode(block, type=dict[str, bytes]))


def in_order_of_time(points: Iterable[DataPoint]) -> tuple[DataPoint, ...]:
    """Return points by time of observation; at equal times by id, so that the order is one."""
    return tuple(sorted(points, key=attrgetter("mjd_tai", "id")))


def _by_survey(points: Sequence[DataPoint]) -> dict[str, list[int]]:
    rows: dict[str, list[int]] = {}
    for row, point in enumerate(points):
        rows.setdefault(point.survey, []).append(row)
    return rows

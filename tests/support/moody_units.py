"""Units that run into their deadline whenever a test says so, as on a machine that is busy at times."""

from __future__ import annotations

from collections.abc import Iterable

from skymesh.errors import UnitTimeoutError
from skymesh.model.point import DataPoint
from skymesh.units import Analyser, Combiner, LightCurve, Result

late: set[str] = set()
"""Names of the units that are late now."""


def _take_time(name):
    if name in late:
        raise UnitTimeoutError("longer than its deadline")


class Length(Result):
    points: int


class MoodyLength(Analyser):
    version = "1"

    def run(self, curve: LightCurve) -> Length:
        _take_time("MoodyLength")
        return Length(points=len(curve))


class MoodyPoints(Combiner):
    version = "1"

    def combine(self, points: tuple[DataPoint, ...]) -> Iterable[tuple[DataPoint, ...]]:
        _take_time("MoodyPoints")
        return [points]

"""Units that run into their deadline whenever a test says so, as on a machine that is busy at times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from skymesh.errors import UnitTimeoutError
from skymesh.units import Analyser, DataPoint, LightCurve, Result
from skymesh_t1.units.retro_states import RetroStates

late: dict[str, Iterator[bool]] = {}
"""Name of a unit → whether it is late, at one call after the other; not any more once that ends."""


def _take_time(unit):
    if next(late.get(type(unit).__name__, iter(())), False):
        raise UnitTimeoutError("longer than its deadline")


class Length(Result):
    points: int


class MoodyLength(Analyser):
    version = "1"

    def run(self, curve: LightCurve) -> Length:
        _take_time(self)
        return Length(points=len(curve))


class MoodyStates(RetroStates):
    version = "1"

    def combine(self, points: Sequence[DataPoint]) -> list[Sequence[DataPoint]]:
        _take_time(self)
        return list(super().combine(points))

"""A combiner that unrolls a long history."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from skymesh.model.point import DETECTION
from skymesh.units import Combiner, DataPoint


class RetroStates(Combiner):
    """One state per detection of the history: what would have been known when it was made.

    The points are taken in order of time of observation. Each detection opens a state of itself and
    everything observed before it or with it; upper limits and forced photometry are carried along
    and open none. So one alert with a long history leads to the states that its alerts would have
    led to one by one. (AMPEL's retro combiners differ in which end they drop.)
    """

    version = "1"

    def combine(self, points: Sequence[DataPoint]) -> Iterable[Sequence[DataPoint]]:
        """Return the states, the shortest first."""
        return list(self._states(points))

    def _states(self, points: Sequence[DataPoint]) -> Iterator[Sequence[DataPoint]]:
        times = sorted({point.mjd_tai for point in points if point.kind == DETECTION})
        for mjd_tai in times:
            yield [point for point in points if point.mjd_tai <= mjd_tai]

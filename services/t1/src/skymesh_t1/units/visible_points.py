"""The plain combiner: everything that the channel may see."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from skymesh.units import Combiner, DataPoint


class VisiblePoints(Combiner):
    """One state of all points that the channel may see."""

    version = "1"

    def combine(self, points: Sequence[DataPoint]) -> Iterable[Sequence[DataPoint]]:
        """Return one state of all points; none where there is no point."""
        return [points] if points else []

"""What a cone search returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skymesh.catalogue.pixels import Floats, Integers

Flags = NDArray[np.bool_]


class Cut(NamedTuple):
    """A condition on a column of numbers; rows whose value is absent fail it.

    Attributes
    ----------
    column
        Its name.
    low, high
        The limits, both inclusive; None is open.
    """

    column: str
    low: float | None = None
    high: float | None = None

    def passed(self, values: NDArray[Any]) -> Flags:
        """Return which values pass."""
        is_kept: Flags = values == values  # noqa: PLR0124 - NaN is what differs from itself
        if self.low is not None:
            is_kept &= values >= self.low
        if self.high is not None:
            is_kept &= values <= self.high
        return is_kept


@dataclass(frozen=True, eq=False)
class Matches:
    """Rows of a catalogue within the cones around some positions, by position, then by separation.

    Attributes
    ----------
    asked
        How many positions were asked for.
    position
        Index of the position that a row matches, shape (n_matches,).
    separation_arcsec
        Its distance from there, shape (n_matches,).
    values
        The columns that were asked for, each of shape (n_matches,): float64 with NaN where absent,
        int64, bool, or object arrays of texts with None where absent.
    """

    asked: int
    position: Integers
    separation_arcsec: Floats
    values: dict[str, NDArray[Any]]

    def __len__(self) -> int:
        return len(self.position)

    def any(self) -> Flags:
        """Return whether each position has a match, shape (asked,)."""
        is_matched = np.zeros(self.asked, dtype=np.bool_)
        is_matched[self.position] = True
        return is_matched

    def nearest(self) -> Matches:
        """Return the nearest match of each position that has one."""
        is_first = np.ones(len(self), dtype=np.bool_)
        is_first[1:] = self.position[1:] != self.position[:-1]
        return self._rows(np.flatnonzero(is_first))

    def of(self, position: int) -> Matches:
        """Return the matches of one position."""
        first, last = np.searchsorted(self.position, [position, position + 1])
        return self._rows(slice(first, last))

    def _rows(self, rows: Integers | slice) -> Matches:
        values = {name: column[rows] for name, column in self.values.items()}
        return Matches(self.asked, self.position[rows], self.separation_arcsec[rows], values)

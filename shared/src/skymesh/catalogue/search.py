"""Which rows of a group lie within cones."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skymesh.catalogue.pixels import (
    Floats,
    Integers,
    Ranges,
    cover,
    direction_of,
    expanded,
    separation_arcsec,
)
from skymesh.catalogue.row_groups import Places

# So many pairs of a cone and a row are compared at once, at some 100 bytes each.
_PAIRS: Final = 1 << 20


class Cones(NamedTuple):
    """Cones of one radius.

    Attributes
    ----------
    direction
        Their axes as unit vectors, shape (n_cones, 3).
    radius_arcsec
        Their radius, inclusive.
    ranges
        Indices that hold them.
    """

    direction: Floats
    radius_arcsec: float
    ranges: Ranges


class Near(NamedTuple):
    """Pairs of a cone and a row within it, each of shape (n_pairs,)."""

    cone: Integers
    row: Integers
    separation_arcsec: Floats

    def of(self, is_kept: NDArray[np.bool_]) -> Near:
        """Return some of the pairs."""
        return Near(self.cone[is_kept], self.row[is_kept], self.separation_arcsec[is_kept])


def cones_around(ra_deg: Floats, dec_deg: Floats, radius_arcsec: float) -> Cones:
    """Return the cones around positions."""
    ranges = cover(ra_deg, dec_deg, radius_arcsec)
    return Cones(direction_of(ra_deg, dec_deg), radius_arcsec, ranges)


def near(places: Places, cones: Cones, rows: Integers) -> Near:
    """Return the pairs of a group.

    Parameters
    ----------
    places
        Where the group's rows lie.
    cones, rows
        The cones, and which of their ranges overlap the group.
    """
    first = np.searchsorted(places.healpix, cones.ranges.start[rows])
    counts = np.searchsorted(places.healpix, cones.ranges.stop[rows]) - first
    parts = [
        _compared(
            places, cones, np.repeat(cones.ranges.cone[rows[some]], counts[some]), first[some], counts[some]
        )
        for some in _blocks(counts)
    ]
    return Near(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _compared(places: Places, cones: Cones, cone: Integers, first: Integers, counts: Integers) -> Near:
    row = expanded(first, counts)
    separation = separation_arcsec(cones.direction[cone], places.direction[row])
    return Near(cone, row, separation).of(separation <= cones.radius_arcsec)


def _blocks(counts: Integers) -> Iterator[slice]:
    """Yield slices of the ranges that have about so many pairs as may be compared at once."""
    ends = np.cumsum(counts)
    limits = np.arange(_PAIRS, ends[-1], _PAIRS)
    bounds = [0, *np.unique(np.searchsorted(ends, limits)).tolist(), len(counts)]
    for start, stop in itertools.pairwise(bounds):
        yield slice(start, stop)

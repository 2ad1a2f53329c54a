"""The geometry of cones on a sphere that is cut into HEALPix pixels.

The index of a place is its pixel of order 29 in the nested scheme (Górski et al. 2005, ApJ 622, 759).
A pixel of a lower order holds one unbroken range of indices.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

ORDER: Final = 29
BASE_PIXELS: Final = 12
ALL: Final = BASE_PIXELS << 2 * ORDER
"""One more than the highest index."""

ARCSEC_PER_RAD: Final = 3600 * 180 / math.pi

# From any point of a pixel, the pixels that touch it reach at least so far, in radians times nside. Measured
# over all pixels of orders 1 to 5, the least is 0.750, 0.728, 0.713, 0.704, 0.698; the rest is margin.
_REACH_RAD: Final = 0.6
# Finer pixels, of 12 mas, would only feel how positions are rounded.
_FINEST_ORDER: Final = 24


class Ranges(NamedTuple):
    """Half-open ranges of indices that together hold all places of some cones.

    Attributes
    ----------
    cone
        Which cone a range belongs to; the ranges of one cone do not overlap.
    start, stop
        Indices.
    """

    cone: Integers
    start: Integers
    stop: Integers


def index_of(ra_deg: Floats, dec_deg: Floats) -> Integers:
    """Return the indices of places; declinations lie within ±90 degrees."""
    return _pixels_of(ra_deg, dec_deg, ORDER)


def _pixels_of(ra_deg: Floats, dec_deg: Floats, order: int) -> Integers:
    from astropy_healpix import healpy

    pixels: Integers = healpy.ang2pix(2**order, ra_deg % 360, dec_deg, nest=True, lonlat=True)
    return pixels


def direction_of(ra_deg: Floats, dec_deg: Floats) -> Floats:
    """Return unit vectors, shape (n, 3)."""
    ra, dec = np.radians(ra_deg % 360), np.radians(dec_deg)
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)


def separation_arcsec(one: Floats, other: Floats) -> Floats:
    """Return the angles between unit vectors, exact for the smallest and the largest ones.

    Kahan's form, 2 atan2(|a - b|, |a + b|), loses no digits anywhere, unlike arc sine and cosine.
    """
    far = np.linalg.norm(one - other, axis=-1)
    near = np.linalg.norm(one + other, axis=-1)
    angles: Floats = 2 * np.arctan2(far, near) * ARCSEC_PER_RAD
    return angles


def cover(ra_deg: Floats, dec_deg: Floats, radius_arcsec: float) -> Ranges:
    """Return ranges that hold the cones of one radius around places.

    They are the pixel of each place and its up to eight neighbours, of an order at which these reach
    further than the radius; the whole sky if there is none.
    """
    cones = np.arange(len(ra_deg))
    order = _order_for(radius_arcsec)
    if order < 1:
        return Ranges(cones, np.zeros_like(cones), np.full_like(cones, ALL))
    pixels = _with_neighbours(_pixels_of(ra_deg, dec_deg, order), order)
    is_pixel = pixels >= 0
    start = pixels[is_pixel] << 2 * (ORDER - order)
    return Ranges(cones.repeat(len(pixels.T))[is_pixel.ravel()], start, start + (1 << 2 * (ORDER - order)))


def _order_for(radius_arcsec: float) -> int:
    reach = max(radius_arcsec / ARCSEC_PER_RAD, _REACH_RAD / 2**_FINEST_ORDER)
    return math.floor(math.log2(_REACH_RAD / reach))


def _with_neighbours(pixels: Integers, order: int) -> Integers:
    """Return pixels and their neighbours, shape (n, 9); -1 where a neighbour is missing."""
    from astropy_healpix import neighbours

    # Eight pixels of an order have but seven neighbours; there the library trips over its own -1.
    with np.errstate(invalid="ignore"):
        around = neighbours(pixels, 2**order, order="nested")
    return np.concatenate([pixels[None], around]).T.copy()


def overlaps(
    start: Integers, stop: Integers, item_start: Integers, item_stop: Integers
) -> Iterator[tuple[int, Integers]]:
    """Yield each item that some range overlaps, with the rows of those ranges.

    Parameters
    ----------
    start, stop
        The ranges.
    item_start, item_stop
        The items' ranges, both ascending.
    """
    first = np.searchsorted(item_stop, start, side="right")
    counts = np.maximum(np.searchsorted(item_start, stop, side="left") - first, 0)
    rows = np.repeat(np.arange(len(start)), counts)
    items = expanded(first, counts)
    if not len(items):
        return
    order = np.argsort(items, kind="stable")
    found, begins = np.unique(items[order], return_index=True)
    yield from zip(found.tolist(), np.split(rows[order], begins[1:]), strict=True)


def expanded(first: Integers, counts: Integers) -> Integers:
    """Return ``first, first + 1, …`` of every run of `counts` numbers, one run after the other."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    numbers: Integers = np.arange(total) + np.repeat(first - (ends - counts), counts)
    return numbers

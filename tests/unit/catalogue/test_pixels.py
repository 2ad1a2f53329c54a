"""The pixels that are searched hold all of a cone, whatever its radius."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skymesh.catalogue import pixels
from support.catalogues import on_the_sphere

CENTRES = 4000


def _at_a_distance(ra_deg, dec_deg, bearing, distance_rad):
    """Return the places at a distance from others in a direction, by spherical trigonometry."""
    dec = np.radians(dec_deg)
    sin_dec = np.sin(dec) * np.cos(distance_rad) + np.cos(dec) * np.sin(distance_rad) * np.cos(bearing)
    east = np.sin(bearing) * np.sin(distance_rad) * np.cos(dec)
    north = np.cos(distance_rad) - np.sin(dec) * sin_dec
    return ra_deg + np.degrees(np.arctan2(east, north)), np.degrees(np.arcsin(np.clip(sin_dec, -1, 1)))


def _corners(rng):
    """Return places at the eight corners of base pixels where three pixels meet, and near them."""
    ra = np.repeat([0.0, 90.0, 180.0, 270.0], 2)[rng.integers(0, 8, CENTRES)]
    dec = np.degrees(np.arcsin(2 / 3)) * rng.choice([-1, 1], CENTRES)
    near = 10.0 ** rng.uniform(-8, 0, CENTRES)
    return ra + near * rng.normal(size=CENTRES), dec + near * rng.normal(size=CENTRES)


@given(st.floats(-3, 5.8), st.integers(0, 1000), st.sampled_from(["sphere", "corners"]))
def test_a_cover_holds_the_whole_cone(exponent, seed, where):
    rng, radius_arcsec = np.random.default_rng(seed), 10.0**exponent
    ra, dec = on_the_sphere(rng, CENTRES) if where == "sphere" else _corners(rng)
    # Most of the points on the rim, where a cover would fail first.
    distance = radius_arcsec / pixels.ARCSEC_PER_RAD * rng.uniform(0, 1, CENTRES) ** 0.1
    at_ra, at_dec = _at_a_distance(ra, dec, rng.uniform(0, 2 * np.pi, CENTRES), distance)
    index = pixels.index_of(at_ra, at_dec)
    ranges = pixels.cover(ra, dec, radius_arcsec)
    is_in = (ranges.start <= index[ranges.cone]) & (index[ranges.cone] < ranges.stop)
    assert np.bincount(ranges.cone[is_in], minlength=CENTRES).tolist() == [1] * CENTRES


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_the_pixels_around_a_pixel_reach_further_than_is_relied_on(order):
    ids = np.arange(12 << 2 * order)
    rng = np.random.default_rng(order)
    ra, dec = on_the_sphere(rng, 20_000)
    own = pixels._pixels_of(ra, dec, order)
    around = pixels._with_neighbours(ids, order)
    directions = pixels.direction_of(ra, dec)
    for pixel in ids[:: max(1, len(ids) // 40)]:
        inside = directions[own == pixel]
        outside = directions[~np.isin(own, around[pixel])]
        nearest = np.arccos((inside @ outside.T).max())
        assert nearest > pixels._REACH_RAD / 2**order


def test_separations_are_exact_from_a_microarcsecond_to_half_the_sky():
    north = pixels.direction_of(np.zeros(5), np.full(5, 89.0))
    arcsec = np.array([1e-6, 1e-3, 1.0, 3600.0, 179 * 3600.0])
    south = pixels.direction_of(np.zeros(5), 89.0 - arcsec / 3600)
    assert pixels.separation_arcsec(north, south) == pytest.approx(arcsec, rel=1e-4, abs=1e-10)
    assert pixels.separation_arcsec(north, -north) == pytest.approx(np.full(5, 180 * 3600.0))


def test_right_ascensions_that_differ_by_a_turn_are_one_place():
    ra = np.array([-10.0, 350.0, 710.0])
    assert len(set(pixels.index_of(ra, np.zeros(3)).tolist())) == 1
    assert np.ptp(pixels.direction_of(ra, np.zeros(3)), axis=0).tolist() == [0, 0, 0]

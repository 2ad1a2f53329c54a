"""Galactic latitudes are those that astropy finds."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from skymesh_t0.units.galactic import galactic_latitude_deg


def test_latitudes_over_the_whole_sky_are_those_of_astropy():
    rng = np.random.default_rng(4)
    ra_deg = rng.uniform(0, 360, 20_000)
    dec_deg = np.degrees(np.arcsin(rng.uniform(-1, 1, 20_000)))
    expected = SkyCoord(ra_deg, dec_deg, unit="deg").galactic.b.deg
    assert np.abs(galactic_latitude_deg(ra_deg, dec_deg) - expected).max() < 3e-5


@pytest.mark.parametrize("ra_deg, dec_deg, latitude_deg", [
    (192.85948, 27.12825, 90), (12.85948, -27.12825, -90), (266.40499, -28.93617, 0),
    (0, 90, 27.12825), (360, -90, -27.12825),
])  # fmt: skip
def test_poles_and_the_centre_of_the_galaxy(ra_deg, dec_deg, latitude_deg):
    found = galactic_latitude_deg(np.array([ra_deg]), np.array([dec_deg]))
    assert found == pytest.approx([latitude_deg], abs=1e-4)

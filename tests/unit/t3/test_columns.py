"""What a column measures, by its name."""

from __future__ import annotations

import pytest
from astropy.io.votable.ucd import parse_ucd
from astropy.units import Unit

from skymesh_t3.columns import Quantity, quantity_of


@pytest.mark.parametrize("column, unit, ucd", [
    ("summary.ra_deg", "deg", "pos.eq.ra"), ("dec_deg", "deg", "pos.eq.dec"), ("a.galactic_b_deg", "deg", ""),
    ("decline.rate_mag_per_day.ztfg", "mag/d", "arith.rate;phot.mag"), ("njy", "nJy", "phot.flux.density"),
    ("a.peak_flux_njy", "nJy", "phot.flux.density"), ("a.rise_days.ztfg.0.3", "d", "time.duration"),
    ("a.newest_mag_ab", "mag", "phot.mag"), ("a.t0_mjd_tai", "d", "time.epoch"),
    ("a.distance_arcsec", "arcsec", "pos.angDistance"),
])  # fmt: skip
def test_the_end_of_a_part_of_the_name_says_the_unit(column, unit, ucd):
    assert quantity_of(column) == (unit, ucd)
    assert Unit(unit) == Unit(unit, format="vounit")
    assert not ucd or parse_ucd(ucd, check_controlled_vocabulary=True)


@pytest.mark.parametrize("column", ["a.x_njy_ratio", "a.flux_njy_per_day", "a.degrees", "a.count", ""])
def test_what_stands_elsewhere_in_the_name_says_nothing(column):
    assert quantity_of(column) == Quantity()

"""Light curves: masked rows are context, never data."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skymesh.lightcurve import mag_of_flux
from support.curves import curve, njy

CURVE = curve([(0, "ztfg", 19.0), (1, "ztfr", -18.0), (2, "ztfg", None)], [(-1, "ztfg", 20.5)])


def test_good_rows_are_those_with_flux():
    assert CURVE.is_good.tolist() == [False, True, True, False]
    assert len(CURVE.good) == 2
    assert CURVE.bands == ("ztfg", "ztfr")
    assert len(CURVE.in_band("ztfg")) == 3


def test_limits_are_rows_of_known_depth_without_measurement():
    assert len(CURVE.limits) == 1
    assert mag_of_flux(CURVE.limits.limit_njy) == pytest.approx([20.5])


def test_magnitudes_exist_only_for_positive_fluxes():
    assert CURVE.mag_ab[1] == pytest.approx(19.0)
    assert np.isnan(CURVE.mag_ab[[0, 2, 3]]).all()
    assert CURVE.mag_err_ab[1] == pytest.approx(0.05 * 2.5 / np.log(10))
    assert np.isnan(CURVE.mag_err_ab[2])


@given(st.floats(5, 35))
def test_a_magnitude_comes_back_from_its_flux(mag):
    assert mag_of_flux(njy(mag)) == pytest.approx(mag, abs=1e-9)


def test_zero_point():
    assert mag_of_flux(1.0) == 31.4
    assert np.isnan(mag_of_flux([0.0, -1.0, np.nan])).all()

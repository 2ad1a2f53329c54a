"""From ZTF's magnitudes and counts to nJy."""

from __future__ import annotations

import math

import numpy as np
import pytest

from skymesh.surveys.ztf.photometry import photometry, positions_deg
from support.packets import JD, detection, forced, limit, points

NJY_OF_MAG_20 = 36307.805477


def of(**entries):
    """Photometry of history entries, without the trigger."""
    return photometry(points(**entries)[1:])


def test_magnitude_20_is_36308_njy():
    found = of(history=[detection(magpsf=20.0, sigmapsf=0.1)])
    assert found.flux_njy[0] == pytest.approx(NJY_OF_MAG_20, rel=1e-9)
    assert found.flux_err_njy[0] == pytest.approx(NJY_OF_MAG_20 * 0.1 * math.log(10) / 2.5, rel=1e-6)


def test_a_negative_subtraction_is_a_negative_flux_with_a_positive_error():
    found = of(
        history=[detection(magpsf=20.0, isdiffpos="f"), detection(jd_utc=JD - 4, magpsf=20.0, isdiffpos="0")]
    )
    assert found.flux_njy.tolist() == pytest.approx([-NJY_OF_MAG_20] * 2)
    assert (found.flux_err_njy > 0).all()


def test_a_detection_of_unknown_sign_has_no_flux():
    assert np.isnan(of(history=[detection(isdiffpos=None)]).flux_njy[0])


@pytest.mark.parametrize("name", ["magpsf", "sigmapsf"])
@pytest.mark.parametrize("value", [None, -999.0, -1.0, 0.0, math.nan])
def test_bad_photometry_of_a_detection_is_masked_with_its_error(name, value):
    found = of(history=[detection(**{name: value})])
    assert np.isnan(found.flux_njy[0])
    assert np.isnan(found.flux_err_njy[0])


def test_forced_counts_are_scaled_by_their_own_zero_point():
    found = of(
        forced=[forced(counts=1000.0, counts_err=50.0, magzpsci=26.4), forced(jd_utc=JD - 5, counts=-200.0)]
    )
    assert found.flux_njy[0] == pytest.approx(1000 * 10 ** (0.4 * (31.4 - float(np.float32(26.4)))), rel=1e-9)
    assert found.flux_njy[0] == pytest.approx(100_000, rel=1e-6)
    assert found.flux_err_njy[0] == pytest.approx(5_000, rel=1e-6)
    assert found.flux_njy[1] < 0


@pytest.mark.parametrize(
    "values",
    [
        {"counts": -99999.0},
        {"counts": None},
        {"counts_err": -99999.0},
        {"counts_err": None},
        {"counts_err": 0.0},
        {"magzpsci": None},
    ],
)
def test_missing_forced_photometry_is_masked(values):
    found = of(forced=[forced(**values)])
    assert np.isnan(found.flux_njy[0])
    assert np.isnan(found.flux_err_njy[0])


def test_an_upper_limit_has_a_depth_and_no_flux():
    found = of(history=[limit(diffmaglim=20.0)])
    assert np.isnan(found.flux_njy[0])
    assert found.limit_njy[0] == pytest.approx(NJY_OF_MAG_20)


@pytest.mark.parametrize("diffmaglim", [-999.0, -3.5, 0.0, None, math.nan])
def test_a_negative_or_missing_depth_is_no_limit(diffmaglim):
    assert np.isnan(of(history=[limit(diffmaglim=diffmaglim)]).limit_njy[0])


def test_rows_keep_the_order_of_the_points_and_know_their_band_and_exposure():
    found = of(
        history=[
            limit(jd_utc=JD - 9, fid=2),
            detection(fid=3, magnr=20.0),
            detection(jd_utc=JD - 4, fid=1, magnr=None),
        ],
        forced=[forced(jd_utc=JD - 4, fid=1)],
    )
    assert found.band == ["ztfr", "ztfi", "ztfg", "ztfg"]
    assert np.isnan(found.flux_njy).tolist() == [True, False, False, False]
    assert found.reference_njy[1] == pytest.approx(NJY_OF_MAG_20)
    assert np.isnan(found.reference_njy[2])
    assert found.exposure_key[2] == found.exposure_key[3]
    assert len(set(found.exposure_key)) == 3


def test_no_points_give_no_rows():
    assert len(photometry([]).flux_njy) == 0


def test_only_detections_have_positions():
    ra, dec = positions_deg(points(history=[limit(), detection(ra=10.5, dec=-3.25)], forced=[forced()])[1:])
    assert ra[1] == 10.5
    assert dec[1] == -3.25
    assert np.isnan(ra[[0, 2]]).all()
    assert np.isnan(dec[[0, 2]]).all()

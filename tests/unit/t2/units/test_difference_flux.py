"""One row per exposure and band, of the photometry that is preferred and good."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from skymesh_t1.muxing import mux
from skymesh_t2.units.difference_flux import DifferenceFlux
from support.packets import EVERYTHING, JD, detection, forced, limit, points


def curve(unit=None, **entries):
    """The curve of a packet's history, without its trigger."""
    return (unit or DifferenceFlux()).tabulate(mux(points(**entries)[1:], EVERYTHING))


def kinds(**entries):
    return curve(**entries).kind.tolist()


BOTH = {"history": [detection(jd_utc=JD - 4, magpsf=20.0)], "forced": [forced(jd_utc=JD - 4, counts=500.0)]}


def test_forced_photometry_makes_the_row_by_default():
    assert kinds(**BOTH) == ["forced"]


def test_difference_photometry_makes_the_row_where_it_is_preferred():
    assert kinds(unit=DifferenceFlux(prefer="difference"), **BOTH) == ["detection"]


@pytest.mark.parametrize("counts", [-99999.0, None])
def test_bad_forced_photometry_gives_way_to_the_detection(counts):
    found = curve(history=BOTH["history"], forced=[forced(jd_utc=JD - 4, counts=counts)])
    assert found.kind.tolist() == ["detection"]
    assert found.flux_njy[0] == pytest.approx(36307.8, rel=1e-4)


def test_a_limit_gives_way_to_forced_photometry_of_its_exposure():
    found = curve(history=[limit(jd_utc=JD - 4)], forced=[forced(jd_utc=JD - 4)])
    assert found.kind.tolist() == ["forced"]
    assert np.isfinite(found.limit_njy[0])


def test_an_exposure_with_nothing_usable_stays_masked():
    found = curve(history=[limit(jd_utc=JD - 4)], forced=[forced(jd_utc=JD - 4, counts=-99999.0)])
    assert len(found) == 1
    assert len(found.good) == 0


def test_other_exposures_channels_and_bands_are_rows_of_their_own():
    history = [
        detection(jd_utc=JD - 4, rcid=1),
        detection(jd_utc=JD - 4, rcid=2),
        detection(jd_utc=JD - 3, fid=2),
    ]
    assert kinds(history=history, forced=[forced(jd_utc=JD - 5)]) == ["forced", *["detection"] * 3]


def test_rows_are_in_order_of_time_at_the_start_of_the_exposure():
    found = curve(history=[detection(jd_utc=JD - day) for day in (1, 7, 3)])
    assert found.mjd_tai.tolist() == sorted(found.mjd_tai)
    assert set(found.time_of) == {"start"}
    assert found.mjd_tai[-1] == pytest.approx(JD - 1 - 2400000.5 + 37 / 86400, abs=1e-9)


def test_a_calibration_offset_makes_every_flux_of_its_band_fainter():
    entries = {"history": [detection(fid=1), detection(jd_utc=JD - 4, fid=2), limit(jd_utc=JD - 9, fid=1)]}
    plain, moved = curve(**entries), curve(DifferenceFlux(zero_point_offset_mag={"ztfg": 0.1}), **entries)
    factor = np.where(plain.band == "ztfg", 10**-0.04, 1.0)
    for name in ("flux_njy", "flux_err_njy", "limit_njy", "reference_njy"):
        assert np.allclose(getattr(moved, name), getattr(plain, name) * factor, equal_nan=True)


def test_the_order_of_the_points_does_not_matter():
    given_points = points(
        history=[detection(jd_utc=JD - 4), limit()], forced=[forced(), forced(jd_utc=JD - 9)]
    )
    one, other = (DifferenceFlux().tabulate(each) for each in (given_points, given_points[::-1]))
    assert np.array_equal(one.flux_njy, other.flux_njy, equal_nan=True)
    assert one.kind.tolist() == other.kind.tolist()


def test_no_points_make_an_empty_curve():
    assert len(DifferenceFlux().tabulate(())) == 0
    assert DifferenceFlux().tabulate(()).bands == ()


def test_another_preference_is_refused():
    with pytest.raises(ValidationError):
        DifferenceFlux(prefer="both")


@pytest.mark.parametrize("magzpsci", [-800.0, 3e38])
def test_an_absurd_zero_point_is_masked_and_not_an_error(magzpsci):
    assert len(curve(forced=[forced(magzpsci=magzpsci)]).good) in {0, 1}

"""A light curve at a glance."""

from __future__ import annotations

import numpy as np
import pytest

from skymesh.errors import MissingInputError
from skymesh.units import DataPoints
from skymesh_t1.muxing import mux
from skymesh_t2.units.difference_flux import DifferenceFlux
from skymesh_t2.units.light_curve_summary import LightCurveSummary
from support.packets import JD, PUBLIC, detection, forced, limit, points

TAI_MINUS_JD = -2400000.5 + 37 / 86400


def summary(history, forced=(), **config):
    """The summary of a packet's history, without its trigger."""
    muxed = mux(points(history=history, forced=forced)[1:], PUBLIC)
    return LightCurveSummary(**config).run(DifferenceFlux().tabulate(muxed), DataPoints(muxed))


def at(*positions):
    history = [detection(jd_utc=JD - 1 - n, ra=ra, dec=dec) for n, (ra, dec) in enumerate(positions)]
    return DataPoints(points(history=history)[1:]).mean_position_deg()


def test_counts_times_magnitudes_and_bands():
    history = [
        detection(jd_utc=JD - 9, magpsf=18.0, fid=2),
        detection(jd_utc=JD - 7, magpsf=17.0, fid=1),
        detection(jd_utc=JD - 5, magpsf=16.0, fid=1, isdiffpos="f"),
        detection(jd_utc=JD - 3, magpsf=19.0, fid=2, rb=0.625, distnr=0.25),
    ]
    found = summary(history)
    assert (found.detections, found.negative, found.bands) == (4, 1, ("ztfg", "ztfr"))
    assert found.first_mjd_tai == pytest.approx(JD - 9 + TAI_MINUS_JD, abs=1e-9)
    assert found.last_mjd_tai == pytest.approx(JD - 3 + TAI_MINUS_JD, abs=1e-9)
    assert (found.newest_mag_ab, found.newest_band) == (pytest.approx(19.0, abs=1e-6), "ztfr")
    assert found.brightest_mag_ab == pytest.approx(17.0, abs=1e-6)
    assert (found.newest_rb, found.newest_distnr_arcsec) == (0.625, 0.25)


def test_a_newest_point_fainter_than_the_template_has_no_magnitude():
    found = summary([detection(isdiffpos="f")])
    assert found.newest_mag_ab is None
    assert found.brightest_mag_ab is None
    assert found.negative == 1


def test_noise_of_forced_photometry_does_not_count():
    noise = [
        forced(jd_utc=JD - day, counts=counts, counts_err=50.0, fid=fid)
        for day, counts, fid in [(9, 149.0, 2), (4, -149.0, 2), (0.5, 40.0, 2)]
    ]
    history = [detection(jd_utc=JD - 5, magpsf=18.0), detection(jd_utc=JD - 2, magpsf=19.0)]
    found = summary(history, noise)
    assert found == summary(history)
    assert (found.detections, found.negative, found.bands) == (2, 0, ("ztfg",))
    every = summary(history, noise, min_snr=0)
    assert (every.detections, every.negative, every.newest_band) == (5, 1, "ztfr")
    significant = forced(jd_utc=JD - 1, counts=-150.0, counts_err=50.0)
    assert summary(history, [*noise, significant]).negative == 1


def test_without_significant_flux_the_input_is_missing():
    with pytest.raises(MissingInputError, match="significant"):
        summary([], [forced(counts=40.0, counts_err=50.0)])


@pytest.mark.parametrize("history", [[], [limit()], [detection(magpsf=None)], [detection(isdiffpos=None)]])
def test_without_usable_flux_the_input_is_missing(history):
    with pytest.raises(MissingInputError):
        summary(history)


def test_the_last_significant_limit_before_the_first_detection_is_told():
    history = [
        limit(jd_utc=JD - 9, diffmaglim=20.5, fid=2),
        limit(jd_utc=JD - 8, diffmaglim=19.0),
        detection(jd_utc=JD - 5),
        limit(jd_utc=JD - 4, diffmaglim=21.0),
    ]
    found = summary(history)
    assert found.last_limit_mjd_tai == pytest.approx(JD - 9 + TAI_MINUS_JD, abs=1e-9)
    assert (found.last_limit_mag_ab, found.last_limit_band) == (pytest.approx(20.5, abs=1e-6), "ztfr")
    assert summary(history, min_limit_mag_ab=18.5).last_limit_mag_ab == pytest.approx(19.0, abs=1e-6)
    assert summary(history, min_limit_mag_ab=20.6).last_limit_mag_ab is None


def test_the_mean_position_does_not_break_at_0_hours():
    ra, dec = at((359.9, 10.0), (0.1, 10.0))
    assert min(ra, 360 - ra) == pytest.approx(0, abs=1e-9)
    assert dec == pytest.approx(10, abs=1e-4)
    assert at((359.8, 0.0), (0.0, 0.0))[0] == pytest.approx(359.9)


def test_the_mean_position_at_the_pole_is_the_pole():
    assert at((0.0, 89.9), (180.0, 89.9))[1] == pytest.approx(90)


def test_the_mean_of_one_position_is_itself():
    assert at((123.456, -65.4321)) == (pytest.approx(123.456), pytest.approx(-65.4321))


def test_the_right_ascension_is_below_360():
    assert 0 <= at((360.0, 1.0))[0] < 360
    assert 0 <= at((0.0, 1.0), (359.99999999999994, 1.0))[0] < 360


def test_a_detection_without_position_does_not_spoil_the_mean():
    history = [detection(jd_utc=JD - 2, ra=10.0, dec=5.0), detection(jd_utc=JD - 1, ra=None, dec=None)]
    found = DataPoints(points(history=history)[1:]).mean_position_deg()
    assert np.allclose(found, (10.0, 5.0))

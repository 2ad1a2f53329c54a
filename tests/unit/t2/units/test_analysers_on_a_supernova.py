"""What the analysers say of SN 2021rhu as it grows, alert by alert."""

from __future__ import annotations

import math

import numpy as np
import pytest

from skymesh.runtime.execute import plain_content
from skymesh_t1.muxing import known_points, mux
from skymesh_t2.units.difference_flux import DifferenceFlux
from skymesh_t2.units.phase_limit import PhaseLimit
from skymesh_t2.units.rise_decline import RiseDecline, RiseDeclineFeatures
from support.packets import PUBLIC
from support.supernova import alerts_of, register

pytestmark = pytest.mark.shared_data


@pytest.fixture(scope="module")
def curves(shared_data):
    """The light curve of each of its states."""
    arrivals = register(alerts_of(shared_data))
    return [DifferenceFlux().tabulate(mux(known_points(arrivals, row.position), PUBLIC)) for row in arrivals]


@pytest.fixture(scope="module")
def features(curves):
    """RiseDecline of each state; GW jobs of ZTF take a cadence of three days."""
    unit = RiseDecline(cadence_days=3, package_features=True)
    return [unit.run(curve) for curve in curves]


def test_each_state_has_features_of_plain_numbers(curves, features):
    for curve, found in zip(curves, features, strict=True):
        assert found.points == len(curve.good)
        assert plain_content(found, RiseDeclineFeatures)["stopped"] == ""


def test_the_light_curve_gets_longer_and_begins_where_it_began(features):
    assert len({found.det_mjd_tai for found in features}) == 1
    lengths = [found.t_lc_days for found in features]
    assert lengths == sorted(lengths)
    assert lengths[0] == 0
    assert [found.detections for found in features] == list(range(1, 35))


def test_it_first_rises_and_then_falls(features):
    assert any(found.is_rising and not found.is_falling for found in features[:15])
    assert features[-1].is_peaked


def test_the_numbers_of_the_last_state_are_those_of_its_points(curves, features):
    curve, found = curves[-1].good, features[-1]
    assert found.mag_min_ab == pytest.approx(float(curve.mag_ab.min()))
    assert found.mag_det_ab == pytest.approx(float(curve.mag_ab[0]))
    assert found.t_lc_days == pytest.approx(float(np.ptp(curve.mjd_tai)), abs=1e-7)
    for band in ("ztfg", "ztfr"):
        rows = curve.in_band(band)
        top = rows.flux_njy.argmax()
        assert found.band_peak_mjd_tai[band] == pytest.approx(float(rows.mjd_tai[top]), abs=1e-7)
        days = rows.mjd_tai - rows.mjd_tai[top]
        for name, part in (("rise", days <= 0), ("fall", days >= 0)):
            weight = 1 / rows.flux_err_njy[part]
            line, covariance = np.polyfit(days[part], rows.flux_njy[part], 1, w=weight, cov="unscaled")
            assert getattr(found, f"{name}_slope_njy_per_day")[band] == pytest.approx(line[0], rel=1e-6)
            snr = line[0] / math.sqrt(covariance[0, 0])
            assert getattr(found, f"{name}_slope_snr")[band] == pytest.approx(snr, rel=1e-6)


def test_its_last_colour_is_that_of_its_last_fluxes(curves, features):
    curve, found = curves[-1].good, features[-1]
    mean = {}
    for band in ("ztfg", "ztfr"):
        rows = curve[(np.abs(curve.mjd_tai - found.last_mjd_tai) <= 1.5) & (curve.band == band)]
        mean[band] = np.average(rows.flux_njy, weights=rows.flux_err_njy**-2)
    expected = -2.5 * math.log10(mean["ztfg"] / mean["ztfr"])
    assert found.colour_last_mag["ztfg-ztfr"] == pytest.approx(expected)
    assert found.colour_last_mag["ztfg-ztfr"] > found.colour_det_mag["ztfg-ztfr"] + 0.3


def test_its_phase_is_that_of_a_supernova(curves):
    unit = PhaseLimit(half_time_days=40, rise_fractions=(0.5,))
    found = unit.run(curves[-1])
    assert found.evaluation == "ok"
    curve = curves[-1].good
    assert found.remaining == 34
    assert found.peak_flux_njy == curve.flux_njy.max()
    assert found.median_mjd_tai == pytest.approx(float(np.median(curve.mjd_tai)), abs=1e-7)
    assert set(found.rise_days) == set(found.fall_days) == {"ztfg", "ztfr"}
    assert unit.run(curves[1]).evaluation == "fail:detections"

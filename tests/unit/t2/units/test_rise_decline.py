"""The shape of light curves in numbers that know no date."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import stats
from scipy.integrate import quad
from scipy.optimize import curve_fit

from skymesh.errors import JobError, MissingInputError
from skymesh.lightcurve import LightCurve, mag_of_flux
from skymesh.runtime.execute import plain_content
from skymesh.units import installed
from skymesh_t2.units.rise_decline import RiseDecline, RiseDeclineFeatures
from support.curves import MJD, bump, flux_curve

DAYS = [0.0, 4.0, 8.0, 12.0, 16.0, 20.5, 24.0, 28.0, 32.0, 36.0, 40.0, 44.0, 48.0]


def features(rows, limits=(), **config):
    return RiseDecline(**config).run(flux_curve(rows, limits))


def plain(found):
    return plain_content(found, RiseDeclineFeatures)


# --- what the detections say -------------------------------------------------------------------------------


def test_times_and_magnitudes_of_the_first_last_and_brightest_detection():
    rows = [(0, "ztfg", 1e4, 100), (3, "ztfr", 4e4, 100), (7.5, "ztfg", 2e4, 100)]
    found = features(rows)
    assert (found.detections, found.points, found.negative_points) == (3, 3, 0)
    assert found.positive_fraction == 1.0
    assert found.det_mjd_tai == pytest.approx(MJD, abs=1e-8)
    assert found.last_mjd_tai == pytest.approx(MJD + 7.5, abs=1e-8)
    assert found.mag_min_mjd_tai == pytest.approx(MJD + 3, abs=1e-8)
    assert found.t_lc_days == 7.5
    assert (found.band_det, found.band_last) == ("ztfg", "ztfg")
    assert found.mag_det_ab == pytest.approx(21.4)
    assert found.mag_min_ab == pytest.approx(21.4 - 2.5 * math.log10(4))
    assert found.mag_last_ab == pytest.approx(21.4 - 2.5 * math.log10(2))


def test_insignificant_rows_of_the_whole_curve_do_not_stand_in_for_detections():
    rows = [(-9, "ztfr", -50, 100), (-8, "ztfr", 300, 100), (0, "ztfg", 1e4, 100), (1, "ztfr", -20, 100)]
    found = features(rows)
    assert found.band_det == "ztfg"
    assert found.mag_det_ab == found.mag_last_ab == pytest.approx(21.4)
    assert found.stopped == ""


def test_significance_is_exclusive_and_goes_both_ways():
    rows = [(0, "ztfg", 500, 100), (1, "ztfg", 501, 100), (2, "ztfg", -501, 100), (3, "ztfg", 900, 100)]
    found = features(rows)
    assert (found.detections, found.negative_points) == (3, 1)
    assert found.positive_fraction == pytest.approx(2 / 3)
    assert found.det_mjd_tai == pytest.approx(MJD + 1, abs=1e-7)


def test_other_bands_make_no_detection_but_count_as_points_and_in_the_fits():
    rows = [(0, "lssty", 1e4, 100), (1, "ztfg", 1e4, 100), (2, "lssty", 2e4, 100), (3, "nowhere", 3e4, 100)]
    found = features(rows)
    assert (found.detections, found.points) == (1, 4)
    assert set(found.band_peak_days) == {"lssty", "ztfg", "nowhere"}
    assert found.det_bands == ("lssty", "nowhere", "ztfg")


def test_without_detection_there_are_counts_and_a_reason():
    found = features([(0, "ztfg", 10, 100), (1, "lssty", -900, 100)])
    assert (found.detections, found.points, found.negative_points) == (0, 2, 1)
    assert found.stopped == "no significant detection"
    assert found.det_mjd_tai is None


@pytest.mark.parametrize("rows", [[(0, "ztfg", -1e4, 100), (1, "ztfg", 1e4, 100)],
                                  [(0, "ztfg", 1e4, 100), (1, "ztfg", -1e4, 100)]])  # fmt: skip
def test_a_negative_first_or_last_detection_has_no_magnitude_and_ends_it(rows):
    found = features(rows)
    assert "fainter than the template" in found.stopped
    assert sum(mag is None for mag in (found.mag_det_ab, found.mag_last_ab)) == 1
    assert found.mag_min_ab == pytest.approx(21.4)
    assert found.band_peak_days == {}
    assert found.is_rising is None


def test_of_detections_at_one_time_the_brightest_is_the_first():
    rows = [(0, "ztfg", 1e4, 100), (0, "ztfr", 2e4, 100), (5, "ztfg", 1e4, 100)]
    found = features(rows)
    assert found.band_det == "ztfr"


def test_a_zero_flux_is_a_value():
    rows = [(-2, "ztfg", 0.0, 100), (0, "ztfg", 1e4, 100), (1, "ztfg", 0.0, 100), (2, "ztfg", 1e4, 100)]
    found = features(rows)
    assert found.points == 4
    assert found.is_pure is False
    assert found.t_predetect_days == 2


def test_pure_means_every_look_between_first_and_last_is_a_detection():
    rows = [(-2, "ztfg", 10, 100), (0, "ztfg", 1e4, 100), (1, "lssty", 10, 100), (2, "ztfg", 1e4, 100)]
    assert features(rows).is_pure is True
    assert features([*rows, (1, "ztfr", 10, 100)]).is_pure is False


@pytest.mark.parametrize(
    "limits, expected",
    [
        ([], 4.0),
        ([(-1.5, "ztfr", 5e3)], 1.5),
        ([(-1.5, "ztfr", 2e4)], 4.0),
        ([(-1.5, "lssty", 5e3)], 4.0),
        ([(1.5, "ztfr", 5e3)], 4.0),
    ],
)
def test_the_last_look_before_detection_may_be_a_limit_that_would_have_shown_it(limits, expected):
    found = features([(-4, "ztfg", 10, 100), (0, "ztfg", 1e4, 100), (2, "ztfg", 1e4, 100)], limits)
    assert found.t_predetect_days == expected


def test_no_earlier_look_is_none():
    assert features([(0, "ztfg", 1e4, 100), (2, "ztfg", 1e4, 100)]).t_predetect_days is None


@pytest.mark.parametrize("gap, has_gaps", [(30.0, False), (30.1, True)])
def test_gaps_are_longer_than_the_limit(gap, has_gaps):
    found = features([(0, "ztfg", 1e4, 100), (gap, "ztfr", 10, 100)])
    assert found.has_gaps is has_gaps


def test_one_epoch_has_no_gaps_to_speak_of():
    assert features([(0, "ztfg", 1e4, 100), (0, "ztfr", 1e4, 100)]).has_gaps is None


def test_later_detections_than_allowed_are_left_out():
    rows = bump(DAYS, "ztfg")
    full, capped = features(rows), features(rows, max_detections=4)
    assert full.detections > 4
    assert capped.detections == 4
    assert capped == features([row for row in rows if row[0] <= full.t_lc_days + 4][: 1 + 4])


# --- slopes and fits ---------------------------------------------------------------------------------------


def test_slopes_are_those_of_a_weighted_line():
    rng = np.random.default_rng(5)
    rows = [(d, b, f + rng.normal(0, 300), rng.uniform(100, 500)) for d, b, f, _ in bump(DAYS, "ztfg", 2e4)]
    found = features(rows)
    days, flux, err = (np.array([row[i] for row in rows]) for i in (0, 2, 3))
    inside = (days > found.det_mjd_tai - MJD - 5) & (days < found.last_mjd_tai - MJD + 5)
    days, flux, err = days[inside], flux[inside], err[inside]
    top = days[flux.argmax()]
    for name, part in (("rise", days <= top), ("fall", days >= top)):
        # numpy weighs the residuals themselves, so 1/error; its covariance is not rescaled.
        line, covariance = np.polyfit(days[part], flux[part], 1, w=1 / err[part], cov="unscaled")
        assert getattr(found, f"{name}_slope_njy_per_day")["ztfg"] == pytest.approx(line[0], rel=1e-9)
        snr = line[0] / math.sqrt(covariance[0, 0])
        assert getattr(found, f"{name}_slope_snr")["ztfg"] == pytest.approx(snr, rel=1e-9)


def test_a_bump_rises_falls_and_peaks():
    found = features(bump(DAYS, "ztfg") + bump(DAYS, "ztfr", 2e4, peak=24.0))
    assert (found.is_rising, found.is_falling, found.is_peaked) == (True, True, True)
    assert found.peak_mjd_tai == pytest.approx(MJD + (20.5 + 24.0) / 2, abs=1e-8)
    assert found.t_rise_days == pytest.approx(found.peak_mjd_tai - found.det_mjd_tai, abs=1e-7)
    assert found.t_rise_days + found.t_fall_days == pytest.approx(found.t_lc_days)
    assert (found.is_fast_rise, found.is_fast_fall) == (False, False)
    assert features(bump(DAYS, "ztfg"), cadence_days=40).is_fast_rise is True


def test_what_only_rises_has_no_peak():
    found = features([(day, "ztfg", 1e3 * (1 + day), 50) for day in range(8)])
    assert (found.is_rising, found.is_falling, found.is_peaked) == (True, False, False)
    assert found.peak_mjd_tai is None
    assert found.peak_bands == ()
    assert found.is_fast_rise is None


def test_the_window_reaches_one_cadence_beyond_the_detections():
    rows = [(-5, "ztfg", 90, 100), (-4.9, "ztfr", 90, 100), (0, "lsstg", 1e4, 100), (4.9, "lssti", 90, 100)]
    assert set(features(rows).band_peak_days) == {"ztfr", "lsstg", "lssti"}


def test_time_above_half_of_the_highest_flux_needs_three_points():
    rows = [(0, "ztfg", 4e3, 100), (3, "ztfg", 6e3, 100), (5, "ztfg", 1e4, 100), (9, "ztfg", 5.1e3, 100)]
    assert features(rows).halfpeak_days == {"ztfg": 6.0}
    assert features(rows[:3]).halfpeak_days == {}


def test_the_flux_some_time_after_the_highest_is_told_over_it():
    rows = [(0, "ztfg", 1e4, 100), (18, "ztfg", 4e3, 100), (21.9, "ztfg", 2e3, 100), (23, "ztfg", 9e3, 100)]
    assert features(rows).flux_evolution_ratio == {"ztfg": pytest.approx(0.3)}
    assert features(rows[:1]).flux_evolution_ratio == {}


def villar(days, amplitude, t0, rise, fall):
    return amplitude * np.exp(-(days - t0) / fall) / (1 + np.exp(-(days - t0) / rise))


def villar_rows(rise, fall, noise=0.0, seed=0):
    days = np.arange(4.0, 62.0, 2.0)
    flux = villar(days, 1e4, 22.0, rise, fall) + noise * np.random.default_rng(seed).normal(size=len(days))
    return [(day, "ztfg", value, 100.0) for day, value in zip(days.tolist(), flux.tolist(), strict=True)]


@pytest.mark.parametrize("rise, fall", [(2.0, 25.0), (5.0, 15.0), (3.0, 60.0), (1.0, 8.0)])
def test_time_scales_that_made_a_curve_are_found_again(rise, fall):
    found = features(villar_rows(rise, fall), min_snr=0)
    assert found.tau_rise_days["ztfg"] == pytest.approx(rise, rel=1e-3)
    assert found.tau_fall_days["ztfg"] == pytest.approx(fall, rel=1e-3)
    assert found.tau_reduced_chi2["ztfg"] == pytest.approx(0, abs=1e-4)
    assert found.tau_dof["ztfg"] == found.points - 4


@pytest.mark.parametrize("seed", range(6))
def test_another_bounded_fitter_finds_no_better_time_scales(seed):
    rows = villar_rows(4.0, 20.0, noise=100.0, seed=seed)
    days, flux = np.array([row[0] for row in rows]), np.array([row[2] for row in rows])
    found = features(rows, min_snr=0)
    peak = days[flux.argmax()]
    bounds = ([0, peak - 50, 0, 0], [np.inf, peak + 50, 100, 100])
    best, _ = curve_fit(
        villar, days, flux, p0=(1e4, peak, 3, 20), sigma=np.full(len(days), 100.0), bounds=bounds
    )
    chi2 = np.sum(((villar(days, *best) - flux) / 100) ** 2)
    assert found.tau_reduced_chi2["ztfg"] * (len(days) - 4) == pytest.approx(chi2, rel=1e-4)
    assert found.tau_rise_days["ztfg"] == pytest.approx(best[2], rel=1e-2)
    assert found.tau_fall_days["ztfg"] == pytest.approx(best[3], rel=1e-2)


@pytest.mark.parametrize("rate", [0.3, -0.05, 2.0, -1.5])
def test_few_points_give_the_rate_that_made_them(rate):
    rows = [(day, "ztfg", 1e4 * math.exp(rate * day), 50.0) for day in (0.0, 1.0, 2.5, 3.0)]
    found = features(rows, min_snr=0.001)
    assert found.exp_rate_per_day["ztfg"] == pytest.approx(rate, rel=1e-5)
    assert found.tau_rise_days == {}


# --- the spline --------------------------------------------------------------------------------------------


def test_the_spline_of_a_bump_has_its_height_place_and_integral():
    days = np.arange(-20.0, 61.0, 2.0).tolist()
    found = features(bump(days, "ztfg", err=50.0), cadence_days=2, min_snr=0.001)
    assert found.spline_peaks == {"ztfg": 1}
    assert found.spline_peak_flux_njy["ztfg"][0] == pytest.approx(1e4, rel=0.02)
    assert found.spline_peak_days["ztfg"][0] == pytest.approx(40, abs=0.1)
    integral = quad(lambda day: 1e4 * math.exp(-(((day - 20) / 12) ** 2)), -20, 60)[0]
    assert found.spline_fluence_njy_days["ztfg"] == pytest.approx(integral, rel=0.02)
    # Half its maximum is 12 √ln 2 = 10.0 d from the peak, 63 % 12 √ln(1/0.63) = 8.2 d: one grid step is 2 d.
    assert found.spline_halfpeak_days["ztfg"] == pytest.approx(20, abs=4)
    assert found.spline_rise63_days["ztfg"] == pytest.approx(8.2, abs=2)
    assert found.spline_fall63_days["ztfg"] == pytest.approx(8.2, abs=2)
    offset = math.exp(-((20 / 12) ** 2))
    assert found.spline_offset_ratio["ztfg"][0] == pytest.approx(offset, abs=0.01)


def two_bumps(band, heights=(1e4, 6e3)):
    first, second = (
        bump(np.arange(0.0, 121.0, 3.0).tolist(), band, height, peak=peak, err=50.0)
        for height, peak in zip(heights, (30.0, 90.0), strict=True)
    )
    return [(day, b, one + two[2], err) for (day, b, one, err), two in zip(first, second, strict=True)]


def test_two_bumps_are_two_peaks_with_a_valley_between():
    found = features(two_bumps("ztfg"), cadence_days=3, min_snr=0.001)
    assert found.spline_peaks == {"ztfg": 2}
    assert found.spline_peak_flux_njy["ztfg"] == pytest.approx((1e4, 6e3), rel=0.03)
    assert found.spline_peak_gap_days["ztfg"] == pytest.approx((60.0,), abs=3)
    assert found.spline_valley_flux_njy["ztfg"][0] < 100


def test_ratios_of_bands_are_those_of_the_first_peaks_and_of_20_days_later():
    blue, red = two_bumps("ztfg", (1e4, 5e3)), two_bumps("ztfr", (2e4, 3e4))
    found = features(blue + red, cadence_days=3, min_snr=0.001)
    assert found.peak_ratio == {"ztfg-ztfr": pytest.approx(0.5, rel=1e-2)}
    change = (found.peak_ratio["ztfg-ztfr"] - found.offset_ratio["ztfg-ztfr"]) / 20
    assert found.ratio_evolution_per_day == {"ztfg-ztfr": pytest.approx(change)}


def test_five_points_are_too_few_for_a_spline():
    assert features(bump([4.0, 12.0, 20.0, 28.0, 36.0], "ztfg")).spline_peaks == {}


# --- colours -----------------------------------------------------------------------------------------------


def test_colours_are_those_of_weighted_mean_fluxes_within_half_a_cadence():
    rows = [(0, "ztfg", 1e4, 100), (1, "ztfg", 2e4, 200), (2.5, "ztfr", 3e4, 100), (2.6, "ztfr", 9e4, 100),
            (20, "ztfr", 1e4, 100), (20, "ztfg", -1e3, 900)]  # fmt: skip
    found = features(rows)
    mean = np.average([1e4, 2e4], weights=[1 / 100**2, 1 / 200**2])
    assert found.colour_det_mag == {"ztfg-ztfr": pytest.approx(-2.5 * math.log10(mean / 3e4))}
    assert found.colour_last_mag == {}
    assert found.last_bands == ("ztfg", "ztfr")


def test_averages_are_those_of_the_significant_bands():
    found = features([*bump(DAYS, "ztfg"), *bump(DAYS, "ztfr", 3e4), *bump(DAYS, "lssty", 9e6)])
    slopes = found.rise_slope_njy_per_day
    assert found.means["rise_slope_njy_per_day"] == pytest.approx((slopes["ztfg"] + slopes["ztfr"]) / 2)
    assert "lssty" in slopes
    assert not any(name.endswith("_mjd_tai") for name in found.means)


# --- the package light-curve -------------------------------------------------------------------------------


def test_package_features_are_what_their_definitions_say():
    rng = np.random.default_rng(8)
    rows = [(d, b, f + rng.normal(0, 300), rng.uniform(100, 300)) for d, b, f, _ in bump(DAYS, "ztfg", 3e4)]
    found = features(rows, package_features=True, min_snr=0.001).package["ztfg"]
    days, flux, err = (np.array([row[i] for row in rows]) for i in (0, 2, 3))
    count, spread = len(flux), flux.std(ddof=1)
    assert found["standard_deviation"] == pytest.approx(spread)
    assert found["eta"] == pytest.approx(np.sum(np.diff(flux) ** 2) / (count - 1) / spread**2)
    assert found["maximum_slope"] == pytest.approx(np.abs(np.diff(flux) / np.diff(days)).max())
    assert found["skew"] == pytest.approx(stats.skew(flux, bias=False))
    assert found["kurtosis"] == pytest.approx(stats.kurtosis(flux, bias=False))
    excess = (spread**2 - np.mean(err**2)) / flux.mean() ** 2
    assert found["excess_variance"] == pytest.approx(excess)
    line, covariance = np.polyfit(days, flux, 1, w=1 / err, cov="unscaled")
    assert found["linear_fit_slope"] == pytest.approx(line[0])
    assert found["linear_fit_slope_sigma"] == pytest.approx(math.sqrt(covariance[0, 0]))
    pull = (flux - np.average(flux, weights=err**-2)) / err
    assert found["stetson_K"] == pytest.approx(np.abs(pull).sum() / math.sqrt(count * np.sum(pull**2)))
    assert {"periodogram_period_0", "periodogram_period_s_to_n_0", "anderson_darling_normal"} <= set(found)


def test_package_features_enter_the_averages_and_want_four_times():
    rows = bump(DAYS, "ztfg") + bump([12.0, 16.0, 20.0, 20.0], "ztfr")
    found = features(rows, package_features=True)
    assert set(found.package) == {"ztfg"}
    assert found.means["skew"] == found.package["ztfg"]["skew"]


def test_package_features_are_told_of_a_source_that_begins_negative():
    rows = [(day, "ztfg", -1e4 - 100 * day**2, 100) for day in range(6)]
    found = features(rows, package_features=True)
    assert found.stopped
    assert "skew" in found.package["ztfg"]


def test_without_the_package_the_parameter_is_one_clear_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "light_curve", None)
    with pytest.raises(JobError) as error:
        installed.configure("RiseDecline", {"package_features": True})
    assert len(error.value.lines) == 1
    assert "package_features" in error.value.lines[0]
    assert "light-curve is not installed" in error.value.lines[0]
    assert installed.configure("RiseDecline", {}).package_features is False


# --- laws --------------------------------------------------------------------------------------------------

BANDS = st.sampled_from(["ztfg", "ztfr", "lsstu", "lssti", "lssty"])
GRID_DAYS = st.integers(0, 12_000_000).map(lambda step: step / 1e5)
"""Times as surveys tell them: to about a second, over four months."""
FLUXES = st.one_of(st.integers(-2000, 40_000), st.integers(5000, 10_000)).map(float)
ROWS = st.lists(st.tuples(GRID_DAYS, BANDS, FLUXES, st.integers(20, 900).map(float)), min_size=1, max_size=40)
LIMITS = st.lists(st.tuples(GRID_DAYS, BANDS, st.integers(100, 40_000).map(float)), max_size=6)
FULL = {"package_features": True}


def without_times(found):
    return {name: value for name, value in plain(found).items() if not name.endswith("_mjd_tai")}


@given(ROWS, LIMITS, st.floats(-50_000, 50_000))
def test_a_shift_of_all_times_changes_nothing_but_the_dates(rows, limits, shift_days):
    curve = flux_curve(rows, limits)
    moved = replace(curve, mjd_tai=curve.mjd_tai + shift_days)
    here, there = RiseDecline(**FULL).run(curve), RiseDecline(**FULL).run(moved)
    assert without_times(here) == without_times(there)
    if here.det_mjd_tai is not None:
        assert there.det_mjd_tai - here.det_mjd_tai == pytest.approx(shift_days, abs=1e-7)


@given(ROWS, st.floats(-50_000, 50_000))
def test_windows_cut_at_the_same_rows_wherever_the_curve_lies(rows, shift_days):
    on_edges = [(round(day / 2.5) * 2.5, band, flux, err) for day, band, flux, err in rows]
    curve = flux_curve(on_edges)
    moved = replace(curve, mjd_tai=curve.mjd_tai + shift_days)
    assert without_times(RiseDecline().run(curve)) == without_times(RiseDecline().run(moved))


@given(ROWS, st.randoms(use_true_random=False))
def test_the_order_of_rows_of_equal_time_does_not_matter(rows, random):
    coarse = [(float(int(day) // 8), band, flux, err) for day, band, flux, err in rows]
    other = coarse.copy()
    random.shuffle(other)
    assert plain(features(coarse, **FULL)) == plain(features(other, **FULL))


@given(ROWS, LIMITS, st.integers(-6, 6))
def test_a_brighter_copy_differs_by_its_factor_alone(rows, limits, power):
    factor = 2.0**power
    curve = flux_curve(rows, limits)
    scaled = replace(
        curve,
        flux_njy=curve.flux_njy * factor,
        flux_err_njy=curve.flux_err_njy * factor,
        limit_njy=curve.limit_njy * factor,
    )
    here, there = plain(RiseDecline().run(curve)), plain(RiseDecline().run(scaled))
    for name, value in here.items():
        if name.startswith("mag_") and name.endswith("_ab") and value is not None:
            assert there[name] == pytest.approx(value - 2.5 * math.log10(factor), abs=1e-9)
        elif name == "means":
            assert there[name] == {n: v * factor if "_njy" in n else v for n, v in value.items()}
        else:
            assert there[name] == (times(value, factor) if "_njy" in name else value)


def times(value, factor):
    if isinstance(value, dict):
        return {key: times(each, factor) for key, each in value.items()}
    return tuple(each * factor for each in value) if isinstance(value, tuple) else value * factor


ANY = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(-1e5, 1e5),
    st.sampled_from([0.0, 1.0, 5e-324, 1e-99, 1e99, 1e101, -1e99, 1.7e308]),
)
MJDS = st.one_of(st.floats(0, 100_000), st.sampled_from([59000.0, 59000.0000001, 59001.0, 1e300, -1e300]))


@given(
    st.lists(st.tuples(MJDS, BANDS, ANY, ANY, st.booleans()), max_size=25),
    st.booleans(),
)
def test_any_finite_numbers_give_a_result_of_finite_numbers_or_are_missing(rows, package):
    rows.sort(key=lambda row: row[0])
    size, column = len(rows), list(zip(*rows, strict=True)) or [()] * 5
    curve = LightCurve(
        mjd_tai=np.array(column[0], dtype=float),
        time_of=np.full(size, "start"),
        flux_njy=np.where(column[4], np.array(column[2], dtype=float), np.nan),
        flux_err_njy=np.where(column[4], np.array(column[3], dtype=float), np.nan),
        limit_njy=np.abs(np.array(column[3], dtype=float)),
        reference_njy=np.full(size, np.nan),
        band=np.array(column[1], dtype=np.str_),
        kind=np.where(column[4], "detection", "limit").astype(np.str_),
    )
    unit = RiseDecline(package_features=package)
    is_flux = (np.abs(curve.flux_njy) < 1e100) & (curve.flux_err_njy > 1e-100) & (curve.flux_err_njy < 1e100)
    if not (is_flux & (np.abs(curve.mjd_tai) < 1e7)).any():
        with pytest.raises(MissingInputError):
            unit.run(curve)
        return
    found = unit.run(curve)
    json.dumps(plain(found), allow_nan=False)
    assert msgspec.convert(plain(found), RiseDeclineFeatures) == found


# --- bad input ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "curve",
    [flux_curve([]), flux_curve([], [(0, "ztfg", 1e4)]), flux_curve([(0, "ztfg", 1e4, 0.0)])],
    ids=["nothing", "limits only", "zero error"],
)
def test_without_usable_flux_the_input_is_missing(curve):
    with pytest.raises(MissingInputError, match="no point with usable flux"):
        RiseDecline().run(curve)


def test_one_point_is_a_light_curve():
    found = features([(0, "ztfg", 1e4, 100)], **FULL)
    assert (found.detections, found.t_lc_days, found.has_gaps) == (1, 0.0, None)
    assert found.rise_slope_njy_per_day == found.exp_rate_per_day == found.package == {}
    assert (found.is_rising, found.is_falling, found.is_peaked) == (False, False, False)


def test_rows_of_one_time_have_no_slope():
    found = features(
        [(0, "ztfg", flux, 100) for flux in (1e4, 1.1e4, 1.2e4, 1.3e4, 1.4e4, 1.5e4, 1.6e4)], **FULL
    )
    assert found.rise_slope_njy_per_day == found.tau_rise_days == found.exp_rate_per_day == {}
    assert found.spline_peaks == {}


@pytest.mark.parametrize(
    "config",
    [{"cadence_days": 0}, {"min_snr": -1}, {"max_detections": 0}, {"colours": [["ztfg"]]}, {"t_cadence": 3}],
)
def test_impossible_parameters_are_refused(config):
    with pytest.raises(ValidationError):
        RiseDecline(**config)


def test_magnitudes_of_a_bump_match_those_of_the_curve():
    curve = flux_curve(bump(DAYS, "ztfg"))
    assert RiseDecline().run(curve).mag_min_ab == pytest.approx(float(mag_of_flux(curve.flux_njy.max())))

"""When a light curve looks like a supernova."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from skymesh.errors import MissingInputError
from skymesh.runtime.execute import plain_content
from skymesh_t2.units.phase_limit import PhaseLimit, PhaseWindow
from support.curves import MJD, bump, curve, flux_curve, njy

DAYS = [0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 35.0, 40.0]


def window(rows, half_time_days=30, **config):
    return PhaseLimit(half_time_days=half_time_days, **config).run(flux_curve(rows))


def test_bright_detections_survive_and_faint_ones_do_not():
    rows = [(0, "ztfg", 18.0), (5, "ztfg", 17.0), (10, "ztfg", 18.0), (400, "ztfg", 23.0)]
    found = PhaseLimit(half_time_days=30).run(curve(rows))
    assert found.evaluation == "ok"
    assert found.remaining == 3
    assert found.peak_mjd_tai == pytest.approx(MJD + 5, abs=1e-7)
    assert found.peak_flux_njy == pytest.approx(njy(17.0))
    assert PhaseLimit(half_time_days=30, max_mag_ab=17.5).run(curve(rows)).evaluation == "fail:detections"


def test_the_window_reaches_half_a_time_beyond_median_and_peak():
    found = window(bump(DAYS, "ztfg", 1e6, peak=25.0))
    assert found.median_mjd_tai == pytest.approx(MJD + 20, abs=1e-7)
    assert found.start_mjd_tai == pytest.approx(MJD + 20 - 30, abs=1e-7)
    assert found.end_mjd_tai == pytest.approx(MJD + 25 + 30, abs=1e-7)
    assert found.masked_duration_days == 40


def test_detections_far_from_the_others_in_time_are_outliers():
    found = window([*bump(DAYS, "ztfg", 1e5), (-300.0, "ztfg", 9e4, 200.0), (900.0, "ztfg", 9e4, 200.0)])
    assert found.masked_duration_days == 40
    assert found.remaining == 9
    assert found.evaluation == "ok"


def test_what_is_active_for_too_long_is_no_supernova():
    rows = [(float(day), "ztfg", 1e4, 200.0) for day in range(0, 500, 10)]
    assert window(rows).evaluation == "fail:duration"
    assert window(rows, half_time_days=130).evaluation == "ok"


@pytest.mark.parametrize(
    "band, evaluation",
    [("ztfg", "fail:negative_flux"), ("lsstr", "fail:negative_flux"), ("ztfi", "warning:negative_flux_i"),
     ("lsstz", "ok")],
)  # fmt: skip
def test_negative_fluxes_of_a_band_mean_light_in_the_template(band, evaluation):
    rows = [*bump(DAYS, "lsstu"), *bump(DAYS, band), (7.0, band, -900.0, 100.0)]
    assert window(rows).evaluation == evaluation
    assert window(rows, max_negative_fraction=0.11).evaluation == "ok"


def test_a_zero_flux_is_not_negative():
    assert window([*bump(DAYS, "ztfg"), (7.0, "ztfg", 0.0, 100.0)]).evaluation == "ok"


def test_noise_below_zero_is_no_light_in_the_template():
    noise = [(float(day), "ztfg", 100.0 * sign, 100.0) for day in range(-90, -30, 5) for sign in (-1, -2.9)]
    assert window([*bump(DAYS, "ztfg"), *noise]).evaluation == "ok"
    assert window([*bump(DAYS, "ztfg"), *noise], min_negative_snr=2.5).evaluation == "fail:negative_flux"
    rows = [*bump(DAYS, "ztfg"), (7.0, "ztfg", -300.0, 100.0)]
    assert window(rows).evaluation == "fail:negative_flux"


def test_too_few_rows_tell_nothing():
    found = window(bump([18.0, 20.0], "ztfg"))
    assert found == PhaseWindow(evaluation="fail:detections")
    assert window(bump([18.0, 20.0], "ztfg"), min_detections=2).evaluation == "ok"


def test_insignificant_rows_do_not_count():
    rows = [(day, band, flux, 25000.0) for day, band, flux, _ in bump(DAYS, "ztfg", 1e5)]
    assert window(rows).masked_duration_days == 40
    assert window(rows, min_snr=1.9).masked_duration_days == 20


def test_rise_and_fall_are_told_by_band_and_fraction():
    fluxes = [(0, 2e3), (4, 6e3), (10, 1e4), (13, 8e3), (20, 6e3)]
    found = window([(day, "ztfg", flux, 100.0) for day, flux in fluxes], rise_fractions=(0.3, 0.5))
    assert found.rise_days == {"ztfg": {"0.3": 6.0, "0.5": 10.0}}
    assert found.fall_days == {"ztfg": {"0.3": 10.0}}
    assert found.fall_min_days == {"ztfg": {"0.5": 10.0}}
    assert found.rise_min_days == {}


def test_what_begins_at_its_peak_has_no_rise():
    rows = [(day, "ztfg", 1e4 - 400 * day, 100.0) for day in range(5)]
    found = window(rows, rise_fractions=(0.5,))
    assert found.rise_days == found.rise_min_days == {}
    assert found.fall_min_days == {"ztfg": {"0.5": 4.0}}


def test_rows_of_one_time_are_no_outliers_of_each_other():
    found = window([(0, band, 1e4, 100.0) for band in ("ztfg", "ztfr", "ztfi")])
    assert found.evaluation == "ok"
    assert (found.remaining, found.masked_duration_days) == (3, 0.0)


@pytest.mark.parametrize("rows", [[], [(0, "ztfg", 1e4, 0.0)]])
def test_without_usable_flux_the_input_is_missing(rows):
    with pytest.raises(MissingInputError, match="no point with usable flux"):
        window(rows)


@pytest.mark.parametrize(
    "config", [{}, {"half_time_days": 0}, {"half_time_days": 9, "rise_fractions": [1.5]}]
)
def test_impossible_parameters_are_refused(config):
    with pytest.raises(ValidationError):
        PhaseLimit(**config)


ROWS = st.lists(
    st.tuples(
        st.integers(0, 40_000).map(lambda step: step / 100),
        st.sampled_from(["ztfg", "ztfr", "ztfi", "lsstz"]),
        st.one_of(st.integers(-3000, 90_000).map(float), st.floats(-1e200, 1e200)),
        st.integers(1, 900).map(float),
    ),
    min_size=1,
    max_size=30,
)


@given(ROWS, st.floats(-40_000, 40_000))
def test_any_curve_has_a_window_of_numbers_that_moves_with_it(rows, shift_days):
    unit = PhaseLimit(half_time_days=20, rise_fractions=(0.1, 0.5))
    here = flux_curve(rows)
    if not (np.abs(here.flux_njy) < 1e100).any():
        with pytest.raises(MissingInputError):
            unit.run(here)
        return
    found = plain_content(unit.run(here), PhaseWindow)
    moved = plain_content(unit.run(replace(here, mjd_tai=here.mjd_tai + shift_days)), PhaseWindow)
    json.dumps(found, allow_nan=False)
    for name, value in found.items():
        if name.endswith("_mjd_tai") and value is not None:
            assert moved[name] == pytest.approx(value + shift_days, abs=1e-7)
        else:
            assert moved[name] == value


def test_a_band_without_a_peak_to_speak_of_is_no_overflow():
    bright = [(float(day), "ztfr", 5000.0, 10.0) for day in range(4)]
    faint = [(float(day), "ztfg", flux, 1.0) for day, flux in enumerate((-1e99, 1e-250))]
    found = plain_content(PhaseLimit(half_time_days=20).run(flux_curve(bright + faint)), PhaseWindow)
    json.dumps(found, allow_nan=False)
    assert found["evaluation"] != "fail:detections"

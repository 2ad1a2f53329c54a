"""UTC to TAI, held against astropy."""

from __future__ import annotations

import math

import pytest
from astropy.time import Time
from hypothesis import given
from hypothesis import strategies as st

from skymesh.surveys.time_scales import JD_OF_MJD_0, mjd_tai_of_jd_utc

FIRST_JD = 2441317.5  # 1972-01-01
LAST_JD = 2470000.5
EXACT_DAYS = 1e-9
LEAP_DAYS = ["2005-12-31", "2008-12-31", "2012-06-30", "2015-06-30", "2016-12-31"]


def by_astropy(jd_utc):
    # Split as the survey's number is, so that nothing is rounded on the way in.
    return Time(JD_OF_MJD_0, jd_utc - JD_OF_MJD_0, format="jd", scale="utc").tai.mjd


@given(st.floats(FIRST_JD, LAST_JD))
@pytest.mark.filterwarnings("ignore:.*dubious year.*")
def test_any_date_since_1972_equals_astropys(jd_utc):
    assert abs(mjd_tai_of_jd_utc(jd_utc) - by_astropy(jd_utc)) < EXACT_DAYS


@pytest.mark.parametrize("day", LEAP_DAYS)
@pytest.mark.parametrize("fraction", [-0.001, 0.0, 1e-6, 0.25, 0.5, 0.75, 0.99999, 1.0, 1.000001, 1.5])
def test_the_day_of_a_leap_second_equals_astropys(day, fraction):
    jd_utc = Time(day, scale="utc").jd + fraction
    assert abs(mjd_tai_of_jd_utc(jd_utc) - by_astropy(jd_utc)) < EXACT_DAYS


def test_golden_values():
    assert mjd_tai_of_jd_utc(2457754.5) == 57754 + 37 / 86400
    assert mjd_tai_of_jd_utc(2457753.5) == 57753 + 36 / 86400
    assert mjd_tai_of_jd_utc(FIRST_JD) == 41317 + 10 / 86400


def test_time_goes_forward_across_a_leap_second():
    times = [mjd_tai_of_jd_utc(2457753.5 + step / 997) for step in range(3 * 997)]
    assert times == sorted(set(times))


@pytest.mark.parametrize("jd_utc", [FIRST_JD - 1e-6, 2400000.5, 0.0, -1e9, -math.inf])
def test_a_date_before_1972_is_an_error(jd_utc):
    with pytest.raises(ValueError, match="1972"):
        mjd_tai_of_jd_utc(jd_utc)

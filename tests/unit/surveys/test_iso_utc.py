"""Times as people write them: UTC, ISO 8601."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skymesh.surveys.time_scales import iso_utc_of_mjd_tai, mjd_tai_of_jd_utc


@pytest.mark.parametrize("jd_utc, said", [
    (2441317.5, "1972-01-01T00:00:00.000"),
    (2460350.5, "2024-02-10T00:00:00.000"),
    (2460350.802083333, "2024-02-10T07:15:00.000"),
    (2488070.0, "2100-01-01T12:00:00.000"),
])  # fmt: skip
def test_known_times(jd_utc, said):
    assert iso_utc_of_mjd_tai(mjd_tai_of_jd_utc(jd_utc)) == said


def test_a_leap_second_is_second_60():
    # 37 s after 2017-01-01 TAI begins is the leap second's end: IERS Bulletin C 52.
    assert iso_utc_of_mjd_tai(57754 + 36.5 / 86400) == "2016-12-31T23:59:60.500"


@given(st.floats(41400, 70000))
def test_times_sort_as_their_texts_do(mjd_tai):
    texts = [iso_utc_of_mjd_tai(mjd_tai + step / 86400) for step in (0, 0.01, 1, 86400)]
    assert texts == sorted(texts)
    assert len({len(text) for text in texts}) == 1

"""From the surveys' clocks to MJD in TAI."""

from __future__ import annotations

import warnings
from bisect import bisect_right
from typing import Final

import erfa

JD_OF_MJD_0: Final = 2400000.5
SECONDS_PER_DAY: Final = 86400.0


def _leap_seconds() -> tuple[list[float], list[float]]:
    """Return the first MJD (UTC) of each value of TAI - UTC since 1972, and the value in days."""
    table = erfa.leap_seconds.get()
    rows = [(row["year"], row["month"], row["tai_utc"]) for row in table if row["year"] >= 1972]
    starts = [float(erfa.cal2jd(year, month, 1)[1]) for year, month, _ in rows]
    return starts, [float(seconds) / SECONDS_PER_DAY for _, _, seconds in rows]


_STARTS, _OFFSETS_DAYS = _leap_seconds()


def mjd_tai_of_jd_utc(jd_utc: float) -> float:
    """Convert a Julian date in UTC to MJD in TAI.

    Parameters
    ----------
    jd_utc
        Julian date, UTC, since 1972.

    Returns
    -------
    float
        MJD, TAI. Subtracting 2400000.5 is exact in double precision; adding the leap seconds (IERS
        table of ERFA) rounds once, to 0.6 microseconds of day 60000.

    Raises
    ------
    ValueError
        If the date lies before 1972.
    """
    mjd_utc = jd_utc - JD_OF_MJD_0
    if mjd_utc >= _STARTS[-1]:
        return mjd_utc + _OFFSETS_DAYS[-1]
    index = bisect_right(_STARTS, mjd_utc) - 1
    if index < 0:
        raise ValueError(f"a date before 1972: JD {jd_utc}")
    if index + 1 < len(_STARTS) and _STARTS[index + 1] - mjd_utc <= 1:
        # A day that ends with a leap second is longer: its fractions stretch (SOFA, "quasi-JD").
        midnight = _STARTS[index + 1] - 1
        leap_days = _OFFSETS_DAYS[index + 1] - _OFFSETS_DAYS[index]
        mjd_utc = midnight + (mjd_utc - midnight) * (1 + leap_days)
    return mjd_utc + _OFFSETS_DAYS[index]


def iso_utc_of_mjd_tai(mjd_tai: float) -> str:
    """Return a time as ISO 8601 text in UTC, rounded to milliseconds: ``2024-02-10T07:12:01.250``.

    Parameters
    ----------
    mjd_tai
        MJD, TAI, since 1972.
    """
    with warnings.catch_warnings():
        # Of years that are not long past ERFA says that leap seconds may yet be announced for them.
        warnings.simplefilter("ignore", erfa.ErfaWarning)
        utc = erfa.taiutc(JD_OF_MJD_0, mjd_tai)
        year, month, day, time = erfa.d2dtf("UTC", 3, *utc)
    hour, minute, second, fraction = time.item()
    return f"{year:04d}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:{second:02d}.{fraction:03d}"

"""A smoothing spline through one band, and its peaks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import make_smoothing_spline
from scipy.signal import find_peaks

from skymesh.lightcurve import Floats
from skymesh_t2.units.rise_decline.numbers import Numbers
from skymesh_t2.units.series import Series

_MIN_POINTS = 6
_MAX_GRID = 10_000
_PEAK_WIDTH, _PEAK_DISTANCE = 2, 3
_FIFTH = 1 / 5
_HALF_MAG_FRACTION = 0.63


def spline_peaks(
    rows: Series,
    *,
    since_days: float,
    step_days: float,
    smoothing_days3: float,
    evolution_days: float,
    brightest_njy: float,
) -> Numbers:
    """Return the spline features of one band; nothing if it has few rows or no peak.

    The spline minimises Σ((f−s)/σ)² + λ∫s″², with flux in units of the band's median error, so that
    λ = `smoothing_days3` means the same for every brightness. It is looked at on a grid of
    `step_days`, one step inside the first and last row. A peak is as prominent as a fifth of the band's
    highest flux, as high as a fifth of `brightest_njy`, two grid steps wide and three from the next.
    Times of peaks are counted from `since_days`.
    """
    rows = rows.joined()
    steps = (rows.days[-1] - rows.days[0]) / step_days
    if len(rows) < _MIN_POINTS or steps > _MAX_GRID:
        return {}
    grid = np.arange(rows.days[0] + step_days, rows.days[-1] - step_days, step_days)
    spline = _spline(rows, smoothing_days3)
    if spline is None or len(grid) == 0:
        return {}
    flux = spline(grid)
    tops, _ = find_peaks(
        flux,
        prominence=rows.flux_njy.max() * _FIFTH,
        height=brightest_njy * _FIFTH,
        width=_PEAK_WIDTH,
        distance=_PEAK_DISTANCE,
    )
    if len(tops) == 0:
        return {}
    later = grid[tops] + evolution_days
    offset = spline(later[later <= rows.days[-1]])
    return {
        "spline_fluence_njy_days": float(flux.sum() * step_days),
        "spline_fluence_err_njy_days": _error_sum(rows, grid) * step_days,
        "spline_peaks": len(tops),
        "spline_peak_days": _floats(grid[tops] - since_days),
        "spline_peak_flux_njy": _floats(flux[tops]),
        "spline_offset_flux_njy": _floats(offset),
        "spline_offset_ratio": _floats(offset / flux[tops][: len(offset)]),
        **_half(rows, grid, flux, step_days),
        **_first_peak(flux, int(tops[0]), step_days),
        **_between(flux, tops, step_days),
    }


def _spline(rows: Series, smoothing_days3: float) -> Callable[[Floats], Floats] | None:
    unit_njy = float(np.median(rows.flux_err_njy))
    weight = (unit_njy / rows.flux_err_njy) ** 2
    try:
        spline = make_smoothing_spline(rows.days, rows.flux_njy / unit_njy, w=weight, lam=smoothing_days3)
    except ValueError:  # errors so unlike each other that their weights are 0 or infinite
        return None

    def flux_njy(days: Floats) -> Floats:
        flux: Floats = spline(days) * unit_njy
        return flux

    return flux_njy


def _error_sum(rows: Series, grid: Floats) -> float:
    return float(np.interp(grid, rows.days, rows.flux_err_njy).sum())


def _half(rows: Series, grid: Floats, flux: Floats, step_days: float) -> Numbers:
    high = np.flatnonzero(flux > flux.max() / 2)
    inside = (rows.days > grid[high[0]]) & (rows.days < grid[high[-1]])
    return {
        "spline_halfpeak_days": (high[-1] - high[0]) * step_days,
        "spline_halfpeak_points": int(inside.sum()),
    }


def _first_peak(flux: Floats, top: int, step_days: float) -> Numbers:
    low = np.flatnonzero(flux < _HALF_MAG_FRACTION * flux[top])
    before, after = low[low < top], low[low > top]
    found: Numbers = {}
    if len(before):
        found["spline_rise63_days"] = (top - before[-1]) * step_days
    if len(after):
        found["spline_fall63_days"] = (after[0] - top) * step_days
    return found


def _between(flux: Floats, tops: NDArray[np.intp], step_days: float) -> Numbers:
    if len(tops) < 2:
        return {}
    valleys = (tops[1:] + tops[:-1]) // 2
    return {
        "spline_peak_gap_days": _floats(np.diff(tops) * step_days),
        "spline_valley_flux_njy": _floats(flux[valleys]),
    }


def _floats(values: Floats) -> tuple[float, ...]:
    return tuple(values.tolist())

"""A small light curve as the paths of an SVG figure, in few bytes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import numpy as np

from skymesh.lightcurve import Flags, Floats, LightCurve, mag_of_flux
from skymesh_t3.band_marks import mark_of

WIDTH, HEIGHT = 380, 220
LEFT, RIGHT, TOP, BOTTOM = 58, WIDTH - 10, 10, HEIGHT - 38
MOST_ROWS = 1000
_MIN_SIGNIFICANCE = 3.0
_TICKS = 5
_ABSURD = 1e15
_FLUX_UNITS: Final = ((1e7, "mJy", 1e6), (1e4, "µJy", 1e3), (0.0, "nJy", 1.0))

_SHAPES: Final[dict[str, str]] = {
    "circle": "m-3,0a3,3 0 1,0 6,0a3,3 0 1,0 -6,0z",
    "square": "m-2.7,-2.7h5.4v5.4h-5.4z",
    "diamond": "m0,-3.8l3.8,3.8l-3.8,3.8l-3.8,-3.8z",
    "plus": "m-3.5,0h7m-3.5,-3.5v7",
    "cross": "m-2.7,-2.7l5.4,5.4m0,-5.4l-5.4,5.4",
    "star": "m-3.5,0h7m-5.2,-3l3.4,6m0,-6l-3.4,6",
    "limit": "m-3.2,-2.5h6.4l-3.2,5.4z",
}


class Tick(NamedTuple):
    """A mark on an axis: where, and its number."""

    at: float
    text: str


class BandDrawing(NamedTuple):
    """One band: its paths, their colour, and how many measurements and limits they hold."""

    band: str
    colour: str
    mark: str
    errors: str
    points: str
    limits: str
    n_points: int
    n_limits: int


class Drawing(NamedTuple):
    """A figure of `WIDTH` by `HEIGHT`.

    Attributes
    ----------
    quantity
        What the upright axis is: AB magnitudes (brighter is up), or fluxes where less than half of the
        measurements stand out of the noise and are brighter than the template.
    origin
        What the times are counted from.
    x_ticks, y_ticks
        The axes.
    bands
        What is drawn.
    left_out, without_magnitude
        How many older rows are not drawn, and how many measurements have no place on the axis.
    told
        The figure in one sentence.
    """

    quantity: str
    origin: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    bands: tuple[BandDrawing, ...]
    left_out: int
    without_magnitude: int
    told: str


class _Rows(NamedTuple):
    """What is drawn of a curve: `y` with its ends `low` and `high`, and limits, in units of the axis."""

    quantity: str
    unit: str
    curve: LightCurve
    y: Floats
    low: Floats
    high: Floats
    limit: Floats


def draw(curve: LightCurve) -> Drawing | None:
    """Return the figure of a light curve; None if it has neither a measurement nor a limit."""
    newest = curve[max(0, len(curve) - MOST_ROWS) :]
    is_significant = newest.flux_njy >= _MIN_SIGNIFICANCE * newest.flux_err_njy
    # Much of a variable star or a galaxy's nucleus is fainter than the template: magnitudes would hide it.
    is_magnitude = 2 * int((is_significant & (newest.flux_njy > 0)).sum()) >= int(newest.is_good.sum())
    rows = _magnitudes(newest, is_significant) if is_magnitude else _fluxes(newest)
    times = newest.mjd_tai[np.isfinite(rows.y) | np.isfinite(rows.limit)]
    heights = np.concatenate([rows.y, rows.low, rows.high, rows.limit])
    heights = heights[np.abs(heights) < _ABSURD]
    if not len(times) or not len(heights):
        return None
    origin = float(times[-1])
    across = _scale(times - origin, LEFT + 6, RIGHT - 6, least=0.1)
    up = _scale(heights, TOP + 6, BOTTOM - 6, least=0.2, is_up=not is_magnitude)
    bands = tuple(
        _band(rows, band, origin, across[0], up[0]) for band in sorted({str(b) for b in newest.band})
    )
    drawn = tuple(band for band in bands if band.n_points or band.n_limits)
    return Drawing(
        quantity=rows.quantity,
        origin=f"days since MJD {origin:.4f} (TAI)",
        x_ticks=across[1],
        y_ticks=up[1],
        bands=drawn,
        left_out=len(curve) - len(newest),
        without_magnitude=int((newest.is_good & ~np.isfinite(rows.y)).sum()),
        told=_told(drawn, rows, times),
    )


def _magnitudes(curve: LightCurve, is_shown: Flags) -> _Rows:
    mag = np.where(is_shown | ~np.isfinite(curve.flux_err_njy), curve.mag_ab, np.nan)
    err = _finite(curve.mag_err_ab)
    limit = np.where(curve.kind == "limit", mag_of_flux(curve.limit_njy), np.nan)
    return _Rows("AB magnitude", "", curve, mag, mag - err, mag + err, limit)


def _fluxes(curve: LightCurve) -> _Rows:
    largest = float(np.abs(curve.good.flux_njy).max())
    unit, njy = next((unit, njy) for least, unit, njy in _FLUX_UNITS if largest >= least)
    flux, err = curve.flux_njy / njy, _finite(curve.flux_err_njy) / njy
    nothing = np.full(len(curve), np.nan)
    return _Rows(f"flux / {unit}", f" {unit}", curve, flux, flux - err, flux + err, nothing)


def _finite(error: Floats) -> Floats:
    known: Floats = np.where(np.isfinite(error), error, 0.0)
    return known


def _scale(
    values: Floats, start: float, end: float, *, least: float, is_up: bool = False
) -> tuple[Callable[[float], float], tuple[Tick, ...]]:
    """Return what brings values to a place between `start` and `end`, and the ticks."""
    low, high = float(values.min()), float(values.max())
    if high - low < least:
        middle = (low + high) / 2
        low, high = middle - least / 2, middle + least / 2
    if is_up:
        start, end = end, start
    per_unit = (end - start) / (high - low)

    def place(value: float) -> float:
        return round(start + (value - low) * per_unit, 1)

    return place, tuple(Tick(place(value), text) for value, text in _round_numbers(low, high))


def _round_numbers(low: float, high: float) -> Iterator[tuple[float, str]]:
    """Yield about `_TICKS` round numbers between two."""
    rough = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(factor for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    decimals = max(0, -math.floor(math.log10(step)))
    for count in range(math.ceil(low / step), math.floor(high / step) + 1):
        yield count * step, f"{count * step:.{decimals}f}".replace("-", "−")


def _band(
    rows: _Rows, band: str, origin: float, across: Callable[[float], float], up: Callable[[float], float]
) -> BandDrawing:
    own = rows.curve.band == band
    points = np.flatnonzero(own & np.isfinite(rows.y)).tolist()
    limits = np.flatnonzero(own & np.isfinite(rows.limit)).tolist()
    mark = mark_of(band)
    x = {row: across(float(rows.curve.mjd_tai[row]) - origin) for row in (*points, *limits)}
    return BandDrawing(
        band=band,
        colour=mark.colour,
        mark=_SHAPES[mark.shape],
        errors="".join(f"M{x[r]},{up(float(rows.low[r]))}V{up(float(rows.high[r]))}" for r in points),
        points="".join(f"M{x[r]},{up(float(rows.y[r]))}{_SHAPES[mark.shape]}" for r in points),
        limits="".join(f"M{x[r]},{up(float(rows.limit[r]))}{_SHAPES['limit']}" for r in limits),
        n_points=len(points),
        n_limits=len(limits),
    )


def _told(bands: tuple[BandDrawing, ...], rows: _Rows, times: Floats) -> str:
    counts = ", ".join(f"{band.n_points} in {band.band}" for band in bands if band.n_points)
    n_limits = sum(band.n_limits for band in bands)
    limits = "1 upper limit" if n_limits == 1 else f"{n_limits} upper limits"
    span = f"MJD {times[0]:.2f} to {times[-1]:.2f}"
    if not counts:
        return f"{limits} and no measurement, {span}."
    name, low, high = rows.quantity.partition(" /")[0], float(np.nanmin(rows.y)), float(np.nanmax(rows.y))
    return f"{counts}; {limits}; {name} {low:.2f} to {high:.2f}{rows.unit}; {span}."

"""From ZTF's raw values to fluxes in nJy.

A magnitude m (AB) is the flux 10^(-0.4 (m - 31.4)) nJy, since 31.4 is the AB zero point of 1 nJy;
``isdiffpos`` false turns the sign. A magnitude's error σ is the flux error f σ ln(10)/2.5. Forced
photometry comes in counts with its zero point ``magzpsci``; -99999 means missing. ``diffmaglim`` is
the 5-sigma depth of the difference image; negative or missing ones are no limits.

Source: ZTF science data system explanatory supplement; the AB system.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from skymesh.model.point import DETECTION, FORCED, LIMIT, DataPoint, raw_values
from skymesh.surveys.survey import Floats, Photometry
from skymesh.surveys.ztf import fields

ZERO_POINT_NJY_MAG_AB: Final = 31.4
BANDS: Final = {1: "ztfg", 2: "ztfr", 3: "ztfi"}
_MISSING_FLUX: Final = -99999.0
# Beyond it a number is no magnitude; none of its flux would be left.
_FAINTEST_MAG: Final = 100.0
_ERR_PER_MAG: Final = math.log(10) / 2.5

Row = tuple[Any, ...]
Fluxes = tuple[float, float, float, float]
"""Flux, its error, 5-sigma depth and reference flux of one point, nJy; NaN where there is none."""


def photometry(points: Sequence[DataPoint]) -> Photometry:
    """Turn ZTF points into fluxes, one row per point, in their order.

    A packet has some tens of points: plain numbers are quicker for them than arrays.
    """
    table: list[Fluxes] = []
    band: list[str] = []
    exposure: list[Any] = []
    for point in points:
        row = raw_values(point)
        table.append(_usable(_FLUXES[point.kind](row)))
        places = _INDEX[point.kind]
        band.append(BANDS.get(row[places["fid"]], "unknown"))
        # pid is one exposure of one readout channel: forced, difference and limit rows of it are one look.
        exposure.append(row[places["pid"]])
    flux, err, limit, reference = np.array(table, dtype=float).reshape(-1, 4).T
    return Photometry(flux, err, limit, reference, band, exposure)


def _usable(fluxes: Fluxes) -> Fluxes:
    """Return fluxes, without the flux if it has no positive, finite error."""
    flux, err, limit, reference = fluxes
    if math.isfinite(flux) and math.isfinite(err) and err > 0:
        return fluxes
    return math.nan, math.nan, limit, reference


def positions_deg(points: Sequence[DataPoint]) -> tuple[Floats, Floats]:
    """Return right ascension and declination (ICRS, degrees) of detections; NaN for other points."""
    rows = [raw_values(point) if point.kind == DETECTION else None for point in points]
    ra_deg = np.array([None if row is None else row[_D["ra"]] for row in rows], dtype=float)
    dec_deg = np.array([None if row is None else row[_D["dec"]] for row in rows], dtype=float)
    return ra_deg, dec_deg


def flux_njy(mag_ab: float | None) -> float:
    """Return the flux of a magnitude; NaN where it is missing or no magnitude."""
    if mag_ab is None or not 0 < mag_ab < _FAINTEST_MAG:
        return math.nan
    return float(10 ** (-0.4 * (mag_ab - ZERO_POINT_NJY_MAG_AB)))


def _detection(row: Row) -> Fluxes:
    flux = flux_njy(row[_D["magpsf"]])
    err = flux * _number(row[_D["sigmapsf"]]) * _ERR_PER_MAG
    return (
        flux * _SIGN[row[_D["isdiffpos"]]],
        err,
        flux_njy(row[_D["diffmaglim"]]),
        flux_njy(row[_D["magnr"]]),
    )


def _limit(row: Row) -> Fluxes:
    return math.nan, math.nan, flux_njy(row[_L["diffmaglim"]]), math.nan


def _forced(row: Row) -> Fluxes:
    counts = _number(row[_F["forcediffimflux"]])
    zero_point = _number(row[_F["magzpsci"]])
    limit, reference = flux_njy(row[_F["diffmaglim"]]), flux_njy(row[_F["magnr"]])
    if counts == _MISSING_FLUX or not 0 < zero_point < _FAINTEST_MAG:
        return math.nan, math.nan, limit, reference
    njy_per_count = 10 ** (-0.4 * (zero_point - ZERO_POINT_NJY_MAG_AB))
    return counts * njy_per_count, _number(row[_F["forcediffimfluxunc"]]) * njy_per_count, limit, reference


def _number(value: float | None) -> float:
    return math.nan if value is None else value


_INDEX: Final = {kind: {name: i for i, name in enumerate(names)} for kind, names in fields.FIELDS.items()}
_D, _L, _F = _INDEX[DETECTION], _INDEX[LIMIT], _INDEX[FORCED]
# Without isdiffpos nobody knows the sign: then there is no flux.
_SIGN: Final = {True: 1.0, False: -1.0, None: math.nan}
_FLUXES: Final = {DETECTION: _detection, LIMIT: _limit, FORCED: _forced}

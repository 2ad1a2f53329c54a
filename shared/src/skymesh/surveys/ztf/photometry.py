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
_ERR_PER_MAG: Final = math.log(10) / 2.5

Row = tuple[Any, ...]


def photometry(points: Sequence[DataPoint]) -> Photometry:
    """Turn ZTF points into fluxes, one row per point, in their order."""
    rows = [raw_values(point) for point in points]
    size = len(points)
    columns = [np.full(size, np.nan) for _ in range(4)]
    for kind, fluxes in _FLUXES.items():
        index = [i for i, point in enumerate(points) if point.kind == kind]
        if index:
            for column, values in zip(columns, fluxes([rows[i] for i in index]), strict=True):
                column[index] = values
    flux, err, limit, reference = columns
    has_flux = np.isfinite(flux) & np.isfinite(err) & (err > 0)
    flux[~has_flux] = np.nan
    err[~has_flux] = np.nan
    band = [BANDS.get(_value(p, r, "fid"), "unknown") for p, r in zip(points, rows, strict=True)]
    # pid is one exposure of one readout channel: forced, difference and limit rows of it are one look.
    exposure = [_value(p, r, "pid") for p, r in zip(points, rows, strict=True)]
    return Photometry(flux, err, limit, reference, band, exposure)


def positions_deg(points: Sequence[DataPoint]) -> tuple[Floats, Floats]:
    """Return right ascension and declination (ICRS, degrees) of detections; NaN for other points."""
    rows = [raw_values(point) if point.kind == DETECTION else None for point in points]
    ra_deg = np.array([None if row is None else row[_D["ra"]] for row in rows], dtype=float)
    dec_deg = np.array([None if row is None else row[_D["dec"]] for row in rows], dtype=float)
    return ra_deg, dec_deg


def flux_njy(mag_ab: Floats) -> Floats:
    """Return the flux of magnitudes; NaN where the magnitude is missing or not positive."""
    return np.where(mag_ab > 0, 10 ** (-0.4 * (mag_ab - ZERO_POINT_NJY_MAG_AB)), np.nan)


def _detections(rows: list[Row]) -> tuple[Floats, Floats, Floats, Floats]:
    flux = flux_njy(_column(rows, _D["magpsf"]))
    err = flux * _column(rows, _D["sigmapsf"]) * _ERR_PER_MAG
    sign = np.array([_SIGN[row[_D["isdiffpos"]]] for row in rows])
    limit = flux_njy(_column(rows, _D["diffmaglim"]))
    return flux * sign, err, limit, flux_njy(_column(rows, _D["magnr"]))


def _limits(rows: list[Row]) -> tuple[Floats, Floats, Floats, Floats]:
    nothing = np.full(len(rows), np.nan)
    return nothing, nothing, flux_njy(_column(rows, _L["diffmaglim"])), nothing


def _forced(rows: list[Row]) -> tuple[Floats, Floats, Floats, Floats]:
    counts = _column(rows, _F["forcediffimflux"])
    counts[counts == _MISSING_FLUX] = np.nan
    njy_per_count = 10 ** (-0.4 * (_column(rows, _F["magzpsci"]) - ZERO_POINT_NJY_MAG_AB))
    err = _column(rows, _F["forcediffimfluxunc"]) * njy_per_count
    limit = flux_njy(_column(rows, _F["diffmaglim"]))
    return counts * njy_per_count, err, limit, flux_njy(_column(rows, _F["magnr"]))


def _column(rows: list[Row], index: int) -> Floats:
    return np.array([row[index] for row in rows], dtype=float)


def _value(point: DataPoint, row: Row, name: str) -> Any:
    return row[_INDEX[point.kind][name]]


_INDEX: Final = {kind: {name: i for i, name in enumerate(names)} for kind, names in fields.FIELDS.items()}
_D, _L, _F = _INDEX[DETECTION], _INDEX[LIMIT], _INDEX[FORCED]
# Without isdiffpos nobody knows the sign: then there is no flux.
_SIGN: Final = {True: 1.0, False: -1.0, None: math.nan}
_FLUXES: Final = {DETECTION: _detections, LIMIT: _limits, FORCED: _forced}

"""From LSST's raw values to fluxes in nJy.

Fluxes are in nJy and signed already: ``psfFlux`` of a diaSource, and forced at the object's position of
a diaForcedSource, both on the difference image. ``templateFlux`` is the reference. A limit is five times
``diaNoise``; detections and forced photometry come without a depth of their image.

A flux is masked where the fit of the point-source model failed or lacked pixels (``psfFlux_flag`` and
those that go with it), and where the source's centre is off the image, saturated, or without data: no
model helps there. The other flags are for filters to judge.

Source: documentation of the fields in the public schemas of Rubin alert packets.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import itemgetter
from typing import Any, Final

import numpy as np

from skymesh.model.point import DETECTION, FORCED, LIMIT, DataPoint, raw_values
from skymesh.surveys.lsst import fields
from skymesh.surveys.survey import Floats, Photometry

BANDS: Final = {band: f"lsst{band}" for band in "ugrizy"}
MASKING_FLAGS: Final = (
    "psfFlux_flag", "psfFlux_flag_edge", "psfFlux_flag_noGoodPixels", "pixelFlags_offimage",
    "pixelFlags_saturatedCenter", "pixelFlags_nodataCenter",
)  # fmt: skip
_DEPTH_SIGMA: Final = 5

Row = tuple[Any, ...]


def photometry(points: Sequence[DataPoint]) -> Photometry:
    """Turn LSST points into fluxes, one row per point, in their order."""
    table: list[Row] = []
    band: list[str] = []
    for point in points:
        row = raw_values(point)
        table.append(_FLUXES[point.kind](row))
        band.append(BANDS.get(row[_BAND[point.kind]], "unknown"))
    flux, err, limit, reference = np.array(table, dtype=float).reshape(-1, 4).T
    is_bad = ~(np.isfinite(flux) & np.isfinite(err) & (err > 0))
    flux[is_bad] = err[is_bad] = np.nan
    # Over half of the forced points lie on a detector's image that has a source: they are one look.
    exposure = [point.mjd_tai if point.exposure is None else point.exposure for point in points]
    return Photometry(flux, err, limit, reference, band, exposure)


def positions_deg(points: Sequence[DataPoint]) -> tuple[Floats, Floats]:
    """Return right ascension and declination (ICRS, degrees) of detections; NaN for other points.

    Forced photometry lies at the object's position by definition and measures none.
    """
    rows = [raw_values(point) if point.kind == DETECTION else None for point in points]
    ra_deg = np.array([None if row is None else row[_D["ra"]] for row in rows], dtype=float)
    dec_deg = np.array([None if row is None else row[_D["dec"]] for row in rows], dtype=float)
    return ra_deg, dec_deg


def _detection(row: Row) -> Row:
    reference = row[_D["templateFlux"]]
    if True in _masking_flags(row):
        return math.nan, math.nan, math.nan, reference
    return row[_D["psfFlux"]], row[_D["psfFluxErr"]], math.nan, reference


def _forced(row: Row) -> Row:
    return row[_F["psfFlux"]], row[_F["psfFluxErr"]], math.nan, math.nan


def _limit(row: Row) -> Row:
    noise = row[_L["diaNoise"]]
    is_known = noise is not None and math.isfinite(noise) and noise > 0
    return math.nan, math.nan, _DEPTH_SIGMA * noise if is_known else math.nan, math.nan


_INDEX: Final = {kind: {name: i for i, name in enumerate(names)} for kind, names in fields.FIELDS.items()}
_D, _L, _F = _INDEX[DETECTION], _INDEX[LIMIT], _INDEX[FORCED]
_BAND: Final = {kind: places["band"] for kind, places in _INDEX.items()}
_masking_flags: Final = itemgetter(*(_D[flag] for flag in MASKING_FLAGS))
_FLUXES: Final = {DETECTION: _detection, LIMIT: _limit, FORCED: _forced}

"""The tabulator of difference photometry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from skymesh.lightcurve import LightCurve
from skymesh.model.point import DETECTION, FORCED, LIMIT, DataPoint
from skymesh.surveys import registry
from skymesh.surveys.survey import Floats, Photometry
from skymesh.units import Tabulator

_RANKING = {"forced": (FORCED, DETECTION, LIMIT), "difference": (DETECTION, FORCED, LIMIT)}


class DifferenceFlux(Tabulator):
    """Difference fluxes in AB nJy, one row per exposure and band.

    An exposure may have a detection, forced photometry and a limit; the preferred one that has a
    usable flux makes the row. Rows without usable flux stay, masked, where the exposure has no other.

    Attributes
    ----------
    prefer
        ``forced`` (default) or ``difference``: which photometry makes the row where both are good.
    zero_point_offset_mag
        Calibration by band: magnitudes to add to the survey's zero point; a positive value makes
        fluxes fainter.
    """

    version = "1"

    prefer: Literal["forced", "difference"] = "forced"
    zero_point_offset_mag: Mapping[str, float] = {}

    def tabulate(self, points: Sequence[DataPoint]) -> LightCurve:
        """Return the light curve of points, in order of time."""
        parts = [self._of_survey(name, points) for name in sorted({point.survey for point in points})]
        if not parts:
            return _EMPTY
        return _joined(parts) if len(parts) > 1 else parts[0]

    def _of_survey(self, name: str, points: Sequence[DataPoint]) -> LightCurve:
        survey = registry.get(name)
        own = [point for point in points if point.survey == name]
        photometry = survey.photometry(own)
        rows = self._chosen(own, photometry)
        band = [photometry.band[row] for row in rows]
        scale = 1.0 if not self.zero_point_offset_mag else self._scale(band)
        return LightCurve(
            mjd_tai=np.array([own[row].mjd_tai for row in rows]),
            time_of=np.full(len(rows), survey.time_of),
            flux_njy=photometry.flux_njy[rows] * scale,
            flux_err_njy=photometry.flux_err_njy[rows] * scale,
            limit_njy=photometry.limit_njy[rows] * scale,
            reference_njy=photometry.reference_njy[rows] * scale,
            band=np.array(band, dtype=np.str_),
            kind=np.array([own[row].kind for row in rows], dtype=np.str_),
        )

    def _scale(self, band: list[str]) -> Floats:
        return 10 ** (-0.4 * np.array([self.zero_point_offset_mag.get(name, 0.0) for name in band]))

    def _chosen(self, points: Sequence[DataPoint], photometry: Photometry) -> list[int]:
        """Return the rows to keep, in order of time."""
        ranking = _RANKING[self.prefer]
        best: dict[tuple[object, str], tuple[bool, int, int]] = {}
        is_usable = np.isfinite(photometry.flux_njy).tolist()
        for row, point in enumerate(points):
            place = (photometry.exposure_key[row], photometry.band[row])
            merit = (is_usable[row], -ranking.index(point.kind), -row)
            if place not in best or merit > best[place]:
                best[place] = merit
        rows = [-merit[2] for merit in best.values()]
        return sorted(rows, key=lambda row: (points[row].mjd_tai, row))


def _joined(parts: list[LightCurve]) -> LightCurve:
    names = ("mjd_tai", "time_of", "flux_njy", "flux_err_njy", "limit_njy", "reference_njy", "band", "kind")
    whole = LightCurve(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))
    return whole[np.argsort(whole.mjd_tai, kind="stable")]


_NUMBERS, _TEXTS = np.empty(0), np.empty(0, dtype=np.str_)
_EMPTY = LightCurve(_NUMBERS, _TEXTS, _NUMBERS, _NUMBERS, _NUMBERS, _NUMBERS, _TEXTS, _TEXTS)

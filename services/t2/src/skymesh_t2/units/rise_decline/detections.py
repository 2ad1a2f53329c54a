"""What the significant rows of a light curve say by themselves."""

from __future__ import annotations

from typing import Any

import numpy as np

from skymesh.lightcurve import Flags, LightCurve, mag_of_flux
from skymesh_t2.units.series import Series


class Detections:
    """The detections of a series: significant rows of some bands, at least one.

    Parameters
    ----------
    series
        All rows.
    is_significant
        Which rows differ from 0; shape ``(n_rows,)``.
    bands
        Which bands make detections.
    """

    def __init__(self, series: Series, is_significant: Flags, bands: tuple[str, ...]) -> None:
        self._series = series
        self._bands = bands
        self._is_looked_at = np.isin(series.band, bands)
        self._is_significant = is_significant
        self._rows = series[is_significant & self._is_looked_at]
        self.first_days = float(self._rows.days[0])
        self.last_days = float(self._rows.days[-1])
        self.first = self._at(self.first_days)
        self.last = self._at(self.last_days)

    def _at(self, days: float) -> Series:
        return self._rows[self._rows.days == days].brightest()

    @property
    def begin_and_end_bright(self) -> bool:
        """Whether the first and the last one are brighter than the template."""
        return bool(self.first.flux_njy[0] > 0 and self.last.flux_njy[0] > 0)

    def features(self, limits: LightCurve, max_gap_days: float) -> dict[str, Any]:
        """Return the features of `RiseDeclineFeatures` down to `has_gaps`, counts apart."""
        brightest = self._rows.brightest()
        gaps = np.diff(np.unique(self._series.days))
        return {
            "positive_fraction": float((self._rows.flux_njy > 0).mean()),
            "det_mjd_tai": self._series.mjd_tai(self.first_days),
            "last_mjd_tai": self._series.mjd_tai(self.last_days),
            "mag_min_mjd_tai": self._series.mjd_tai(float(brightest.days[0])),
            "t_lc_days": self.last_days - self.first_days,
            "t_predetect_days": self._since_last_look(limits),
            "mag_det_ab": _mag(self.first),
            "mag_last_ab": _mag(self.last),
            "mag_min_ab": _mag(brightest),
            "band_det": str(self.first.band[0]),
            "band_last": str(self.last.band[0]),
            "is_pure": self._is_pure(),
            "has_gaps": bool(gaps.max() > max_gap_days) if len(gaps) else None,
        }

    def _is_pure(self) -> bool:
        days = self._series.days
        between = (days >= self.first_days) & (days <= self.last_days)
        return not bool((between & self._is_looked_at & ~self._is_significant).any())

    def _since_last_look(self, limits: LightCurve) -> float | None:
        would_show = limits.limit_njy < np.abs(self.first.flux_njy[0])
        deep = limits[would_show & np.isin(limits.band, self._bands)]
        looks = np.concatenate([self._series.days[self._is_looked_at], self._series.days_of(deep.mjd_tai)])
        looks = looks[np.isfinite(looks) & (looks < self.first_days)]
        return self.first_days - float(looks.max()) if len(looks) else None


def _mag(row: Series) -> float | None:
    flux_njy = row.flux_njy[0]
    return float(mag_of_flux(flux_njy)) if flux_njy > 0 else None

"""When in its light curve an object looks like a supernova, if it does at all."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from pydantic import Field

from skymesh.lightcurve import AB_ZERO_POINT_NJY_MAG, Flags
from skymesh.units import Analyser, LightCurve, MissingInputError, Result
from skymesh_t2.units.series import Series, series_of

# ruff: noqa: RUF012  # msgspec gives each record an empty dict of its own

_SIGMA_PER_MAD = 1.4826
_SPURIOUS_BANDS, _SUSPECT_BANDS = ("g", "r"), ("i",)

Durations = dict[str, dict[str, float]]
Fraction = Annotated[float, Field(gt=0, le=1)]


class PhaseWindow(Result, frozen=True):
    """The time in which an object is likely to be a transient.

    Attributes
    ----------
    evaluation
        ``ok``; ``fail:detections`` (too few), ``fail:negative_flux``, ``fail:duration`` (active for too
        long) or ``warning:negative_flux_i``.
    remaining
        Rows with usable flux around the median time; None if there were too few to tell, like all below.
    start_mjd_tai, end_mjd_tai
        The window.
    median_mjd_tai, peak_mjd_tai
        Median time without outliers; time of the highest flux around it (None if nothing is there).
    peak_flux_njy
        That flux.
    masked_duration_days
        From the first to the last row that is no outlier.
    rise_days, fall_days
        Band → fraction → time between the band's highest flux around the median time and the nearest
        row that is lower by more than this fraction of it.
    rise_min_days, fall_min_days
        The same for fractions that no row lies so low for: time to the first or last row, a lower limit.
    """

    evaluation: str
    remaining: int | None = None
    start_mjd_tai: float | None = None
    end_mjd_tai: float | None = None
    median_mjd_tai: float | None = None
    peak_mjd_tai: float | None = None
    peak_flux_njy: float | None = None
    masked_duration_days: float | None = None
    rise_days: Durations = {}
    rise_min_days: Durations = {}
    fall_days: Durations = {}
    fall_min_days: Durations = {}


class PhaseLimit(Analyser):
    """Find the time of a transient among spurious early and late detections.

    Fits of supernova models want the weeks in which there was one. The window lies around the median
    time of the detections, without outliers, and their highest flux. (AMPEL's T2PhaseLimit with
    half_time, min_det, rej_sigma, min_sigma, neg_frac_lim, max_mag, risedec_fractions.)

    Attributes
    ----------
    half_time_days
        How long a transient rises or declines at most.
    min_detections
        So many rows there must be, first of all, and in the end in the window.
    max_mag_ab
        Fainter rows do not tell when the transient was: they may be a constant in the template.
    min_snr
        Nor do rows whose flux is so few errors or fewer.
    rejection_sigma
        Rows further from the median time are outliers; sigma is 1.4826 times the median deviation.
    max_negative_fraction
        A higher share of a band's rows that are fainter than the template means light in the template.
    min_negative_snr
        Such a row's flux is so many errors below zero at least: half of the forced photometry of an empty
        sky is below zero, too.
    rise_fractions
        Losses of flux (0 to 1) for which the durations of rise and fall are told.
    """

    version = "1"

    half_time_days: Annotated[float, Field(gt=0)]
    min_detections: Annotated[int, Field(ge=1)] = 3
    max_mag_ab: float = 22.5
    min_snr: Annotated[float, Field(ge=0)] = 0.0
    rejection_sigma: Annotated[float, Field(gt=0)] = 5.0
    max_negative_fraction: Annotated[float, Field(ge=0, le=1)] = 0.05
    min_negative_snr: Annotated[float, Field(gt=0)] = 3.0
    rise_fractions: tuple[Fraction, ...] = ()

    def run(self, curve: LightCurve) -> PhaseWindow:
        """Return the window.

        Raises
        ------
        MissingInputError
            If no row has a usable flux.
        """
        series = series_of(curve)
        if series is None:
            raise MissingInputError("no point with usable flux")
        faintest_njy = 10 ** (-0.4 * (self.max_mag_ab - AB_ZERO_POINT_NJY_MAG))
        bright = series[(series.flux_njy > faintest_njy) & (series.snr > self.min_snr)]
        if len(bright) < self.min_detections:
            return PhaseWindow(evaluation="fail:detections")
        return self._window(series, bright)

    def _window(self, series: Series, bright: Series) -> PhaseWindow:
        kept = bright[self._inliers(bright)]
        median_days = float(np.median(kept.days))
        duration_days = float(kept.days[-1] - kept.days[0])
        around = series[np.abs(series.days - median_days) < 2 * self.half_time_days]
        found: dict[str, Any] = {}
        middle = [median_days]
        if len(around):
            peak = around.brightest()
            middle.append(float(peak.days[0]))
            found = {"peak_mjd_tai": series.mjd_tai(middle[-1]), "peak_flux_njy": float(peak.flux_njy[0])}
        return PhaseWindow(
            evaluation=self._evaluation(series, duration_days, len(around)),
            remaining=len(around),
            start_mjd_tai=series.mjd_tai(min(middle) - self.half_time_days),
            end_mjd_tai=series.mjd_tai(max(middle) + self.half_time_days),
            median_mjd_tai=series.mjd_tai(median_days),
            masked_duration_days=duration_days,
            **found,
            **self._durations(around),
        )

    def _inliers(self, bright: Series) -> Flags:
        """Return the rows that are left when those far from the median time are taken away repeatedly."""
        is_kept = np.ones(len(bright), dtype=np.bool_)
        while is_kept.sum() >= self.min_detections:
            distance = np.abs(bright.days - np.median(bright.days[is_kept]))
            sigma_days = _SIGMA_PER_MAD * np.median(distance[is_kept])
            is_near = distance <= self.rejection_sigma * sigma_days
            if is_near.sum() >= is_kept.sum():
                break
            is_kept = is_near
        return is_kept

    def _evaluation(self, series: Series, duration_days: float, remaining: int) -> str:
        negative = [
            band
            for band, rows in series.by_band.items()
            if (rows.snr <= -self.min_negative_snr).mean() > self.max_negative_fraction
        ]
        if any(band.endswith(_SPURIOUS_BANDS) for band in negative):
            return "fail:negative_flux"
        if duration_days > 4 * self.half_time_days:
            return "fail:duration"
        if remaining < self.min_detections:
            return "fail:detections"
        return "warning:negative_flux_i" if any(b.endswith(_SUSPECT_BANDS) for b in negative) else "ok"

    def _durations(self, around: Series) -> dict[str, Any]:
        found: dict[str, Durations] = {}
        for band, rows in around.by_band.items():
            peak = rows.brightest()
            if peak.flux_njy[0] <= 0:
                continue
            since = rows.days - peak.days[0]
            # Next to a peak of next to nothing a negative flux is an infinite loss, as it should be.
            with np.errstate(over="ignore"):
                loss = 1 - rows.flux_njy / peak.flux_njy[0]
            for name, is_part in (("rise", since < 0), ("fall", since > 0)):
                for fraction in self.rise_fractions if is_part.any() else ():
                    days = np.abs(since[is_part])
                    low = days[loss[is_part] > fraction]
                    key = f"{name}_days" if len(low) else f"{name}_min_days"
                    value = float(low.min() if len(low) else days.max())
                    found.setdefault(key, {}).setdefault(band, {})[str(fraction)] = value
        return found

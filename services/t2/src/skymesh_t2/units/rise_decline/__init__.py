"""The shape of light curves: rise, peak and decline, by band and in colour."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from pydantic import Field, field_validator

from skymesh.lightcurve import Flags
from skymesh.units import Analyser, LightCurve, MissingInputError
from skymesh_t2.units.rise_decline.colours import near, spline_ratios
from skymesh_t2.units.rise_decline.decays import decay
from skymesh_t2.units.rise_decline.detections import Detections
from skymesh_t2.units.rise_decline.features import RiseDeclineFeatures
from skymesh_t2.units.rise_decline.numbers import Numbers, by_name, finite, means
from skymesh_t2.units.rise_decline.package import is_installed, package_features
from skymesh_t2.units.rise_decline.slopes import flux_evolution, peak_days, slopes
from skymesh_t2.units.rise_decline.splines import spline_peaks
from skymesh_t2.units.series import Series, series_of

__all__ = ["RiseDecline", "RiseDeclineFeatures"]

Positive = Annotated[float, Field(gt=0)]


class RiseDecline(Analyser):
    """Measure the shape of a light curve.

    AMPEL's T2TabulatorRiseDecline (t_cadence, significant_bands, sigma_det, sigma_slope, dt_fluxevo,
    color_list, max_tgap, min_expfit_det, max_ndet). `RiseDeclineFeatures` defines each number; times
    among them are relative, so that a classifier cannot learn when a survey looked. Limits that AMPEL
    sets on fluxes and slopes depend on its zero points; here no number is left out for the brightness
    of the source, and in place of λ = 0.1 for fluxes of any unit the spline's stiffness counts in units
    of the flux error.

    Attributes
    ----------
    cadence_days
        How often the survey comes back; what is half of it apart counts as simultaneous.
    significant_bands
        Bands deep enough to make detections.
    min_snr
        A row is significant if its flux differs from 0 by more than so many errors.
    min_slope_snr
        The same for the slopes of rise and fall.
    evolution_days
        How long after its highest flux a band is looked at again.
    colours
        Pairs of bands, the bluer first.
    max_gap_days
        Longer times without any row are gaps.
    min_exponential_points
        A band with more rows is fitted with exponential rise and fall, one with more than half of them
        with a single exponential.
    spline_smoothing_days3
        λ of the smoothing spline, for fluxes in units of their error.
    max_detections
        What follows the detection of this number is left out; None: nothing.
    package_features
        Whether to add features of the package light-curve, which ``skymesh[t2]`` brings.
    """

    version = "1"
    rtol = 1e-6

    cadence_days: Positive = 5.0
    significant_bands: tuple[str, ...] = ("lsstg", "lsstr", "lssti", "lsstz", "ztfg", "ztfr", "ztfi")
    min_snr: Annotated[float, Field(ge=0)] = 5.0
    min_slope_snr: Annotated[float, Field(ge=0)] = 3.0
    evolution_days: Positive = 20.0
    colours: tuple[tuple[str, str], ...] = (
        ("lsstu", "lsstg"),
        ("lsstg", "lsstr"),
        ("lsstr", "lssti"),
        ("lssti", "lsstz"),
        ("lsstz", "lssty"),
        ("ztfg", "ztfr"),
        ("ztfr", "ztfi"),
    )
    max_gap_days: Positive = 30.0
    min_exponential_points: Annotated[int, Field(ge=4)] = 4
    spline_smoothing_days3: Positive = 10.0
    max_detections: Annotated[int, Field(ge=1)] | None = None
    package_features: bool = False

    @field_validator("package_features")
    @classmethod
    def _must_be_installed(cls, value: bool) -> bool:  # noqa: FBT001  # the signature of pydantic's validators
        if value and not is_installed():
            raise ValueError("the package light-curve is not installed (pip install 'skymesh[t2]')")
        return value

    def run(self, curve: LightCurve) -> RiseDeclineFeatures:
        """Return the features.

        Raises
        ------
        MissingInputError
            If no row has a usable flux.
        """
        series = series_of(curve)
        if series is None:
            raise MissingInputError("no point with usable flux")
        # Fluxes may be as large as numbers get; what then is no number is left out.
        with np.errstate(all="ignore"):
            return RiseDeclineFeatures(**self._features(self._capped(series), curve.limits))

    def _features(self, series: Series, limits: LightCurve) -> dict[str, Any]:
        is_significant = self._is_significant(series)
        in_bands = np.isin(series.band, self.significant_bands)
        found: dict[str, Any] = {
            "detections": int((is_significant & in_bands).sum()),
            "points": len(series),
            "negative_points": int((is_significant & (series.flux_njy < 0)).sum()),
        }
        if not found["detections"]:
            return {**found, "stopped": "no significant detection"}
        detections = Detections(series, is_significant, self.significant_bands)
        found |= detections.features(limits, self.max_gap_days)
        window = self._window(series, detections)
        by_band: dict[str, Numbers] = {}
        if detections.begin_and_end_bright:
            by_band = self._by_band(window, detections.first_days)
            found |= by_band | spline_ratios(by_band, self.colours, self.evolution_days)
            found |= self._joint(series, detections, by_band)
        else:
            found["stopped"] = "the first or the last detection is fainter than the template"
        package = self._package(window)
        return {**found, "package": package, "means": self._means(by_band, package)}

    def _is_significant(self, series: Series) -> Flags:
        significant: Flags = np.abs(series.snr) > self.min_snr
        return significant

    def _capped(self, series: Series) -> Series:
        times = series.days[self._is_significant(series) & np.isin(series.band, self.significant_bands)]
        if self.max_detections is None or len(times) <= self.max_detections:
            return series
        return series[series.days <= times[self.max_detections - 1]]

    def _window(self, series: Series, detections: Detections) -> Series:
        is_late = series.days > detections.first_days - self.cadence_days
        return series[is_late & (series.days < detections.last_days + self.cadence_days)]

    def _by_band(self, window: Series, first_days: float) -> dict[str, Numbers]:
        brightest_njy = float(window.flux_njy.max())
        return by_name(
            (band, self._of_band(rows, first_days, brightest_njy)) for band, rows in window.by_band.items()
        )

    def _of_band(self, rows: Series, first_days: float, brightest_njy: float) -> Numbers:
        peak = peak_days(rows)
        return {
            "band_peak_mjd_tai": rows.mjd_tai(peak),
            "band_peak_days": peak - first_days,
            **slopes(rows),
            **decay(rows, cadence_days=self.cadence_days, min_points=self.min_exponential_points),
            **flux_evolution(rows, self.evolution_days, self.cadence_days),
            **spline_peaks(
                rows,
                since_days=first_days,
                step_days=self.cadence_days,
                smoothing_days3=self.spline_smoothing_days3,
                evolution_days=self.evolution_days,
                brightest_njy=brightest_njy,
            ),
        }

    def _joint(self, series: Series, detections: Detections, by_band: dict[str, Numbers]) -> dict[str, Any]:
        rise, fall = by_band.get("rise_slope_snr", {}), by_band.get("fall_slope_snr", {})
        is_rising = sum(rise.values()) > self.min_slope_snr
        is_falling = sum(fall.values()) < -self.min_slope_snr
        peaks = [by_band["band_peak_days"][band] for band in rise if band in fall]
        is_peaked = is_rising and is_falling and bool(peaks)
        found = {
            "is_rising": is_rising,
            "is_falling": is_falling,
            "is_peaked": is_peaked,
            **near("det", self._simultaneous(series, detections.first_days), self.colours),
            **near("last", self._simultaneous(series, detections.last_days), self.colours),
        }
        return found | self._peak(series, detections, float(np.median(peaks))) if is_peaked else found

    def _peak(self, series: Series, detections: Detections, t_rise_days: float) -> dict[str, Any]:
        peak_days = detections.first_days + t_rise_days
        t_fall_days = detections.last_days - peak_days
        return {
            "peak_mjd_tai": series.mjd_tai(peak_days),
            "t_rise_days": t_rise_days,
            "t_fall_days": t_fall_days,
            "is_fast_rise": abs(t_rise_days) < self.cadence_days,
            "is_fast_fall": abs(t_fall_days) < self.cadence_days,
            **near("peak", self._simultaneous(series, peak_days), self.colours),
        }

    def _simultaneous(self, series: Series, days: float) -> Series:
        return series.within(days, self.cadence_days / 2)

    def _package(self, window: Series) -> dict[str, Numbers]:
        if not self.package_features:
            return {}
        found = {band: finite(package_features(rows)) for band, rows in window.by_band.items()}
        return {band: numbers for band, numbers in found.items() if numbers}

    def _means(self, by_band: dict[str, Numbers], package: dict[str, Numbers]) -> dict[str, float]:
        return means({**by_band, **by_name(package.items())}, self.significant_bands)

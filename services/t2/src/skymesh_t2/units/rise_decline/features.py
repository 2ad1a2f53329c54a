"""What `RiseDecline` finds."""

from __future__ import annotations

from skymesh.units import Result

# ruff: noqa: RUF012  # msgspec gives each record an empty dict of its own

ByBand = dict[str, float]
SeriesByBand = dict[str, tuple[float, ...]]


class RiseDeclineFeatures(Result, frozen=True):
    """The shape of a light curve in numbers.

    Fields that end in ``_mjd_tai`` say when something was, to 1 ms, and are no features: all others
    stay the same if the whole light curve is moved in time. Dicts have an entry for each band, or each
    colour ``bluer-redder``, for which the number is defined. A detection is a row of a significant band
    whose flux differs from 0 by more than `RiseDecline.min_snr` errors, up or down. The window reaches
    from the first detection less the cadence to the last one and the cadence, ends excluded, all bands.

    Attributes
    ----------
    detections
        Their number.
    points
        Rows with usable flux, of any band and significance.
    negative_points
        Those among them that are significantly fainter than the template.
    stopped
        Why nothing below `has_gaps` but `package` and `means` was computed; empty if it was.
    positive_fraction
        Detections brighter than the template, of all.
    det_mjd_tai, last_mjd_tai, mag_min_mjd_tai
        Time of the first, the last and the brightest detection.
    t_lc_days
        From the first detection to the last.
    t_predetect_days
        From the last observation in a significant band to the first detection: a usable flux, or an
        upper limit deep enough to have shown that detection. None without.
    mag_det_ab, mag_last_ab, mag_min_ab
        Magnitude of the first, last and brightest detection; None where it is negative. Of detections
        at one time the brightest counts.
    band_det, band_last
        Their bands.
    is_pure
        No insignificant flux in a significant band between the first and the last detection.
    has_gaps
        Some rows in succession are further apart than `RiseDecline.max_gap_days`; None of one epoch.
    det_bands, last_bands, peak_bands
        Bands with usable flux within half a cadence of the first and last detection and the peak.
    band_peak_mjd_tai, band_peak_days
        Time of the highest flux; since the first detection, days.
    halfpeak_days
        From the first to the last row above half the highest flux, where there are more than two.
    rise_slope_njy_per_day, fall_slope_njy_per_day
        Slope of a line through the rows up to the highest flux, and from it on; error-weighted.
    rise_slope_snr, fall_slope_snr
        The same over its error.
    tau_rise_days, tau_fall_days
        Time scales of A exp(-(t-t0)/fall) / (1 + exp(-(t-t0)/rise)).
    tau_reduced_chi2, tau_dof
        Chi-squared per degree of freedom of this model, and the degrees.
    exp_rate_per_day
        Rate r of A exp(r t), where there are too few rows for the model above; positive = brightening.
    flux_evolution_ratio
        Mean flux `RiseDecline.evolution_days` after the highest flux, over it.
    spline_fluence_njy_days, spline_fluence_err_njy_days
        Integral of a smoothing spline and of the errors over its inner time span.
    spline_halfpeak_days, spline_halfpeak_points
        From the first to the last grid time at which the spline is above half its maximum; rows between.
    spline_peaks
        Number of peaks of the spline.
    spline_peak_days, spline_peak_flux_njy
        Each peak: days since the first detection; height.
    spline_offset_flux_njy, spline_offset_ratio
        The spline `RiseDecline.evolution_days` after each peak that has data so late; over the peak.
    spline_rise63_days, spline_fall63_days
        Time in which the spline rises to the first peak from 63 % of it, and falls from it to 63 %.
    spline_peak_gap_days, spline_valley_flux_njy
        Between neighbouring peaks: time, and the spline half-way.
    peak_ratio, offset_ratio
        By colour: ratio of the first peaks' heights, and of the spline after them (if within 0 to 10).
    ratio_evolution_per_day
        Their difference over `RiseDecline.evolution_days` (if below 10).
    is_rising, is_falling
        The slopes' significances of all bands add up to more than `RiseDecline.min_slope_snr`.
    is_peaked
        Both, and in some band both slopes are known.
    peak_mjd_tai
        Median of those bands' highest fluxes; None unless peaked. So are the four following.
    t_rise_days, t_fall_days
        From the first detection to the peak, and from there to the last.
    is_fast_rise, is_fast_fall
        These are shorter than the cadence.
    colour_det_mag, colour_last_mag, colour_peak_mag
        By colour: magnitude difference of the mean fluxes within half a cadence of the first and last
        detection and the peak.
    package
        band → feature of the package light-curve → value, of the fluxes in the window.
    means
        Every number by band, averaged over the significant bands.
    """

    detections: int
    points: int
    negative_points: int
    stopped: str = ""
    positive_fraction: float | None = None
    det_mjd_tai: float | None = None
    last_mjd_tai: float | None = None
    mag_min_mjd_tai: float | None = None
    t_lc_days: float | None = None
    t_predetect_days: float | None = None
    mag_det_ab: float | None = None
    mag_last_ab: float | None = None
    mag_min_ab: float | None = None
    band_det: str | None = None
    band_last: str | None = None
    is_pure: bool | None = None
    has_gaps: bool | None = None

    det_bands: tuple[str, ...] = ()
    last_bands: tuple[str, ...] = ()
    peak_bands: tuple[str, ...] = ()
    band_peak_mjd_tai: ByBand = {}
    band_peak_days: ByBand = {}
    halfpeak_days: ByBand = {}
    rise_slope_njy_per_day: ByBand = {}
    rise_slope_snr: ByBand = {}
    fall_slope_njy_per_day: ByBand = {}
    fall_slope_snr: ByBand = {}
    tau_rise_days: ByBand = {}
    tau_fall_days: ByBand = {}
    tau_reduced_chi2: ByBand = {}
    tau_dof: dict[str, int] = {}
    exp_rate_per_day: ByBand = {}
    flux_evolution_ratio: ByBand = {}

    spline_fluence_njy_days: ByBand = {}
    spline_fluence_err_njy_days: ByBand = {}
    spline_halfpeak_days: ByBand = {}
    spline_halfpeak_points: dict[str, int] = {}
    spline_peaks: dict[str, int] = {}
    spline_peak_days: SeriesByBand = {}
    spline_peak_flux_njy: SeriesByBand = {}
    spline_offset_flux_njy: SeriesByBand = {}
    spline_offset_ratio: SeriesByBand = {}
    spline_rise63_days: ByBand = {}
    spline_fall63_days: ByBand = {}
    spline_peak_gap_days: SeriesByBand = {}
    spline_valley_flux_njy: SeriesByBand = {}
    peak_ratio: ByBand = {}
    offset_ratio: ByBand = {}
    ratio_evolution_per_day: ByBand = {}

    is_rising: bool | None = None
    is_falling: bool | None = None
    is_peaked: bool | None = None
    peak_mjd_tai: float | None = None
    t_rise_days: float | None = None
    t_fall_days: float | None = None
    is_fast_rise: bool | None = None
    is_fast_fall: bool | None = None
    colour_det_mag: ByBand = {}
    colour_last_mag: ByBand = {}
    colour_peak_mag: ByBand = {}

    package: dict[str, ByBand] = {}
    means: ByBand = {}

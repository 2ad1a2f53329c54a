"""The general filter for likely extragalactic transients among Rubin's alerts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np
from pydantic import BeforeValidator

from skymesh.catalogue import Catalogue
from skymesh.units import AlertTable, AlertView, Sieve, Verdicts, values_at
from skymesh_t0.units.decent_cuts import Count, Latitude, Score
from skymesh_t0.units.gaia_veto import GaiaVeto
from skymesh_t0.units.galactic import galactic_latitude_deg
from skymesh_t0.units.infant_cuts import Days
from skymesh_t0.units.rubin_flags import flag_names

Flags = Annotated[tuple[str, ...] | None, BeforeValidator(flag_names)]


class Look(NamedTuple):
    """A detection that counts: its time, MJD (TAI), and its band."""

    mjd_tai: float
    band: str | None


class DecentVroFilter(GaiaVeto):
    """Keep likely extragalactic transients of Rubin: real, not too short, off the Milky Way, no stars.

    The cuts are made in the order of this list, each inclusive of its limit; the star test of `GaiaVeto`
    comes last. Alerts without a diaObject, those of the solar system among them, are rejected before.
    (AMPEL's DecentVroFilter. AMPEL thins the detections by min_ndet_cadence before it asks which of them
    count, so that a bad one may hide a good one; here only good ones are thinned.)

    Attributes
    ----------
    min_reliability
        Score that the triggering source is astrophysical, 0 to 1, at least; above 0 it must be there.
    check_flags
        Flags none of which the triggering source may carry: names of Rubin's schema, or ``all``.
    count_only_positive
        The triggering source must be positive, and only positive detections count.
    min_ndet_snr, min_reliability_per_source, check_flags_per_source
        A detection counts if its signal-to-noise ratio and its score are as high, or higher, and it
        carries none of the flags.
    min_ndet_cadence
        Days; a detection counts if it is as long, or longer, after the last one that counts.
    min_ndet, max_ndet
        Detections that count, the triggering one included.
    min_n_filters
        Bands among them, at least.
    min_tspan, max_tspan
        Days from the first visible detection to the last, whether they count or not.
    min_visit_sep
        Days from another detection in the same band to the triggering one, at least; 0: no cut.
    min_abs_gal_lat
        Absolute galactic latitude, degrees, at least; negative: no cut.
    """

    version = "1"
    survey: ClassVar[str] = "lsst"

    min_ndet: Count
    max_ndet: Count | None = None
    min_ndet_cadence: Days | None = None
    min_ndet_snr: float | None = None
    count_only_positive: bool = False
    min_tspan: float
    max_tspan: float
    min_n_filters: Count | None = None
    min_visit_sep: Days = 0.0
    min_reliability: Score = 0.0
    min_reliability_per_source: Score = 0.0
    check_flags: Flags = None
    check_flags_per_source: Flags = None
    min_abs_gal_lat: Latitude
    gaia_pm_signif: float = 3.0
    gaia_plx_signif: float = 3.0
    gaia_veto_gmag_min: float = 9.0
    gaia_veto_gmag_max: float = 20.0
    gaia_excessnoise_sig_max: float = 999.0

    def problems(self, given: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
        """Yield what no alert can meet, and a catalogue that is missing."""
        yield from super().problems(given)
        if self.min_tspan > self.max_tspan:
            yield "min_tspan > max_tspan rejects every alert"
        if self.max_ndet is not None and self.min_ndet > self.max_ndet:
            yield "min_ndet > max_ndet rejects every alert"

    def accept_table(self, table: AlertTable, gaia: Catalogue | None = None) -> Verdicts:
        """Judge a batch of alerts, in order; `gaia` is needed if `gaia_rs` is above 0.

        Raises
        ------
        MissingInputError
            If it is needed and not there.
        """
        sieve = Sieve(table, self.survey)
        self._cut_trigger(sieve)
        self._cut_counted(sieve)
        self._cut_times(sieve)
        if self.min_abs_gal_lat >= 0:
            latitude = np.abs(galactic_latitude_deg(sieve.column("ra"), sieve.column("dec")))
            sieve.at_least("min_abs_gal_lat", latitude, self.min_abs_gal_lat)
        self.cut_stars(sieve, gaia)
        return sieve.verdicts()

    def _cut_trigger(self, sieve: Sieve) -> None:
        """Cut on the triggering source itself."""
        has_object = [alert.stock.startswith("lsst:") for alert in sieve.table]
        sieve.keep("diaObjectId", np.array(has_object, dtype=bool), "absent")
        if self.min_reliability > 0:
            sieve.at_least("min_reliability", sieve.single("reliability"), self.min_reliability)
        if self.check_flags:
            carried = [" ".join(filter(alert.value, self.check_flags)) for alert in sieve.table]
            sieve.keep("check_flags", np.array([not flags for flags in carried], dtype=bool), carried)
        if self.count_only_positive:
            sieve.keep("count_only_positive", sieve.column("isNegative") != 1, "isNegative = true")

    def _cut_counted(self, sieve: Sieve) -> None:
        """Cut on the number of detections that count, and of their bands."""
        counted = [self._counted(alert) for alert in sieve.table]
        counts = np.array([len(looks) for looks in counted], dtype=float)
        bands = np.array([len({look.band for look in looks} - {None}) for looks in counted], dtype=float)
        passes = sieve.at_least("min_ndet", counts, self.min_ndet)
        counts, bands = counts[passes], bands[passes]
        if self.max_ndet is not None:
            bands = bands[sieve.at_most("max_ndet", counts, self.max_ndet)]
        if self.min_n_filters is not None:
            sieve.at_least("min_n_filters", bands, self.min_n_filters)

    def _counted(self, alert: AlertView) -> list[Look]:
        """Return the detections that count, in order of time."""
        points = alert.detections
        if self._asks_sources:
            names = ("band", "snr", "reliability", "isNegative", *(self.check_flags_per_source or ()))
            rows = zip(points, values_at(points, names), strict=True)
            looks = [Look(point.mjd_tai, band) for point, (band, *row) in rows if self._counts(*row)]
        else:
            looks = [Look(point.mjd_tai, None) for point in points]
        looks.sort(key=lambda look: look.mjd_tai)
        return looks if self.min_ndet_cadence is None else thinned(looks, self.min_ndet_cadence)

    @property
    def _asks_sources(self) -> bool:
        """Whether the values of past detections, which cost time to decode, say which of them count."""
        asked = (self.min_ndet_snr, self.min_n_filters, self.check_flags_per_source)
        is_asked = any(each is not None for each in asked)
        return is_asked or self.count_only_positive or self.min_reliability_per_source > 0

    def _counts(self, snr: float | None, reliability: float | None, *flags: bool | None) -> bool:
        """Return whether a detection counts; a score that is asked for must be there."""
        is_negative, *others = flags
        return (
            (self.min_ndet_snr is None or _is_at_least(snr, self.min_ndet_snr))
            and (
                self.min_reliability_per_source == 0
                or _is_at_least(reliability, self.min_reliability_per_source)
            )
            and not (self.count_only_positive and is_negative)
            and not any(others)
        )

    def _cut_times(self, sieve: Sieve) -> None:
        """Cut on how long the object was detected, and on how lately in the same band."""
        days = sieve.table.detection_spans_days()
        days = days[sieve.at_least("min_tspan", days, self.min_tspan)]
        sieve.at_most("max_tspan", days, self.max_tspan)
        if self.min_visit_sep > 0:
            days = np.array([self._visit_sep_days(alert) for alert in sieve.table], dtype=float)
            sieve.keep("min_visit_sep", np.isnan(days), days)

    def _visit_sep_days(self, alert: AlertView) -> float:
        """Return the days to the nearest detection in the same band, if they are too few; else NaN."""
        trigger, *others = alert.detections
        gaps = [(abs(trigger.mjd_tai - point.mjd_tai), point) for point in others]
        near = [(days, point) for days, point in gaps if days < self.min_visit_sep]
        bands = values_at([point for _, point in near], ("band",))
        same = [days for (days, _), (band,) in zip(near, bands, strict=True) if band == alert.value("band")]
        return min(same, default=np.nan)


def thinned(looks: Sequence[Look], cadence_days: float) -> list[Look]:
    """Return the first look, and each that comes so long, or longer, after the last one returned.

    Parameters
    ----------
    looks
        In order of time.
    cadence_days
        The least time between two of them.
    """
    kept: list[Look] = []
    for look in looks:
        if not kept or look.mjd_tai - kept[-1].mjd_tai >= cadence_days:
            kept.append(look)
    return kept


def _is_at_least(value: float | None, low: float) -> bool:
    # Rubin writes single precision; NumPy then compares in it.
    return value is not None and bool(np.float32(value) >= low)

"""Objects that fade fast between their two newest points in a band."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from skymesh.units import Analyser, LightCurve, Result


class FastDecline(Result, frozen=True):
    """How fast an object fades.

    Attributes
    ----------
    fast
        Whether any band fades faster than the limit.
    rate_mag_per_day
        By band; positive = fading; only bands whose newest two points have a usable gap.
    gap_days
        By band: time between the two points.
    fastest_mag_per_day
        The highest rate; None if there is none.
    """

    fast: bool
    rate_mag_per_day: dict[str, float]
    gap_days: dict[str, float]
    fastest_mag_per_day: float | None


class FastDecliner(Analyser):
    """Find fast decliners: in each band, the slope between the two newest detections.

    A band counts if the gap lies strictly between `min_gap_days` and `max_gap_days`. Detections
    fainter than the template have no magnitude and do not count; forced photometry counts where it is
    significant. (AMPEL's T2FastDecliner with min_declinerate, min_trange and max_trange.)

    Attributes
    ----------
    min_rate_mag_per_day
        An object is fast if it fades by more than this.
    min_gap_days, max_gap_days
        Limits of the time between the two points.
    min_snr
        A row is a detection if its flux is so many errors at least.
    """

    version = "1"

    min_rate_mag_per_day: float = 0.1
    min_gap_days: Annotated[float, Field(ge=0)] = 0.1
    max_gap_days: Annotated[float, Field(gt=0)] = 2.0
    min_snr: Annotated[float, Field(ge=0)] = 3.0

    def run(self, curve: LightCurve) -> FastDecline:
        """Return rates and gaps by band."""
        rates, gaps = {}, {}
        seen = curve.significant(self.min_snr)
        mags = seen.mag_ab
        for band in seen.bands:
            rows = [row for row in range(len(seen)) if seen.band[row] == band and mags[row] == mags[row]]
            if len(rows) < 2:
                continue
            older, newer = rows[-2:]
            gap = float(seen.mjd_tai[newer] - seen.mjd_tai[older])
            if self.min_gap_days < gap < self.max_gap_days:
                rates[band] = float(mags[newer] - mags[older]) / gap
                gaps[band] = gap
        fastest = max(rates.values(), default=None)
        is_fast = fastest is not None and fastest > self.min_rate_mag_per_day
        return FastDecline(fast=is_fast, rate_mag_per_day=rates, gap_days=gaps, fastest_mag_per_day=fastest)

"""The numbers by which one knows a light curve at a glance."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from skymesh.lightcurve import mag_of_flux
from skymesh.units import Analyser, DataPoints, LightCurve, MissingInputError, Result


class Summary(Result, frozen=True):
    """A light curve at a glance.

    Attributes
    ----------
    detections
        Number of rows with significant flux, up or down.
    negative
        Those among them fainter than the template.
    bands
        Bands of these rows.
    ra_deg, dec_deg
        Mean position of the detections, ICRS.
    first_mjd_tai, last_mjd_tai
        Time of the first and last of these rows.
    newest_mag_ab, newest_band
        The last of them; the magnitude is None where it is fainter than the template.
    brightest_mag_ab
        The brightest of them; None if none is brighter than the template.
    newest_rb, newest_distnr_arcsec
        ZTF's real-bogus score and distance to the nearest reference source, of the newest detection;
        None where the survey has none.
    last_limit_mjd_tai, last_limit_mag_ab, last_limit_band
        The last significant upper limit before the first detection; None without.
    """

    detections: int
    negative: int
    bands: tuple[str, ...]
    ra_deg: float
    dec_deg: float
    first_mjd_tai: float
    last_mjd_tai: float
    newest_mag_ab: float | None
    newest_band: str
    brightest_mag_ab: float | None
    newest_rb: float | None
    newest_distnr_arcsec: float | None
    last_limit_mjd_tai: float | None
    last_limit_mag_ab: float | None
    last_limit_band: str | None


class LightCurveSummary(Analyser):
    """Summarise a light curve.

    AMPEL's T2LightCurveSummary. Values that only an alert's triggering record has (drb, sgscore1,
    distpsnr1) are not part of a state and so not of its summary.

    Attributes
    ----------
    min_limit_mag_ab
        An upper limit is significant if it is deeper than this.
    min_snr
        A row is significant if its flux, up or down, is so many errors at least; forced photometry has
        others as well.
    """

    version = "1"

    min_limit_mag_ab: float = 19.5
    min_snr: Annotated[float, Field(ge=0)] = 3.0

    def run(self, curve: LightCurve, points: DataPoints) -> Summary:
        """Return the summary.

        Raises
        ------
        MissingInputError
            If no row has a significant flux.
        """
        seen = curve.significant(self.min_snr)
        if len(seen) == 0:
            raise MissingInputError("no point with significant flux")
        mags = seen.mag_ab
        ra_deg, dec_deg = points.mean_position_deg()
        newest = points.values(points.detections.points[-1]) if len(points.detections) else {}
        limit_mjd, limit_mag, limit_band = self._last_limit(curve, float(seen.mjd_tai[0]))
        return Summary(
            detections=len(seen),
            negative=int((seen.flux_njy < 0).sum()),
            bands=seen.bands,
            ra_deg=ra_deg,
            dec_deg=dec_deg,
            first_mjd_tai=float(seen.mjd_tai[0]),
            last_mjd_tai=float(seen.mjd_tai[-1]),
            newest_mag_ab=_number(mags[-1]),
            newest_band=str(seen.band[-1]),
            brightest_mag_ab=_number(np.nanmin(mags)) if np.isfinite(mags).any() else None,
            newest_rb=newest.get("rb"),
            newest_distnr_arcsec=newest.get("distnr"),
            last_limit_mjd_tai=limit_mjd,
            last_limit_mag_ab=limit_mag,
            last_limit_band=limit_band,
        )

    def _last_limit(
        self, curve: LightCurve, before_mjd_tai: float
    ) -> tuple[float | None, float | None, str | None]:
        limits = curve.limits
        mags = mag_of_flux(limits.limit_njy)
        rows = np.flatnonzero((limits.mjd_tai < before_mjd_tai) & (mags > self.min_limit_mag_ab))
        if len(rows) == 0:
            return None, None, None
        row = rows[-1]
        return float(limits.mjd_tai[row]), float(mags[row]), str(limits.band[row])


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None

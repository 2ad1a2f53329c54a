"""How an object looked when it was last detected."""

from __future__ import annotations

import math

from skymesh.lightcurve import LightCurve, mag_err_of_flux, mag_of_flux
from skymesh.model.point import DETECTION, DataPoint
from skymesh.surveys import registry
from skymesh.units.inputs import DataPoints
from skymesh.units.reaction import Sighting


def sighting_of(points: DataPoints, curve: LightCurve) -> Sighting | None:
    """Return where an object is, and how it looked when it was last detected.

    Forced photometry may stand in the light curve in place of a detection: which detection is the newest
    one is said by the points, and how bright it was by the curve's row of that exposure, of whatever kind.
    Where the curve has no usable one, it is the survey's own photometry of the detection.

    Parameters
    ----------
    points
        The points of a state, in order of time.
    curve
        The light curve that was made of them.

    Returns
    -------
    Sighting | None
        None without a detection that has a position and a usable flux.
    """
    ra_deg, dec_deg = points.mean_position_deg()
    if math.isnan(ra_deg):
        return None
    for point in reversed(points.detections.points):
        band, flux_njy, err_njy = _flux(point, curve.good)
        if math.isfinite(flux_njy):
            return Sighting(
                survey=point.survey,
                ra_deg=ra_deg,
                dec_deg=dec_deg,
                mjd_tai=point.mjd_tai,
                time_of=registry.get(point.survey).time_of,
                band=band,
                flux_njy=flux_njy,
                flux_err_njy=err_njy,
                mag_ab=_number(float(mag_of_flux(flux_njy))),
                mag_err_ab=_number(float(mag_err_of_flux(flux_njy, err_njy))),
            )
    return None


def _flux(point: DataPoint, good: LightCurve) -> tuple[str, float, float]:
    """Return the band of a detection, and its flux and error in nJy; NaN without a usable one."""
    own = registry.get(point.survey).photometry([point])
    rows = good[(good.mjd_tai == point.mjd_tai) & (good.band == own.band[0])]
    if len(rows) == 0:
        return own.band[0], float(own.flux_njy[0]), float(own.flux_err_njy[0])
    # At one time two readout channels may each have a row; the detection's own is the better one.
    row = int((rows.kind == DETECTION).argmax())
    return own.band[0], float(rows.flux_njy[row]), float(rows.flux_err_njy[row])


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None

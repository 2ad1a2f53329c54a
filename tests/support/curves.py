"""Light curves by hand, for tests of analysers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skymesh.lightcurve import AB_ZERO_POINT_NJY_MAG, LightCurve

Row = tuple[float, str, float | None]
MJD = 59500.0


def njy(mag_ab: float) -> float:
    """Return the flux of an AB magnitude."""
    return float(10 ** (-0.4 * (mag_ab - AB_ZERO_POINT_NJY_MAG)))


def curve(rows: Sequence[Row], limits: Sequence[tuple[float, str, float]] = ()) -> LightCurve:
    """Return a curve of (days, band, magnitude) and upper limits of (days, band, depth), in order of time.

    A negative magnitude -m is a flux of magnitude m fainter than the template; None is masked.
    """
    every = [(day, band, mag, "detection") for day, band, mag in rows]
    every += [(day, band, mag, "limit") for day, band, mag in limits]
    every.sort(key=lambda row: row[0])
    size = len(every)
    flux, depth = np.full(size, np.nan), np.full(size, np.nan)
    for index, (_, _, mag, kind) in enumerate(every):
        if kind == "limit":
            depth[index] = njy(mag)
        elif mag is not None:
            flux[index] = np.sign(mag) * njy(abs(mag))
    return LightCurve(
        mjd_tai=np.array([MJD + row[0] for row in every]),
        time_of=np.full(size, "start"),
        flux_njy=flux,
        flux_err_njy=np.abs(flux) * 0.05,
        limit_njy=depth,
        reference_njy=np.full(size, np.nan),
        band=np.array([row[1] for row in every], dtype=np.str_),
        kind=np.array([row[3] for row in every], dtype=np.str_),
    )

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


FluxRow = tuple[float, str, float, float]


def flux_curve(rows: Sequence[FluxRow], limits: Sequence[tuple[float, str, float]] = ()) -> LightCurve:
    """Return a curve of (days, band, flux, error) and upper limits of (days, band, depth), all in nJy.

    Rows are put in order of time; a flux without positive error is masked, as a survey's photometry does.
    """
    every = [(day, band, flux, err, np.nan, "forced") for day, band, flux, err in rows]
    every += [(day, band, np.nan, np.nan, depth, "limit") for day, band, depth in limits]
    every.sort(key=lambda row: row[0])
    flux, err = np.array([row[2] for row in every]), np.array([row[3] for row in every])
    is_usable = np.isfinite(flux) & (err > 0)
    return LightCurve(
        mjd_tai=np.array([MJD + row[0] for row in every]),
        time_of=np.full(len(every), "middle"),
        flux_njy=np.where(is_usable, flux, np.nan),
        flux_err_njy=np.where(is_usable, err, np.nan),
        limit_njy=np.array([row[4] for row in every]),
        reference_njy=np.full(len(every), np.nan),
        band=np.array([row[1] for row in every], dtype=np.str_),
        kind=np.array([row[5] for row in every], dtype=np.str_),
    )


def bump(
    days: Sequence[float], band: str, height: float = 1e4, peak: float = 20.0, err: float = 200.0
) -> list[FluxRow]:
    """Return rows of a source that brightens and fades again around the day `peak`, without noise."""
    return [(day, band, height * float(np.exp(-(((day - peak) / 12) ** 2))), err) for day in days]

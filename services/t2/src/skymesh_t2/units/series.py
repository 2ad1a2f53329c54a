"""The usable rows of a light curve, with times counted from the first of them."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from skymesh.lightcurve import Flags, Floats, LightCurve, Texts

_TIME_DECIMALS = 8
# Beyond it a number is no date: its days could not be told apart.
_MJD_MAX = 1e7
# Beyond it, or below its inverse, a number is no flux: its square could not be computed with.
_FLUX_MAX_NJY = 1e100


@dataclass(frozen=True, eq=False)
class Series:
    """Usable fluxes in one order, whatever order rows of equal time came in.

    Times are days since an origin, rounded to 1e-8 d (1 ms). A shift of all times moves the origin and
    leaves everything else the same, although an MJD has an absolute grid of 1e-11 d: windows are cut at
    the same rows, and fits begin at the same numbers.

    Attributes
    ----------
    origin_mjd_tai
        Time of the first row, MJD, TAI.
    days
        Times since then, ascending; shape ``(n_rows,)`` like the following.
    flux_njy, flux_err_njy
        Difference flux and its 1-sigma error, nJy; the error is positive.
    band
        Names such as ``ztfg``.
    """

    origin_mjd_tai: float
    days: Floats
    flux_njy: Floats
    flux_err_njy: Floats
    band: Texts

    def __len__(self) -> int:
        return len(self.days)

    def __getitem__(self, rows: Flags | NDArray[np.intp] | slice) -> Series:
        """Return some rows; the origin stays."""
        arrays = {field.name: getattr(self, field.name)[rows] for field in fields(self)[1:]}
        return replace(self, **arrays)

    @property
    def snr(self) -> Floats:
        """Flux over error, signed."""
        snr: Floats = self.flux_njy / self.flux_err_njy
        return snr

    @cached_property
    def by_band(self) -> dict[str, Series]:
        """The rows of each band, by its name, in alphabetical order."""
        return {str(band): self[self.band == band] for band in np.unique(self.band)}

    def mjd_tai(self, days: float) -> float:
        """Return a time since the origin as MJD, TAI."""
        return self.origin_mjd_tai + days

    def days_of(self, mjd_tai: Floats) -> Floats:
        """Return times, MJD, TAI, as days since the origin."""
        return _days(mjd_tai, self.origin_mjd_tai)

    def row(self, index: int) -> Series:
        """Return one row."""
        return self[slice(index, index + 1)]

    def brightest(self) -> Series:
        """Return the row of the highest flux, the first such if there are several."""
        return self.row(int(np.argmax(self.flux_njy)))

    def within(self, center_days: float, half_width_days: float) -> Series:
        """Return the rows at most `half_width_days` from a time."""
        return self[np.abs(self.days - center_days) <= half_width_days]

    def joined(self) -> Series:
        """Return one row per time, the inverse-variance mean of its fluxes; of one band's rows."""
        times, place = np.unique(self.days, return_inverse=True)
        if len(times) == len(self):
            return self
        weight = self.flux_err_njy**-2
        total = np.bincount(place, weight)
        flux = np.bincount(place, weight * self.flux_njy) / total
        return Series(self.origin_mjd_tai, times, flux, 1 / np.sqrt(total), self.band[: len(times)])


def series_of(curve: LightCurve) -> Series | None:
    """Return the usable rows of a light curve; None without any."""
    is_flux = np.abs(curve.flux_njy) < _FLUX_MAX_NJY
    is_error = (curve.flux_err_njy > 1 / _FLUX_MAX_NJY) & (curve.flux_err_njy < _FLUX_MAX_NJY)
    good = curve[is_flux & is_error & (np.abs(curve.mjd_tai) < _MJD_MAX)]
    if len(good) == 0:
        return None
    origin = float(good.mjd_tai.min())
    days = _days(good.mjd_tai, origin)
    order = np.lexsort((good.flux_err_njy, good.flux_njy, good.band, days))
    return Series(origin, days[order], good.flux_njy[order], good.flux_err_njy[order], good.band[order])


def _days(mjd_tai: Floats, origin_mjd_tai: float) -> Floats:
    days: Floats = np.round(mjd_tai - origin_mjd_tai, _TIME_DECIMALS)
    return days

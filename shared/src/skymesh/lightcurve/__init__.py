"""Light curves: what analyses of brightness see, whatever the survey."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Texts = NDArray[np.str_]
Flags = NDArray[np.bool_]

AB_ZERO_POINT_NJY_MAG = 31.4
"""The AB magnitude of 1 nJy (3631 Jy is AB magnitude 0)."""


@dataclass(frozen=True, eq=False)
class LightCurve:
    """The photometry of one state, in order of time.

    All arrays have the shape ``(n_rows,)``. A row without usable flux (an upper limit, bad
    photometry) is masked: it is context, never a datum.

    Attributes
    ----------
    mjd_tai
        Time of observation, MJD, TAI.
    time_of
        Which moment of the exposure that is: ``start`` or ``middle``.
    flux_njy
        Difference flux, AB, nJy; positive = brighter than the template; NaN where masked.
    flux_err_njy
        Its 1-sigma error, nJy; NaN where masked.
    limit_njy
        5-sigma depth of the exposure, nJy; NaN where unknown.
    reference_njy
        Flux of the template's nearest source, nJy; NaN where unknown.
    band
        Names such as ``ztfg``.
    kind
        ``detection``, ``limit`` or ``forced``.
    """

    mjd_tai: Floats
    time_of: Texts
    flux_njy: Floats
    flux_err_njy: Floats
    limit_njy: Floats
    reference_njy: Floats
    band: Texts
    kind: Texts

    def __len__(self) -> int:
        return len(self.mjd_tai)

    def __getitem__(self, rows: Flags | NDArray[np.intp] | slice) -> LightCurve:
        """Return the curve of some rows."""
        return replace(self, **{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    @cached_property
    def is_good(self) -> Flags:
        """Rows with a flux that may be used, shape ``(n_rows,)``."""
        good: Flags = np.isfinite(self.flux_njy)
        return good

    @cached_property
    def good(self) -> LightCurve:
        """The rows with usable flux."""
        return self[self.is_good]

    def significant(self, min_snr: float) -> LightCurve:
        """Return the rows whose flux, up or down, is `min_snr` errors at least.

        Forced photometry measures whether or not there is something: most of its rows may be noise.
        """
        return self[np.abs(self.flux_njy) >= min_snr * self.flux_err_njy]

    @cached_property
    def limits(self) -> LightCurve:
        """The upper limits: rows of known depth that hold no measurement."""
        return self[(self.kind == "limit") & np.isfinite(self.limit_njy)]

    @cached_property
    def bands(self) -> tuple[str, ...]:
        """The bands with usable flux, sorted."""
        return tuple(sorted({str(band) for band in self.band[self.is_good]}))

    def in_band(self, band: str) -> LightCurve:
        """Return the rows of one band."""
        return self[self.band == band]

    @property
    def mag_ab(self) -> Floats:
        """AB magnitude of the difference flux; NaN where it is not positive."""
        return mag_of_flux(self.flux_njy)

    @property
    def mag_err_ab(self) -> Floats:
        """1-sigma error of `mag_ab`, to first order."""
        return mag_err_of_flux(self.flux_njy, self.flux_err_njy)


def mag_of_flux(flux_njy: Any) -> Floats:
    """Return the AB magnitude of fluxes in nJy; NaN where they are not positive."""
    flux = np.asarray(flux_njy, dtype=float)
    mag: Floats = AB_ZERO_POINT_NJY_MAG - 2.5 * np.log10(np.where(flux > 0, flux, np.nan))
    return mag


def mag_err_of_flux(flux_njy: Any, flux_err_njy: Any) -> Floats:
    """Return the 1-sigma errors of `mag_of_flux`, to first order; NaN where fluxes are not positive."""
    flux = np.asarray(flux_njy, dtype=float)
    err: Floats = 2.5 / np.log(10) * np.asarray(flux_err_njy, dtype=float) / np.where(flux > 0, flux, np.nan)
    return err

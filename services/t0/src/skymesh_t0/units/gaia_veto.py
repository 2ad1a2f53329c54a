"""Stars, told by their motion or parallax in the Gaia catalogue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from skymesh.catalogue import Catalogue, Matches
from skymesh.errors import MissingInputError
from skymesh.units import Sieve, TableFilter


class GaiaColumns(BaseModel):
    """What the columns of the Gaia catalogue are called; the defaults are those of catsHTM's GAIADR2.

    Attributes
    ----------
    mag_g
        G magnitude.
    pm_ra, pm_ra_err, pm_dec, pm_dec_err
        Proper motion and its error, both in the same unit.
    parallax, parallax_err
        Parallax and its error, both in the same unit.
    excess_noise_sig
        Significance of the astrometric excess noise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mag_g: str = "Mag_G"
    pm_ra: str = "PMRA"
    pm_ra_err: str = "ErrPMRA"
    pm_dec: str = "PMDec"
    pm_dec_err: str = "ErrPMDec"
    parallax: str = "Plx"
    parallax_err: str = "ErrPlx"
    excess_noise_sig: str = "ExcessNoiseSig"


class GaiaVeto(TableFilter):
    """Parameters of filters that reject the stars of Gaia, under AMPEL's names.

    A source is a star if it is near, 1.8" + 0.6" exp((20 - G) / 2.05) > separation, with G between the
    limits (inclusive); clean, with less excess noise than the limit; and if its motion in right
    ascension or declination, or its parallax, is significant. A source whose G or excess noise is absent
    is no star. (Source of the formula: AMPEL's DecentFilter.)

    Attributes
    ----------
    gaia_rs
        Radius of the search, arcsec; 0 or negative: no search, and no catalogue is needed.
    gaia_pm_signif, gaia_plx_signif
        Proper motion and parallax over their errors, above which they are significant.
    gaia_veto_gmag_min, gaia_veto_gmag_max
        Range of G, mag.
    gaia_excessnoise_sig_max
        Significance of the excess noise from which on the astrometry is not trusted.
    gaia_columns
        Names of the catalogue's columns; see `GaiaColumns`.
    """

    gaia_rs: float
    gaia_pm_signif: float
    gaia_plx_signif: float
    gaia_veto_gmag_min: float
    gaia_veto_gmag_max: float
    gaia_excessnoise_sig_max: float
    gaia_columns: GaiaColumns = GaiaColumns()

    def problems(self, given: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
        """Yield that the catalogue, or columns of it, are missing, if the search is on."""
        yield from super().problems(given)
        if self.gaia_rs > 0 and "gaia" not in given:
            yield _NEEDS_CATALOGUE
        elif self.gaia_rs > 0:
            ((name, gaia),) = given["gaia"].items()
            for column in gaia.lacking(self.gaia_columns.model_dump().values()):
                yield f"the catalogue {name} has no numbers {column!r}; see gaia_columns"

    def cut_stars(self, sieve: Sieve, gaia: Catalogue | None) -> None:
        """Reject what lies on a star; the reason holds the distance of the nearest such star, arcsec.

        Raises
        ------
        MissingInputError
            If the search is on and there is no catalogue.
        """
        if self.gaia_rs <= 0:
            return
        if gaia is None:
            raise MissingInputError(_NEEDS_CATALOGUE)
        ra_deg, dec_deg = sieve.column("ra"), sieve.column("dec")
        columns = tuple(self.gaia_columns.model_dump().values())
        found = gaia.cone_search(ra_deg, dec_deg, self.gaia_rs, columns=columns)
        is_star = self._are_stars(found)
        nearest_arcsec = np.full(len(sieve.table), np.nan)
        np.fmin.at(nearest_arcsec, found.position[is_star], found.separation_arcsec[is_star])
        sieve.keep("gaia_rs", np.isnan(nearest_arcsec), nearest_arcsec)

    def _are_stars(self, found: Matches) -> NDArray[np.bool_]:
        """Return which sources are near, clean, and move or have a parallax."""
        value = {
            quantity: np.asarray(found.values[column], dtype=float)
            for quantity, column in self.gaia_columns.model_dump().items()
        }
        mag_g = value["mag_g"]
        with np.errstate(over="ignore"):
            is_near = 1.8 + 0.6 * np.exp((20 - mag_g) / 2.05) > found.separation_arcsec
        is_in_range = (mag_g >= self.gaia_veto_gmag_min) & (mag_g <= self.gaia_veto_gmag_max)
        is_clean = value["excess_noise_sig"] < self.gaia_excessnoise_sig_max
        is_significant = (
            _is_significant(value, "pm_ra", self.gaia_pm_signif)
            | _is_significant(value, "pm_dec", self.gaia_pm_signif)
            | _is_significant(value, "parallax", self.gaia_plx_signif)
        )
        are_stars: NDArray[np.bool_] = is_near & is_in_range & is_clean & is_significant
        return are_stars


_NEEDS_CATALOGUE = (
    "gaia_rs > 0 needs a catalogue: one under resources, named by inputs: {gaia: NAME} where there are"
    " several; 0 turns the star test off"
)


def _is_significant(value: dict[str, NDArray[np.float64]], quantity: str, limit: float) -> Any:
    return np.abs(value[quantity]) > limit * value[f"{quantity}_err"]

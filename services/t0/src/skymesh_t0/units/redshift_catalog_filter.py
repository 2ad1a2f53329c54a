"""A filter for transients near a galaxy of known redshift."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from skymesh.catalogue import Catalogue, Cut
from skymesh.errors import MissingInputError
from skymesh.units import AlertTable, Sieve, Verdicts
from skymesh_t0.units.decent_cuts import Count, DecentCuts, Latitude
from skymesh_t0.units.gaia_veto import GaiaVeto


class RedshiftCatalogFilter(GaiaVeto, DecentCuts):
    """Keep decent transients of ZTF near a catalogued galaxy within a range of redshift.

    One galaxy in the range is enough, also if another is nearer. A rejection tells the distance of the
    nearest one in arcsec, ``absent`` if there is none within ten times the radius. Before that come the
    cuts of `DecentCuts` and `GaiaVeto`, with AMPEL's defaults for this search; of these, max_tspan and
    min_rb must be given, and the star test by Gaia is off. (AMPEL's RedshiftCatalogFilter; which catalogue
    it is, the job says under resources, not catalog_name and catalog_type.)

    Attributes
    ----------
    catalog_match_radius
        Largest distance of the galaxy, arcsec.
    catalog_zkey
        The catalogue's column of redshifts.
    min_z, max_z
        Range of redshift, inclusive.
    """

    version = "1"

    catalog_match_radius: Annotated[float, Field(gt=0)] = 60.0
    catalog_zkey: str = "z"
    min_z: float = 0.002
    max_z: float = 0.03

    min_ndet: Count = 0
    min_tspan: float = -666.0
    min_archive_tspan: float = -666.0
    max_fwhm: float = 4.5
    max_elong: float = 1.4
    max_magdiff: float = 1.0
    max_nbad: Count = 0
    min_sso_dist: float = 20.0
    min_gal_lat: Latitude = 14.0
    ps1_sgveto_rad: float = 2.0
    ps1_sgveto_th: float = 0.8
    ps1_confusion_rad: float = 3.0
    ps1_confusion_sg_tol: float = 0.1
    gaia_rs: float = -999.0
    gaia_pm_signif: float = 3.0
    gaia_plx_signif: float = 3.0
    gaia_veto_gmag_min: float = 9.0
    gaia_veto_gmag_max: float = 20.0
    gaia_excessnoise_sig_max: float = 999.0

    def problems(self, given: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
        """Yield that the galaxies are missing, and what no alert can meet."""
        yield from super().problems(given)
        if "galaxies" not in given:
            yield _NEEDS_CATALOGUE
        else:
            ((name, galaxies),) = given["galaxies"].items()
            if galaxies.lacking([self.catalog_zkey]):
                yield f"the catalogue {name} has no numbers {self.catalog_zkey!r}; see catalog_zkey"
        if self.min_z > self.max_z:
            yield "min_z > max_z rejects every alert"

    def accept_table(
        self, table: AlertTable, galaxies: Catalogue | None = None, gaia: Catalogue | None = None
    ) -> Verdicts:
        """Judge a batch of alerts, in order.

        Parameters
        ----------
        table
            The alerts.
        galaxies
            The catalogue with redshifts; it must be there.
        gaia
            The Gaia catalogue, needed if `gaia_rs` is above 0.

        Raises
        ------
        MissingInputError
            If a catalogue that is needed is not there.
        """
        if galaxies is None:
            raise MissingInputError(_NEEDS_CATALOGUE)
        sieve = Sieve(table, self.survey)
        self.cut_decent(sieve)
        self.cut_stars(sieve, gaia)
        self._cut_hostless(sieve, galaxies)
        return sieve.verdicts()

    def _cut_hostless(self, sieve: Sieve, galaxies: Catalogue) -> None:
        """Reject what lies near no galaxy of the range; the reason is the distance of the nearest one."""
        in_range = (Cut(self.catalog_zkey, self.min_z, self.max_z),)
        ra_deg, dec_deg = sieve.column("ra"), sieve.column("dec")
        passes = galaxies.cone_search(ra_deg, dec_deg, self.catalog_match_radius, cuts=in_range).any()
        rejected = np.flatnonzero(~passes)
        around = galaxies.cone_search(ra_deg[rejected], dec_deg[rejected], self._told_arcsec, cuts=in_range)
        nearest = around.nearest()
        distance_arcsec = np.full(len(passes), np.nan)
        distance_arcsec[rejected[nearest.position]] = nearest.separation_arcsec
        sieve.keep("catalog_match_radius", passes, distance_arcsec)

    @property
    def _told_arcsec(self) -> float:
        """How far galaxies are looked for that are too far away, for the reason alone."""
        return min(_TOLD_RADII * self.catalog_match_radius, _FARTHEST_ARCSEC)


_TOLD_RADII = 10
_FARTHEST_ARCSEC = 180 * 3600.0
_NEEDS_CATALOGUE = (
    "it needs a catalogue: one under resources, named by inputs: {galaxies: NAME} where there are several"
)

"""The general filter for likely extragalactic transients among ZTF's alerts."""

from __future__ import annotations

from skymesh.catalogue import Catalogue
from skymesh.units import AlertTable, Sieve, Verdicts
from skymesh_t0.units.decent_cuts import DecentCuts
from skymesh_t0.units.gaia_veto import GaiaVeto


class DecentFilter(GaiaVeto, DecentCuts):
    """Keep likely extragalactic transients of ZTF: no artefacts, no movers, no stars.

    The parameters, their units and their order are those of `DecentCuts`; then comes the star test of
    `GaiaVeto`. As in AMPEL, most of them must be given. Typical for kilonovae and infant supernovae:
    min_ndet 1, min_tspan -99, max_tspan 99, min_rb 0.3, min_drb 0.995, max_fwhm 5.5, max_elong 2,
    max_magdiff 1, max_nbad 2, min_sso_dist 20, min_gal_lat 14, ps1_sgveto_rad 1, ps1_sgveto_th 0.8,
    ps1_confusion_rad 3, ps1_confusion_sg_tol 0.1, gaia_rs 20, gaia_pm_signif 3, gaia_plx_signif 3,
    gaia_veto_gmag_min 9, gaia_veto_gmag_max 20, gaia_excessnoise_sig_max 999.

    (AMPEL's DecentFilter. Here max_nbad cuts, and the span in the archive is inclusive, so that an object
    of one epoch passes its default.)
    """

    version = "1"

    def accept_table(self, table: AlertTable, gaia: Catalogue | None = None) -> Verdicts:
        """Judge a batch of alerts, in order.

        Parameters
        ----------
        table
            The alerts.
        gaia
            The Gaia catalogue, needed if `gaia_rs` is above 0.

        Raises
        ------
        MissingInputError
            If it is needed and not there.
        """
        sieve = Sieve(table, self.survey)
        self.cut_decent(sieve)
        self.cut_stars(sieve, gaia)
        return sieve.verdicts()

"""A filter for likely extragalactic transients that needs nothing but the packet."""

from __future__ import annotations

from skymesh.units import AlertTable, Sieve, Verdicts
from skymesh_t0.units.decent_cuts import Count, DecentCuts, Latitude, Score


class SimpleDecentFilter(DecentCuts):
    """Keep likely extragalactic transients of ZTF, judged by their packets alone.

    The parameters, their units and their order are those of `DecentCuts`, with defaults; there is no
    star test by catalogue. (AMPEL's SimpleDecentFilter, whose parameters have the same names. Here
    max_nbad cuts, the span in the archive is inclusive, and a score of 0.0 is a score.)
    """

    version = "1"

    min_ndet: Count = 2
    min_tspan: float = 0.02
    max_tspan: float = 25.0
    min_rb: Score = 0.3
    max_fwhm: float = 5.0
    max_elong: float = 1.4
    max_magdiff: float = 0.4
    max_nbad: Count = 0
    min_sso_dist: float = 20.0
    min_gal_lat: Latitude = 0.0
    ps1_sgveto_rad: float = 2.0
    ps1_sgveto_th: float = 0.8
    ps1_confusion_rad: float = 1.0
    ps1_confusion_sg_tol: float = 0.5

    def accept_table(self, table: AlertTable) -> Verdicts:
        """Judge a batch of alerts, in order."""
        sieve = Sieve(table, self.survey)
        self.cut_decent(sieve)
        return sieve.verdicts()

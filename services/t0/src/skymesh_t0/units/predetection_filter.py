"""A filter for transients that began after a given moment."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import AfterValidator

from skymesh.catalogue import Catalogue
from skymesh.surveys.time_scales import mjd_tai_of_jd_utc
from skymesh.units import AlertTable, Sieve, Verdicts
from skymesh_t0.units.decent_filter import DecentFilter


def _is_no_moment_or_a_date(jd_utc: float) -> float:
    if jd_utc:
        mjd_tai_of_jd_utc(jd_utc)
    return jd_utc


class PredetectionFilter(DecentFilter):
    """Keep what `DecentFilter` keeps, unless it was detected before a moment, such as a merger.

    Every visible detection counts, negative ones included; the cut comes before all others, and its
    reason holds the days from the moment to the first detection. (AMPEL's PredetectionFilter; the date
    of a skymap is given as trigger_jd.)

    Attributes
    ----------
    trigger_jd
        The moment, Julian date, UTC; 0: no cut.
    """

    version = "1"

    trigger_jd: Annotated[float, AfterValidator(_is_no_moment_or_a_date)] = 0.0

    def accept_table(self, table: AlertTable, gaia: Catalogue | None = None) -> Verdicts:
        """Judge a batch of alerts, in order; see `DecentFilter.accept_table`."""
        sieve = Sieve(table, self.survey)
        self._cut_earlier(sieve)
        self.cut_decent(sieve)
        self.cut_stars(sieve, gaia)
        return sieve.verdicts()

    def _cut_earlier(self, sieve: Sieve) -> None:
        """Reject what was there before."""
        if self.trigger_jd:
            first = [alert.first_mjd_tai for alert in sieve.table]
            days = np.array(first, dtype=float) - mjd_tai_of_jd_utc(self.trigger_jd)
            sieve.at_least("trigger_jd", days, 0.0)

"""Cuts on how young an object is."""

from __future__ import annotations

from operator import attrgetter
from typing import Annotated

import numpy as np
from pydantic import Field

from skymesh.model.point import LIMIT
from skymesh.units import AlertView, Sieve, TableFilter, values_at

Days = Annotated[float, Field(ge=0)]


class InfantCuts(TableFilter):
    """Parameters of filters for young objects; none of them cuts unless it is set.

    (What T0 can do of AMPEL's T2InfantCatalogEval: its age, maglim_min and maglim_maxago.)

    Attributes
    ----------
    max_age_days
        Days from the first detection to the triggering one, at most. The first detection is the
        earliest in the visible history, or the survey's own first one (``jdstarthist``) where the
        channel may see numbers that were made from the whole history.
    max_limit_age_days
        Days from the last upper limit to the triggering detection, at most: the object was not there
        so shortly before. Only limits before the first visible detection count; without any the alert
        is rejected.
    min_limit_mag_ab
        Only limits as faint as this, or fainter, count for `max_limit_age_days`; AB mag, 5 sigma.
    """

    max_age_days: Days | None = None
    max_limit_age_days: Days | None = None
    min_limit_mag_ab: float = 19.5

    def cut_age(self, sieve: Sieve) -> None:
        """Reject what was first detected too long ago."""
        if self.max_age_days is None:
            return
        visible = [alert.points[0].mjd_tai - alert.first_mjd_tai for alert in sieve.table]
        archived = sieve.column("jd") - sieve.column("jdstarthist")
        age_days = np.fmax(np.array(visible, dtype=float), archived)
        sieve.at_most("max_age_days", age_days, self.max_age_days)

    def cut_limits(self, sieve: Sieve) -> None:
        """Reject what was not looked for shortly before it appeared."""
        if self.max_limit_age_days is None:
            return
        ages = [self._limit_age_days(alert) for alert in sieve.table]
        sieve.at_most("max_limit_age_days", np.array(ages, dtype=float), self.max_limit_age_days)

    def _limit_age_days(self, alert: AlertView) -> float:
        """Return how long ago the last limit was that is deep enough; NaN without one."""
        first = alert.first_mjd_tai
        limits = [point for point in alert.points if point.kind == LIMIT and point.mjd_tai < first]
        # The last one is nearly always deep enough: the others need not be decoded.
        for limit in sorted(limits, key=attrgetter("mjd_tai"), reverse=True):
            ((depth_mag_ab,),) = values_at([limit], ("diffmaglim",))
            if depth_mag_ab is not None and np.float32(depth_mag_ab) >= self.min_limit_mag_ab:
                return alert.points[0].mjd_tai - limit.mjd_tai
        return np.nan

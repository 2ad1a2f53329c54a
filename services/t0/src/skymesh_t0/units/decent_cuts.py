"""The cuts that SimpleDecentFilter, DecentFilter and their relatives share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from skymesh.units import Sieve
from skymesh_t0.units.galactic import galactic_latitude_deg
from skymesh_t0.units.infant_cuts import InfantCuts

Count = Annotated[int, Field(ge=0)]
Score = Annotated[float, Field(ge=0, le=1)]
Latitude = Annotated[float, Field(le=90)]

_NEIGHBOURS = (1, 2, 3)


class DecentCuts(InfantCuts):
    """Parameters of filters for likely extragalactic transients among ZTF's alerts, under AMPEL's names.

    The cuts are made in the order of this list, each inclusive of its limit where nothing else is said.
    A value that a packet lacks fails its cut, except where its absence means something: without a
    known moving object, PS1 source or deep-learning score nearby there is nothing to reject.

    Attributes
    ----------
    min_ndet
        Detections in the visible history, the triggering one and negative ones included, at least; an
        exposure that was reduced twice counts once.
    min_tspan, max_tspan
        Days from the first of these detections to the last one.
    min_rb, min_drb
        Real-bogus scores (random forest, deep learning), 0 to 1, at least. The second is applied if it
        is above 0 and the packet has the score.
    max_fwhm
        Full width at half maximum, pixels, at most.
    max_elong
        Ratio of the axes, at most.
    max_magdiff
        Absolute difference of aperture and PSF magnitude, mag, at most.
    max_nbad
        Bad pixels in a stamp of 5 × 5 pixels, at most.
    min_archive_tspan, max_archive_tspan
        Days from the first to the last detection in the survey's archive (``jdstarthist`` to
        ``jdendhist``). These numbers were made from the whole history: for channels that are not
        granted every label of the survey they are hidden, and the cut is skipped, as for packets
        without them.
    min_sso_dist
        Distance to the nearest known object of the solar system, arcsec, at least.
    min_gal_lat
        Absolute galactic latitude, degrees, at least; negative: no cut.
    ps1_sgveto_rad, ps1_sgveto_th
        A star: the nearest PS1 source is nearer than this (arcsec) and its star/galaxy score (1 = star)
        is above this.
    ps1_confusion_rad, ps1_confusion_sg_tol
        Confused: all three nearest PS1 sources are nearer than this (arcsec), and their scores are
        nearer to 0.5 than this.
    max_age_days, max_limit_age_days, min_limit_mag_ab
        See `InfantCuts`; the first is applied after `max_tspan`, the others last.
    """

    survey: ClassVar[str] = "ztf"

    min_ndet: Count
    min_tspan: float
    max_tspan: float
    min_archive_tspan: float = 0.0
    max_archive_tspan: float = 1e5
    min_rb: Score
    min_drb: Score = 0.0
    max_fwhm: float
    max_elong: float
    max_magdiff: float
    max_nbad: Count
    min_sso_dist: float
    min_gal_lat: Latitude
    ps1_sgveto_rad: float
    ps1_sgveto_th: float
    ps1_confusion_rad: float
    ps1_confusion_sg_tol: float

    def problems(self, given: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
        """Yield what no alert can meet."""
        yield from super().problems(given)
        for low, high in (("min_tspan", "max_tspan"), ("min_archive_tspan", "max_archive_tspan")):
            if getattr(self, low) > getattr(self, high):
                yield f"{low} > {high} rejects every alert"

    def cut_decent(self, sieve: Sieve) -> None:
        """Make all cuts of this class."""
        self._cut_history(sieve)
        self._cut_image(sieve)
        self._cut_archive(sieve)
        self._cut_place(sieve)
        self._cut_ps1(sieve)
        self.cut_limits(sieve)

    def _cut_history(self, sieve: Sieve) -> None:
        """Cut on how often and how long the object was detected."""
        sieve.at_least("min_ndet", sieve.table.detection_counts(), self.min_ndet)
        days = sieve.table.detection_spans_days()
        days = days[sieve.at_least("min_tspan", days, self.min_tspan)]
        sieve.at_most("max_tspan", days, self.max_tspan)
        self.cut_age(sieve)

    def _cut_image(self, sieve: Sieve) -> None:
        """Cut on how the detection looks."""
        is_positive = sieve.column("isdiffpos")
        sieve.keep("isdiffpos", is_positive == 1, is_positive)
        sieve.at_least("min_rb", sieve.single("rb"), self.min_rb)
        if self.min_drb > 0:
            score = sieve.single("drb")
            sieve.keep("min_drb", (score >= self.min_drb) | np.isnan(score), score)
        sieve.at_most("max_fwhm", sieve.single("fwhm"), self.max_fwhm)
        sieve.at_most("max_elong", sieve.single("elong"), self.max_elong)
        sieve.at_most("max_magdiff", np.abs(sieve.single("magdiff")), self.max_magdiff)
        sieve.at_most("max_nbad", sieve.column("nbad"), self.max_nbad)

    def _cut_archive(self, sieve: Sieve) -> None:
        """Cut on how long the survey has known the place."""
        days = sieve.column("jdendhist") - sieve.column("jdstarthist")
        days = days[sieve.keep("min_archive_tspan", ~(days < self.min_archive_tspan), days)]
        sieve.keep("max_archive_tspan", ~(days > self.max_archive_tspan), days)

    def _cut_place(self, sieve: Sieve) -> None:
        """Cut on the solar system and the Milky Way."""
        distance = sieve.single("ssdistnr")
        is_near = (distance >= 0) & (distance < self.min_sso_dist)
        sieve.keep("min_sso_dist", ~is_near, distance)
        if self.min_gal_lat >= 0:
            latitude = np.abs(galactic_latitude_deg(sieve.column("ra"), sieve.column("dec")))
            sieve.at_least("min_gal_lat", latitude, self.min_gal_lat)

    def _cut_ps1(self, sieve: Sieve) -> None:
        """Cut on the sources of Pan-STARRS that the packet names."""
        distance, score = sieve.single("distpsnr1"), sieve.single("sgscore1")
        is_star = (distance < self.ps1_sgveto_rad) & (score > self.ps1_sgveto_th)
        sieve.keep("ps1_sgveto_th", ~is_star, score)
        # The maximum of what is absent is absent, and is not below any limit.
        farthest = np.max([sieve.single(f"distpsnr{nth}") for nth in _NEIGHBOURS], axis=0)
        surest = np.max([np.abs(sieve.single(f"sgscore{nth}") - 0.5) for nth in _NEIGHBOURS], axis=0)
        is_confused = (farthest < self.ps1_confusion_rad) & (surest < self.ps1_confusion_sg_tol)
        sieve.keep("ps1_confusion_rad", ~is_confused, farthest)

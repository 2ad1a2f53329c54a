"""The redshift of an object's host, from whatever catalogues know of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, NamedTuple, cast

from pydantic import BaseModel, ConfigDict, Field

from skymesh.units import Analyser, MissingInputError, Result
from skymesh_t2.units.catalog_match import CatalogMatch, CatalogMatches
from skymesh_t2.units.digest_redshifts.groups import (
    GROUPS,
    Estimate,
    Rule,
    Step,
    best_groups,
    estimates,
    number_of,
)

__all__ = ["DigestRedshifts", "HostRedshift", "Match", "RedshiftColumn"]

# Catalogue, limit of the distance ("), colour, and the columns it is the difference of.
_HOST_COLOURS = (
    ("WISE", 3.0, "w1-w2", "Mag_W1", "Mag_W2"),
    ("PS1", 10.0, "g-r", "gPSFMag", "rPSFMag"),
    ("PS1", 10.0, "r-i", "rPSFMag", "iPSFMag"),
    ("PS1", 10.0, "i-z", "iPSFMag", "zPSFMag"),
)

GroupNumber = Annotated[int, Field(ge=1, le=GROUPS)]
Positive = Annotated[float, Field(gt=0)]


class HostRedshift(Result, frozen=True):
    """A redshift that catalogues give an object, and how good it is.

    Attributes
    ----------
    redshift
        Plain mean of the best group.
    group
        1 (best) to 7; see `groups`.
    precision
        Typical error of a redshift of this group.
    distance_arcsec
        Mean distance between the object and the sources of the best group.
    catalogues
        Where the best group's redshifts come from.
    group_redshifts, group_distances_arcsec
        All redshifts by group, the best first, and the distance of each one's source.
    host_colours_mag
        Colours of the host, by name (``w1-w2`` of WISE, ``g-r``, ``r-i``, ``i-z`` of Pan-STARRS).
    """

    redshift: float
    group: int
    precision: float
    distance_arcsec: float
    catalogues: tuple[str, ...]
    group_redshifts: tuple[tuple[float, ...], ...]
    group_distances_arcsec: tuple[tuple[float, ...], ...]
    host_colours_mag: dict[str, float]


class Match(NamedTuple):
    """A source of a catalogue near an object.

    Attributes
    ----------
    catalogue
        Its name.
    distance_arcsec
        From the object.
    values
        Its columns.
    """

    catalogue: str
    distance_arcsec: float
    values: Mapping[str, Any]


class RedshiftColumn(BaseModel):
    """A catalogue whose redshifts belong to one group.

    Attributes
    ----------
    column
        Where the redshift stands (AMPEL's z_keyword).
    max_distance_arcsec, max_redshift
        Matches further away, or of higher redshift, do not count; exclusive.
    group
        The group (AMPEL's z_group).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    column: str
    max_distance_arcsec: Positive
    max_redshift: Positive
    group: GroupNumber

    @property
    def rule(self) -> Rule:
        """The same as a rule."""
        return Rule(self.column, (Step(self.group, self.max_redshift, self.max_distance_arcsec),))


class DigestRedshifts(Analyser):
    """Take the redshift of the host from the best of the catalogues that have one.

    Each redshift belongs to one of seven groups by the quality of its source (`groups`); the
    mean of the best group that is not empty is the result. Without any up to `max_group` the input is
    missing, so that whoever requires a `HostRedshift` has a number. (AMPEL's T2DigestRedshifts and its
    ampel_z, with max_redshift_category, category_precision and catalogmatch_override.)

    Attributes
    ----------
    max_group
        Worse groups do not count.
    group_precision
        Typical error of a redshift, by group.
    overrides
        Catalogue → where its redshifts stand and which group they belong to; in place of what is known
        of this catalogue.
    """

    version = "1"

    max_group: GroupNumber = 3
    group_precision: tuple[Positive, Positive, Positive, Positive, Positive, Positive, Positive] = (
        3e-4, 3e-3, 0.01, 0.02, 0.04, 0.1, 0.3,
    )  # fmt: skip
    overrides: Mapping[str, RedshiftColumn] = {}

    def problems(self, given: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
        """Yield which overrides nothing meets, and that no catalogue has a redshift that could count."""
        told: dict[str, tuple[str, ...]] = {}
        for maker in given.get("matches", {}).values():
            if not isinstance(maker.unit, CatalogMatch):
                return
            told |= maker.unit.columns(maker.given.get("catalogues", {}))
        for name, override in self.overrides.items():
            if override.column not in told.get(name, ()):
                there = ", ".join(f"{name}.{column}" for name in told for column in told[name]) or "nothing"
                yield f"overrides.{name}: no match tells {name}.{override.column}; they tell: {there}"
        if told and not any(self._may_count(name, columns) for name, columns in told.items()):
            names = ", ".join(told)
            yield f"no redshift of {names} belongs to groups 1 to {self.max_group}: see overrides, max_group"

    def _may_count(self, catalogue: str, columns: tuple[str, ...]) -> bool:
        """Return whether some of these columns of a catalogue may hold a redshift that counts."""
        groups = best_groups(catalogue, self._rules)
        return any(column in columns and group <= self.max_group for column, group in groups.items())

    @property
    def _rules(self) -> dict[str, Rule]:
        return {name: override.rule for name, override in self.overrides.items()}

    def run(self, matches: CatalogMatches) -> HostRedshift:
        """Return the redshift.

        Raises
        ------
        MissingInputError
            If no catalogue has a redshift in the groups up to `max_group`.
        """
        return self.digest(_matches(matches))

    def digest(self, matches: Iterable[Match]) -> HostRedshift:
        """Return the redshift that some matches give.

        Raises
        ------
        MissingInputError
            If they give none in the groups up to `max_group`.
        """
        every = sorted(matches, key=lambda match: (match.catalogue, match.distance_arcsec))
        groups: list[list[tuple[Estimate, Match]]] = [[] for _ in range(GROUPS)]
        for match in every:
            for found in estimates(*match, self._rules):
                groups[found.group - 1].append((found, match))
        best = next((group for group in groups[: self.max_group] if group), None)
        if best is None:
            raise MissingInputError(f"no catalogue has a redshift in groups 1 to {self.max_group}")
        number = best[0][0].group
        return HostRedshift(
            redshift=_mean([found.redshift for found, _ in best]),
            group=number,
            precision=self.group_precision[number - 1],
            distance_arcsec=_mean([match.distance_arcsec for _, match in best]),
            catalogues=tuple(sorted({match.catalogue for _, match in best})),
            group_redshifts=tuple(tuple(found.redshift for found, _ in group) for group in groups),
            group_distances_arcsec=tuple(tuple(m.distance_arcsec for _, m in group) for group in groups),
            host_colours_mag=dict(_host_colours(reversed(every))),
        )


def _matches(found: CatalogMatches) -> Iterator[Match]:
    for catalogue, nearest in found.nearest.items():
        for row in found.within.get(catalogue, () if nearest is None else (nearest,)):
            # A row may hold anything, and this is always a number; see `CatalogMatches`.
            yield Match(catalogue, cast("float", row["separation_arcsec"]), row)


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def _host_colours(matches: Iterable[Match]) -> Iterator[tuple[str, float]]:
    for match in matches:
        for catalogue, max_arcsec, colour, bluer, redder in _HOST_COLOURS:
            if match.catalogue != catalogue or match.distance_arcsec >= max_arcsec:
                continue
            mags = [number_of(match.values.get(column)) or -1.0 for column in (bluer, redder)]
            if min(mags) > 0:
                yield colour, mags[0] - mags[1]

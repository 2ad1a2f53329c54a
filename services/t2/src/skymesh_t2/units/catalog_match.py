"""What catalogues know of an object's place."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from skymesh.catalogue import Matches
from skymesh.units import Analyser, Catalogue, Cut, MissingInputError, Position, Result

Value = bool | int | float | str | None
Row = dict[str, Value]

_SEPARATION = "separation_arcsec"


class CatalogMatches(Result, frozen=True):
    """Rows of catalogues around an object.

    Each row holds `separation_arcsec`, its distance from the object, and the columns that were asked
    for; None is absent. (AMPEL's dist2transient.)

    Attributes
    ----------
    nearest
        By catalogue: the nearest row within the radius; None if there is none.
    within
        By catalogue, for those of which all rows were asked for: every row within the radius, the
        nearest first.
    """

    nearest: dict[str, Row | None]
    within: dict[str, tuple[Row, ...]]


class CatalogSearch(BaseModel):
    """How one catalogue is searched.

    Attributes
    ----------
    rs_arcsec
        The radius of the search.
    keys_to_append
        Columns to tell; None for all.
    cuts
        By column: the lowest and the highest value that a row may have, null for open; rows whose
        value is absent do not count. (For AMPEL's pre_filter and post_filter.)
    all
        Whether to tell all rows, and not only the nearest.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    rs_arcsec: Annotated[float, Field(gt=0, le=180 * 3600)]
    keys_to_append: tuple[str, ...] | None = None
    cuts: dict[str, tuple[float | None, float | None]] = {}
    all: bool = False

    def problems(self, catalogue: Catalogue) -> Iterator[str]:
        """Yield which columns a catalogue lacks."""
        for column in (*(self.keys_to_append or ()), *self.cuts):
            if column not in catalogue.columns:
                yield f"has no column {column!r}; there are: {', '.join(catalogue.columns)}"
        for column in self.cuts:
            if column in catalogue.columns and catalogue.kind_of(column) == "text":
                yield f"a cut needs numbers, and {column!r} has texts"

    def rows(self, catalogue: Catalogue, positions: Sequence[Position]) -> list[tuple[Row, ...]]:
        """Return the rows around each position, the nearest first; that alone unless all are wanted."""
        found = catalogue.cone_search(
            [position.ra_deg for position in positions],
            [position.dec_deg for position in positions],
            self.rs_arcsec,
            columns=catalogue.columns if self.keys_to_append is None else self.keys_to_append,
            cuts=[Cut(column, low, high) for column, (low, high) in self.cuts.items()],
        )
        return _by_position(found if self.all else found.nearest())


class CatalogMatch(Analyser):
    """Look an object's position up in catalogues of the job's resources.

    (AMPEL's T2CatalogMatch and T2CatalogMatchLocal; `use` has gone, for there is one kind of
    catalogue, and no match is None.)

    Attributes
    ----------
    catalogs
        By the name of one of the job's catalogues: `rs_arcsec`, the radius; `keys_to_append`, the columns
        to tell, all if left out; `cuts`, by column the lowest and highest value that counts, such as
        ``{z: [0.002, null]}``; `all`, true for all rows within the radius and not only the nearest.
    """

    version = "1"

    catalogs: Annotated[dict[str, CatalogSearch], Field(min_length=1)]

    def catalogues_used(self, names: Collection[str]) -> Collection[str]:
        """Return those that are searched."""
        return self.catalogs.keys() & set(names)

    def problems(self, given: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
        """Yield which catalogues and columns the job lacks."""
        catalogues = given.get("catalogues", {})
        for name, search in self.catalogs.items():
            if name in catalogues:
                yield from (f"catalogs.{name}: {problem}" for problem in search.problems(catalogues[name]))
            else:
                yield f"catalogs.{name}: the job has no catalogue of that name under resources:"

    def columns(self, catalogues: Mapping[str, Catalogue]) -> dict[str, tuple[str, ...]]:
        """Return the columns that are told of each catalogue searched, of those that are there."""
        return {
            name: catalogues[name].columns if search.keys_to_append is None else search.keys_to_append
            for name, search in self.catalogs.items()
            if name in catalogues
        }

    def run(self, position: Position, catalogues: Mapping[str, Catalogue]) -> CatalogMatches:
        """Return the matches.

        Raises
        ------
        MissingInputError
            If a catalogue is not there.
        """
        return self._matches([position], catalogues)[0]

    def run_many(self, inputs: Sequence[Mapping[str, Any]]) -> list[CatalogMatches]:
        """Return the matches of many positions, with one search of each catalogue."""
        catalogues = inputs[0]["catalogues"]
        if any(given["catalogues"] != catalogues for given in inputs):
            return [self.run(**given) for given in inputs]
        return self._matches([given["position"] for given in inputs], catalogues)

    def _matches(
        self, positions: Sequence[Position], catalogues: Mapping[str, Catalogue]
    ) -> list[CatalogMatches]:
        found = {}
        for name, search in self.catalogs.items():
            if name not in catalogues:
                raise MissingInputError(f"there is no catalogue {name!r}")
            found[name] = search.rows(catalogues[name], positions)
        return [
            CatalogMatches(
                nearest={name: next(iter(rows[number]), None) for name, rows in found.items()},
                within={name: rows[number] for name, rows in found.items() if self.catalogs[name].all},
            )
            for number in range(len(positions))
        ]


def _by_position(found: Matches) -> list[tuple[Row, ...]]:
    """Return the rows that each position matches, as plain values."""
    columns = {**found.values, _SEPARATION: found.separation_arcsec}
    values = zip(*(column.tolist() for column in columns.values()), strict=True)
    rows = iter([{n: _present(v) for n, v in zip(columns, row, strict=True)} for row in values])
    counts = np.bincount(found.position, minlength=found.asked).tolist()
    return [tuple(itertools.islice(rows, count)) for count in counts]


def _present(value: Value) -> Value:
    """Return a value, None for a number that is none."""
    return None if isinstance(value, float) and not math.isfinite(value) else value

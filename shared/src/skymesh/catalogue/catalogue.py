"""A catalogue on disk, opened."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skymesh.catalogue import hats
from skymesh.catalogue.columns import INDEX
from skymesh.catalogue.hats import Tile
from skymesh.catalogue.matches import Cut, Matches
from skymesh.catalogue.pixels import Integers, Ranges, overlaps
from skymesh.catalogue.row_groups import RowGroups, content_digest
from skymesh.catalogue.search import Near, cones_around, near
from skymesh.errors import InvariantError, NotFoundError, SettingsError
from skymesh.model.ids import Digest, parse_id

if TYPE_CHECKING:
    import pyarrow as pa

Values = dict[str, NDArray[Any]]

CACHE_BYTES: Final = 256 << 20

_KINDS: Final = {"double": "number", "int64": "integer", "bool": "flag", "string": "text"}
_POLE_DEG: Final = 90
_FARTHEST_ARCSEC: Final = 180 * 3600.0


class Catalogue:
    """A snapshot of a catalogue; see `Catalogue.open`.

    Threads may share it, and it may be sent to another process, which opens it there.

    Attributes
    ----------
    path
        Its folder.
    name
        Its name.
    columns
        Names of its columns, positions included.
    rows
        How many rows it has.
    ra_column, dec_column
        Which columns hold right ascension and declination (ICRS, degrees).
    digest
        Of its content, wherever it lies.
    """

    path: Path
    name: str
    columns: tuple[str, ...]
    rows: int
    ra_column: str
    dec_column: str
    digest: Digest

    def __init__(self, path: Path, cache_bytes: int = CACHE_BYTES) -> None:
        self.path = path.resolve()
        properties = hats.read_properties(path)
        self.name = properties["obs_collection"]
        self.ra_column, self.dec_column = properties["hats_col_ra"], properties["hats_col_dec"]
        self._types = _types(path, (INDEX, self.ra_column, self.dec_column))
        self.columns = tuple(self._types)
        self.tiles = hats.read_tiles(path)
        self.rows, self.digest = _content(path, properties)
        self._cache_bytes = cache_bytes
        self._tile_start = np.array([tile.start for tile in self.tiles], dtype=np.int64)
        self._tile_stop = np.array([tile.stop for tile in self.tiles], dtype=np.int64)
        self._groups = RowGroups(self.path, (self.ra_column, self.dec_column), cache_bytes)

    @classmethod
    def open(cls, path: Path | str, *, cache_bytes: int = CACHE_BYTES) -> Catalogue:
        """Open the catalogue in a folder; rows are read when they are needed.

        Parameters
        ----------
        path
            The folder, as `skymesh catalogue import` made it.
        cache_bytes
            How many bytes of rows may be kept in memory.

        Raises
        ------
        SettingsError
            If it is no catalogue, or a column, the index or a file is missing.
        """
        return cls(Path(path), cache_bytes)

    def __reduce__(self) -> tuple[object, ...]:
        return (_opened_again, (self.path, self._cache_bytes, self.digest))

    def __repr__(self) -> str:
        return f"Catalogue.open({str(self.path)!r})"

    def verify(self) -> None:
        """Read all rows and compare their digest with that of the import.

        Raises
        ------
        InvariantError
            If these are not the rows that were imported.
        """
        position = (self.ra_column, self.dec_column)
        if content_digest(self.path, self.tiles, self._types, position) != self.digest:
            raise InvariantError("these are not the rows that were imported", where=str(self.path))

    def kind_of(self, column: str) -> str:
        """Return what a column holds: ``number``, ``integer``, ``flag`` or ``text``.

        Raises
        ------
        SettingsError
            If there is no such column.
        """
        self._check((column,))
        return _KINDS[str(self._types[column])]

    def lacking(self, columns: Iterable[str]) -> tuple[str, ...]:
        """Return which of some columns are not there, or hold no numbers."""
        return tuple(n for n in columns if n not in self._types or self.kind_of(n) in {"flag", "text"})

    def cone_search(
        self,
        ra_deg: ArrayLike,
        dec_deg: ArrayLike,
        radius_arcsec: float,
        *,
        columns: Sequence[str] = (),
        cuts: Sequence[Cut] = (),
    ) -> Matches:
        """Return the rows within a radius of positions.

        Parameters
        ----------
        ra_deg, dec_deg
            Positions (ICRS, degrees), shape (n,); one that is not finite, or not on the sphere, matches
            nothing.
        radius_arcsec
            The radius, inclusive, 0 to 180 degrees.
        columns
            Whose values are wanted.
        cuts
            Conditions on the rows; they count before the nearest is chosen.

        Raises
        ------
        SettingsError
            If there is no such column, or a cut is on one of texts.
        ValueError
            If the radius is out of range.
        """
        self._check(columns, cuts)
        if not 0 <= radius_arcsec <= _FARTHEST_ARCSEC:
            raise ValueError(f"a radius of {radius_arcsec} arcsec")
        ra, dec = np.broadcast_arrays(*np.atleast_1d(np.asarray(ra_deg, float), np.asarray(dec_deg, float)))
        usable = np.flatnonzero(np.isfinite(ra) & (np.abs(dec) <= _POLE_DEG))
        cones = cones_around(ra[usable], dec[usable], radius_arcsec)
        parts = [
            self._matched(tile, group, near(self._groups.places(tile, group), cones, rows), columns, cuts)
            for tile, group, rows in self._overlaps(cones.ranges)
        ]
        return self._joined(len(ra), usable, parts, columns)

    def _overlaps(self, ranges: Ranges) -> Iterator[tuple[Tile, int, Integers]]:
        """Yield the row groups that some of the ranges overlap, with the rows of those ranges."""
        for number, of_tile in overlaps(ranges.start, ranges.stop, self._tile_start, self._tile_stop):
            tile = self.tiles[number]
            groups = self._groups.of(tile)
            start, stop = ranges.start[of_tile], ranges.stop[of_tile]
            for group, of_group in overlaps(start, stop, groups.start, groups.stop):
                yield tile, group, of_tile[of_group]

    def _matched(
        self, tile: Tile, group: int, found: Near, columns: Sequence[str], cuts: Sequence[Cut]
    ) -> tuple[Near, Values]:
        """Return the pairs of a group that pass the cuts, with their values."""
        names = {*columns, *(cut.column for cut in cuts)}
        if not len(found.row) or not names:
            return found, self._no_values(columns)
        kept = self._groups.columns(tile, group, sorted(names))
        values = {
            name: column.take(found.row).to_numpy(zero_copy_only=False) for name, column in kept.items()
        }
        is_kept = np.ones(len(found.row), dtype=np.bool_)
        for cut in cuts:
            is_kept &= cut.passed(values[cut.column])
        return found.of(is_kept), {name: values[name][is_kept] for name in columns}

    def _joined(
        self, asked: int, usable: Integers, parts: list[tuple[Near, Values]], columns: Sequence[str]
    ) -> Matches:
        nothing = Near(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
        parts.append((nothing, self._no_values(columns)))
        found = Near(*(np.concatenate(column) for column in zip(*(pairs for pairs, _ in parts), strict=True)))
        position = usable[found.cone]
        order = np.lexsort((found.row, found.separation_arcsec, position))
        values = {name: np.concatenate([part[name] for _, part in parts])[order] for name in columns}
        return Matches(asked, position[order], found.separation_arcsec[order], values)

    def _no_values(self, columns: Sequence[str]) -> Values:
        return {name: np.zeros(0, self._types[name].to_pandas_dtype()) for name in columns}

    def _check(self, columns: Sequence[str], cuts: Sequence[Cut] = ()) -> None:
        for column in (*columns, *(cut.column for cut in cuts)):
            if column not in self._types:
                known = ", ".join(self.columns)
                raise SettingsError(f"has no column {column!r}; there are: {known}", where=self.name)
        for cut in cuts:
            if self.kind_of(cut.column) == "text":
                raise SettingsError(f"a cut needs numbers, and {cut.column!r} has texts", where=self.name)


def _content(folder: Path, properties: Mapping[str, str]) -> tuple[int, Digest]:
    """Return how many rows a catalogue has, and their digest."""
    try:
        return int(properties["hats_nrows"]), parse_id(properties[hats.DIGEST])[1]
    except (ValueError, NotFoundError) as error:
        raise SettingsError(f"is no catalogue: {error}", where=str(folder)) from error


def _types(folder: Path, needed: Sequence[str]) -> dict[str, pa.DataType]:
    """Return the columns of a catalogue with their types."""
    schema = hats.read_schema(folder)
    for name in needed:
        if name not in schema.names:
            raise SettingsError(f"has no column {name!r}", where=str(folder))
    return {field.name: field.type for field in schema if field.name != INDEX}


@functools.lru_cache(maxsize=64)
def _opened_again(path: Path, cache_bytes: int, digest: Digest) -> Catalogue:
    """Open a catalogue that another process had open, once in a process."""
    catalogue = Catalogue(path, cache_bytes)
    if catalogue.digest != digest:
        raise InvariantError("the catalogue is another one than it was", where=str(path))
    return catalogue

"""Reads rows of a catalogue's tiles, group by group, and keeps what was read lately."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

import numpy as np

from skymesh.catalogue.columns import INDEX, digest_of_columns
from skymesh.catalogue.hats import Tile, digest_of_file
from skymesh.catalogue.pixels import Floats, Integers, direction_of
from skymesh.errors import InvariantError
from skymesh.model.ids import Digest

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq


_CHANGED: Final = "the catalogue was changed or damaged"


class Groups(NamedTuple):
    """The row groups of one tile.

    Attributes
    ----------
    footer
        The file's own account of them.
    start, stop
        The half-open range of indices of each, both ascending.
    """

    footer: pq.FileMetaData
    start: Integers
    stop: Integers


class Places(NamedTuple):
    """Where the rows of a group lie: ascending HEALPix indices, and unit vectors of shape (n_rows, 3)."""

    healpix: Integers
    direction: Floats

    @property
    def nbytes(self) -> int:
        """Their size in memory."""
        return self.healpix.nbytes + self.direction.nbytes


class RowGroups:
    """The rows of a catalogue; threads may share it.

    Parameters
    ----------
    folder
        The catalogue's folder.
    position_columns
        Names of right ascension and declination (degrees).
    cache_bytes
        How much of what was read may be kept.
    """

    def __init__(self, folder: Path, position_columns: tuple[str, str], cache_bytes: int) -> None:
        self._folder = folder
        self._position_columns = position_columns
        self._groups: dict[Path, Groups] = {}
        self._recent = _Recent(cache_bytes)

    def of(self, tile: Tile) -> Groups:
        """Return the row groups of a tile.

        When it is first asked for, its file is compared with the one that was imported.
        """
        found = self._groups.get(tile.path)
        if found is None:
            _check_file(self._folder / tile.path, tile)
            with _readable(self._folder / tile.path) as file:
                found = _groups(file.metadata)
            self._groups[tile.path] = found
        return found

    def places(self, tile: Tile, group: int) -> Places:
        """Return where the rows of a group lie."""
        key = (tile.path, group, None)
        found = self._recent.get(key)
        if found is None:
            ra, dec = self._position_columns
            table = self._read(tile, group, [INDEX, ra, dec])
            direction = direction_of(table[ra].to_numpy(), table[dec].to_numpy())
            found = Places(table[INDEX].to_numpy(), direction)
            self._recent.put(key, found, found.nbytes)
        return cast("Places", found)

    def columns(self, tile: Tile, group: int, names: Sequence[str]) -> dict[str, pa.Array]:
        """Return columns of a group; those that are not kept are read together."""
        found = {name: self._recent.get((tile.path, group, name)) for name in names}
        missing = [name for name, column in found.items() if column is None]
        if missing:
            table = self._read(tile, group, missing)
            for name in missing:
                found[name] = column = table[name].combine_chunks()
                self._recent.put((tile.path, group, name), column, column.nbytes)
        return found

    def _read(self, tile: Tile, group: int, names: list[str]) -> pa.Table:
        with _readable(self._folder / tile.path, self.of(tile).footer) as file:
            return file.read_row_group(group, columns=names, use_threads=False).select(names)


def content_digest(
    folder: Path, tiles: Sequence[Tile], types: Mapping[str, pa.DataType], position: Sequence[str]
) -> Digest:
    """Return the digest of all rows, reading column after column.

    Raises
    ------
    InvariantError
        If a file cannot be read.
    """

    def read(name: str) -> Iterator[pa.Array]:
        for tile in tiles:
            with _readable(folder / tile.path) as file:
                for batch in file.iter_batches(columns=[name]):
                    yield batch[name]

    return digest_of_columns(types, position, read)


def _groups(footer: pq.FileMetaData) -> Groups:
    column = footer.schema.names.index(INDEX)
    found = (footer.row_group(group).column(column).statistics for group in range(footer.num_row_groups))
    limits = np.array([(each.min, each.max + 1) for each in found], dtype=np.int64).reshape(-1, 2)
    return Groups(footer, limits[:, 0], limits[:, 1])


def _check_file(path: Path, tile: Tile) -> None:
    """Refuse a file that was rewritten: results would name rows that they were not made from."""
    try:
        is_as_imported = digest_of_file(path) == tile.file_digest
    except OSError as error:
        raise InvariantError(f"{_CHANGED}: {error.strerror}", where=str(path)) from error
    if not is_as_imported:
        raise InvariantError(f"{_CHANGED}: this is not the file that was imported", where=str(path))


@contextmanager
def _readable(path: Path, footer: pq.FileMetaData | None = None) -> Iterator[pq.ParquetFile]:
    """Open a tile's file; whatever makes it unreadable means that the snapshot was changed."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, metadata=footer, page_checksum_verification=True) as file:
            yield file
    except (OSError, pa.ArrowException, ValueError, AttributeError, KeyError) as error:
        raise InvariantError(f"{_CHANGED}: {error}", where=str(path)) from error


class _Recent:
    """What was read lately, up to a size."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._used = 0
        self._kept: OrderedDict[Any, tuple[Any, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Any) -> Any:
        with self._lock:
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            return self._kept[key][0]

    def put(self, key: Any, value: Any, nbytes: int) -> None:
        with self._lock:
            if key not in self._kept:
                self._kept[key] = (value, nbytes)
                self._used += nbytes
            while self._used > self._limit and len(self._kept) > 1:
                self._used -= self._kept.popitem(last=False)[1][1]

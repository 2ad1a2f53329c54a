"""Tables that catalogues are made from: CSV, FITS and Parquet, read batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from skymesh.catalogue.columns import INDEX, normal_column, normal_type
from skymesh.catalogue.csv_table import CsvTable
from skymesh.catalogue.fits_table import FitsTable
from skymesh.catalogue.parquet_table import ParquetTable
from skymesh.errors import SettingsError

if TYPE_CHECKING:
    import pyarrow as pa


class Table(Protocol):
    """A table on disk.

    Attributes
    ----------
    types
        Its columns and the Arrow types of their values.
    """

    types: dict[str, pa.DataType]

    def batches(self, columns: list[str]) -> Iterator[pa.Table]:
        """Yield some columns of all rows."""


READERS: Final[dict[str, type[CsvTable | FitsTable | ParquetTable]]] = {
    ".csv": CsvTable,
    ".tsv": CsvTable,
    ".fits": FitsTable,
    ".fit": FitsTable,
    ".parquet": ParquetTable,
    ".parq": ParquetTable,
}
_COMPRESSED: Final = (".gz", ".bz2", ".zst")


@dataclass(frozen=True)
class Source:
    """The columns that are wanted from a table.

    Attributes
    ----------
    position
        Names of the columns of right ascension and declination.
    types
        The columns, with the normal types of their values.
    left_out
        Columns that hold no single values, and were not asked for by name.
    """

    path: Path
    table: Table
    position: tuple[str, str]
    types: dict[str, pa.DataType]
    left_out: tuple[str, ...]

    def batches(self) -> Iterator[pa.Table]:
        """Yield all rows in normal form.

        Raises
        ------
        SettingsError
            If the source cannot be read to its end, or holds a value that has no normal form.
        """
        import pyarrow as pa

        try:
            for batch in self.table.batches(list(self.types)):
                yield pa.table({name: self._column(batch, name) for name in self.types})
        except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
            raise SettingsError(f"cannot be read: {error}", where=str(self.path)) from error

    def _column(self, batch: pa.Table, name: str) -> pa.Array:
        import pyarrow as pa

        try:
            return normal_column(batch[name].combine_chunks(), self.types[name])
        except pa.ArrowInvalid as error:
            raise SettingsError(f"column {name!r}: {error}", where=str(self.path)) from error


def open_source(path: Path, position: tuple[str, str], columns: Sequence[str]) -> Source:
    """Open a table and choose columns: those of the position, and the given or else all others.

    Raises
    ------
    SettingsError
        If it cannot be read, a column is not there, or one of the position holds no numbers.
    """
    import pyarrow as pa

    table = _open(path)
    types = {name: normal_type(kind) for name, kind in table.types.items() if name != INDEX}
    for name in (*position, *columns):
        if name not in types:
            known = ", ".join(types)
            raise SettingsError(f"has no column {name!r}; there are: {known}", where=str(path))
        if types[name] is None:
            raise SettingsError(
                f"column {name!r} holds no single values but {table.types[name]}", where=str(path)
            )
    for name in position:
        if types[name] not in {pa.float64(), pa.int64()}:
            raise SettingsError(f"column {name!r} holds no numbers, as degrees would be", where=str(path))
    names = dict.fromkeys([*position, *columns] if columns else types)
    chosen = {name: kind for name in names if (kind := types[name]) is not None}
    left_out = tuple(name for name in names if name not in chosen)
    return Source(path, table, position, chosen | dict.fromkeys(position, pa.float64()), left_out)


def _open(path: Path) -> Table:
    import pyarrow as pa

    try:
        if not (path.is_file() or path.is_dir()):
            raise SettingsError("no such file", where=str(path))
        suffix = next((s for s in reversed(path.suffixes) if s.lower() not in _COMPRESSED), "").lower()
        reader = ParquetTable if path.is_dir() else READERS.get(suffix)
        if reader is None:
            raise SettingsError(f"is neither a folder nor one of {', '.join(READERS)}", where=str(path))
        return reader(path)
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot be read: {error}", where=str(path)) from error

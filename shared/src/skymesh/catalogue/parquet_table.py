"""Parquet as a source of catalogues."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from skymesh.errors import SettingsError

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS: Final = 1 << 16


class ParquetTable:
    """A Parquet file, or all that lie in a folder and in those below; see `sources.Table`."""

    def __init__(self, path: Path) -> None:
        import pyarrow.parquet as pq

        self._files = _files(path) if path.is_dir() else [path]
        schema = pq.read_schema(self._files[0])
        self.types: dict[str, pa.DataType] = dict(zip(schema.names, schema.types, strict=True))

    def batches(self, columns: list[str]) -> Iterator[pa.Table]:
        """Yield some columns of all rows.

        Raises
        ------
        SettingsError
            If a file lacks a column that the first one has.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        for path in self._files:
            with pq.ParquetFile(path) as file:
                missing = [name for name in columns if name not in file.schema_arrow.names]
                if missing:
                    raise SettingsError(f"has no column {missing[0]!r}", where=str(path))
                for batch in file.iter_batches(_ROWS, columns=columns):
                    yield pa.Table.from_batches([batch])


def _files(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.rglob("*.parq*") if path.is_file() and path.name[0] not in "._")
    if not found:
        raise SettingsError("there is no Parquet file in this folder", where=str(folder))
    return found

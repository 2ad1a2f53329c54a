"""FITS binary tables as a source of catalogues."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from skymesh.errors import SettingsError

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS: Final = 1 << 16


class FitsTable:
    """The first binary table of a FITS file; see `sources.Table`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._open() as file:
            table = _first_table(file, path)
            self.types: dict[str, pa.DataType] = {
                column.name: _arrow(table, column, slice(0, 0)).type for column in table.columns
            }

    def _open(self) -> Any:
        from astropy.io import fits

        return fits.open(self._path, memmap=True)

    def batches(self, columns: list[str]) -> Iterator[pa.Table]:
        """Yield some columns of all rows."""
        import pyarrow as pa

        with self._open() as file:
            table = _first_table(file, self._path)
            for start in range(0, len(table.data), _ROWS):
                rows = slice(start, start + _ROWS)
                yield pa.table({name: _arrow(table, table.columns[name], rows) for name in columns})


def _first_table(file: Any, path: Path) -> Any:
    from astropy.io import fits

    with warnings.catch_warnings():
        # A table that ends too early would be an error only when its last rows are read.
        warnings.filterwarnings("error", "File may have been truncated")
        try:
            found = next((unit for unit in file if isinstance(unit, fits.BinTableHDU)), None)
        except UserWarning as error:
            raise SettingsError(f"cannot be read: {error}", where=str(path)) from error
    if found is not None:
        return found
    raise SettingsError("has no binary table", where=str(path))


def _arrow(table: Any, column: Any, rows: slice) -> pa.Array:
    """Return a column as an Arrow array, of a list type if it holds no single values."""
    import pyarrow as pa

    values: NDArray[Any] = np.asarray(table.data[rows].field(column.name))
    if values.ndim > 1 or values.dtype.kind not in "biufSU":
        return pa.array([], pa.list_(pa.float64()))
    if values.dtype.kind == "S":
        values = np.char.decode(values, "ascii")
    if values.dtype.kind in "iu" and column.null is not None:
        return pa.array(_native(values), mask=values == column.null)
    return pa.array(_native(values))


def _native(values: NDArray[Any]) -> NDArray[Any]:
    """Return numbers in the machine's order of bytes, for FITS is big-endian."""
    return values.astype(values.dtype.newbyteorder("="))

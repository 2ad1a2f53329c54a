"""CSV as a source of catalogues."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from skymesh.errors import SettingsError

if TYPE_CHECKING:
    import pyarrow as pa

_BLOCK_BYTES: Final = 8 << 20
_DELIMITERS: Final = ",;\t|"
_ABSENT: Final = ["", "null", "NULL"]
_INTEGER: Final = "^-?[0-9]+$"
# A number would lose its last digits, and so many make a name.
_LONG_INTEGER: Final = "^-?[0-9]{19,}$"


class CsvTable:
    """A CSV file with one line of names; see `sources.Table`.

    A column is of integers, else numbers, else flags (true, false), else texts, judged by all of its
    values; the third without a name becomes ``column_3``. Values are separated by commas, semicolons, tabs
    or bars, whichever the line of names has most of.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        header = self._header()
        self._delimiter = max(_DELIMITERS, key=header.count)
        names = next(csv.reader([header], delimiter=self._delimiter))
        self._names = [name.strip() or f"column_{number}" for number, name in enumerate(names, 1)]
        twice = [name for name in self._names if self._names.count(name) > 1]
        if twice:
            raise SettingsError(f"has two columns {twice[0]!r}", where=str(path))
        self.types = self._judged()

    def _header(self) -> str:
        import pyarrow as pa

        with pa.input_stream(self._path, compression="detect") as stream:
            line: str = stream.read(1 << 20).split(b"\n", 1)[0].decode("utf-8-sig").strip()
        if not line:
            raise SettingsError("has no line of names", where=str(self._path))
        return line

    def _judged(self) -> dict[str, pa.DataType]:
        import pyarrow as pa

        possible = {name: _all_types() for name in self._names}
        is_empty = dict.fromkeys(self._names, True)
        for batch in self._texts(self._names):
            for name, values in zip(self._names, batch.columns, strict=True):
                is_empty[name] &= values.null_count == len(values)
                possible[name] = [kind for kind in possible[name] if _fits(values, kind)]
        return {
            name: pa.float64() if is_empty[name] else next(iter(possible[name]), pa.string())
            for name in self._names
        }

    def _texts(self, names: list[str]) -> Iterator[pa.Table]:
        """Yield columns as texts without blanks around them, null where absent."""
        import pyarrow as pa
        import pyarrow.compute as pc
        from pyarrow import csv as arrow_csv

        kept = arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(self._names, pa.string()),
            include_columns=names,
            null_values=_ABSENT,
            strings_can_be_null=True,
        )
        read = arrow_csv.ReadOptions(column_names=self._names, skip_rows=1, block_size=_BLOCK_BYTES)
        parse = arrow_csv.ParseOptions(delimiter=self._delimiter, newlines_in_values=True)
        with pa.input_stream(self._path, compression="detect") as stream:
            for batch in arrow_csv.open_csv(stream, read, parse, kept):
                trimmed = (pc.utf8_trim_whitespace(column) for column in batch.columns)
                yield pa.table([pc.if_else(pc.equal(c, ""), None, c) for c in trimmed], names)

    def batches(self, columns: list[str]) -> Iterator[pa.Table]:
        """Yield some columns of all rows."""
        import pyarrow as pa

        for texts in self._texts(columns):
            yield pa.table({name: texts[name].cast(self.types[name]) for name in columns})


def _all_types() -> list[Any]:
    import pyarrow as pa

    return [pa.int64(), pa.float64(), pa.bool_()]


def _fits(values: pa.ChunkedArray, kind: pa.DataType) -> bool:
    """Return whether all texts are of a type."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if kind == pa.int64() and pc.any(pc.invert(pc.match_substring_regex(values, _INTEGER))).as_py():
        return False
    if kind == pa.float64() and pc.any(pc.match_substring_regex(values, _LONG_INTEGER)).as_py():
        return False
    try:
        values.cast(kind)
    except pa.ArrowInvalid:
        return False
    return True

"""A table of a run's objects."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import yaml

from skymesh.units import ObjectView, ProductFile, Summary
from skymesh_t3.columns import IDS, is_true, problem_of_column, quantity_of, row_of

_DATATYPES: Final = {bool: "bool", int: "int64", float: "float64", str: "string"}
_PIECE_BYTES: Final = 1 << 16


class CandidateTable(Summary):
    """One row per channel and object, as CSV and as ECSV (the same rows under a header with types and units).

    The first columns are the object and the ids of alert and state; then for each analyser the
    fields of its result as ``instance.field``, and its id as ``instance.result``. Absent values are
    empty. Every id can be given to ``skymesh trace``.

    Attributes
    ----------
    columns
        Columns to show behind the ids, in this order; empty for all. One that no object has is empty.
    only
        A column such as ``decline.fast``: only objects for which it is true have a row.
    first
        A column likewise: objects for which it is true come first, the others after them; in each part
        by channel and stock.
    """

    version = "2"

    columns: tuple[str, ...] = ()
    only: str = ""
    first: str = ""

    def problems(self, given: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
        """Yield which columns no object of the channels can have."""
        chosen = [("only", self.only), ("first", self.first), *(("columns", name) for name in self.columns)]
        for place, column in chosen:
            if column and (problem := problem_of_column(column, given)):
                yield f"{place}: {problem}"

    def summarise(self, name: str, views: Iterable[ObjectView]) -> Iterator[ProductFile]:
        """Yield the CSV and the ECSV file."""
        types = self._types(views)
        found = [*([self.first] if self.first in types else []), *types]
        columns = list(dict.fromkeys([*IDS, *(self.columns or found)]))
        yield ProductFile(f"{name}.csv", self._pieces(views, columns))
        yield ProductFile(f"{name}.ecsv", _chain(_ecsv_header(columns, types), self._pieces(views, columns)))

    def _types(self, views: Iterable[ObjectView]) -> dict[str, type]:
        """Return the columns met and the types that hold all their values."""
        types: dict[str, type] = {}
        for view in views:
            if self._is_shown(view):
                for column, value in row_of(view).items():
                    if value is not None:
                        types[column] = _wider(types.get(column), type(value))
        return types

    def _is_shown(self, view: ObjectView) -> bool:
        return not self.only or is_true(view, self.only)

    def _pieces(self, views: Iterable[ObjectView], columns: list[str]) -> Iterator[bytes]:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        for wanted in (True, False) if self.first else (False,):
            for view in filter(self._is_shown, views):
                row = row_of(view)
                if bool(row.get(self.first)) is wanted:
                    writer.writerow([_cell(row.get(column)) for column in columns])
                    if text.tell() > _PIECE_BYTES:
                        yield _emptied(text)
        yield _emptied(text)


def _wider(known: type | None, new: type) -> type:
    """Return the type that holds both: int and float make float, any other two text."""
    if known is None or known is new:
        return new
    return float if {known, new} == {int, float} else str


def _cell(value: Any) -> Any:
    return "" if value is None else repr(value) if isinstance(value, float) else value


def _emptied(text: io.StringIO) -> bytes:
    piece = text.getvalue().encode()
    text.seek(0)
    text.truncate()
    return piece


def _ecsv_header(columns: list[str], types: Mapping[str, type]) -> bytes:
    """Return the header of an ECSV 1.0 file (Astropy Proposal for Enhancement 6)."""
    described = []
    for column in columns:
        entry = {"name": column, "datatype": _DATATYPES.get(types.get(column, str), "string")}
        if (unit := quantity_of(column).unit) and entry["datatype"] == "float64":
            entry["unit"] = unit
        described.append(entry)
    header = {"delimiter": ",", "datatype": described, "schema": "astropy-2.0"}
    lines = ["%ECSV 1.0", "---", *yaml.safe_dump(header, sort_keys=False, width=10**6).splitlines()]
    return "".join(f"# {line}\n" for line in lines).encode()


def _chain(header: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield header
    yield from pieces

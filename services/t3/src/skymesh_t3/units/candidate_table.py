"""A table of a run's objects."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import yaml

from skymesh.units import ObjectView, ProductFile, Summary

_IDS: Final = ("stock", "channel", "alert", "state")
_UNITS: Final = {
    "_deg": "deg",
    "_arcsec": "arcsec",
    "_mag_ab": "mag",
    "_mjd_tai": "d",
    "_days": "d",
    "_njy": "nJy",
    "_mag_per_day": "mag / d",
}
_DATATYPES: Final = {bool: "bool", int: "int64", float: "float64", str: "string"}
_PIECE_BYTES: Final = 1 << 16


class CandidateTable(Summary):
    """One row per channel and object, as CSV and as ECSV (the same rows under a header with types and units).

    The first columns are the object and the ids of alert and state; then for each analyser the
    fields of its result as ``instance.field``, and its id as ``instance.result``. Absent values are
    empty. Every id can be given to ``skymesh trace``.

    Attributes
    ----------
    first
        A column such as ``decline.fast``: objects for which it is true come first, the others after
        them; in each part by channel and stock.
    """

    version = "1"

    first: str = ""

    def summarise(self, name: str, views: Iterable[ObjectView]) -> Iterator[ProductFile]:
        """Yield the CSV and the ECSV file."""
        types = _column_types(views)
        columns = list(dict.fromkeys([*_IDS, *([self.first] if self.first in types else []), *types]))
        yield ProductFile(f"{name}.csv", self._pieces(views, columns))
        yield ProductFile(f"{name}.ecsv", _chain(_ecsv_header(columns, types), self._pieces(views, columns)))

    def _pieces(self, views: Iterable[ObjectView], columns: list[str]) -> Iterator[bytes]:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        for wanted in (True, False) if self.first else (False,):
            for view in views:
                row = _row(view)
                if bool(row.get(self.first)) is wanted:
                    writer.writerow([_cell(row.get(column)) for column in columns])
                    if text.tell() > _PIECE_BYTES:
                        yield _emptied(text)
        yield _emptied(text)


def _column_types(views: Iterable[ObjectView]) -> dict[str, type]:
    """Return the columns met and the types that hold all their values."""
    types: dict[str, type] = {}
    for view in views:
        for column, value in _row(view).items():
            if value is not None:
                types[column] = _wider(types.get(column), type(value))
    return types


def _row(view: ObjectView) -> dict[str, Any]:
    row: dict[str, Any] = {
        "stock": view.stock,
        "channel": view.channel,
        "alert": view.alert,
        "state": view.state,
    }
    for instance, content in view.results.items():
        row.update(_flat(f"{instance}.", content))
    row.update({f"{instance}.result": id_ for instance, id_ in view.result_ids.items()})
    return row


def _flat(prefix: str, content: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield plain columns of a result: maps by key, lists as one text."""
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from _flat(f"{prefix}{key}.", value)
        elif isinstance(value, list | tuple):
            yield f"{prefix}{key}", " ".join(str(item) for item in value)
        elif isinstance(value, float) and not math.isfinite(value):
            yield f"{prefix}{key}", None
        else:
            yield f"{prefix}{key}", value


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
        parts = column.split(".")
        unit = next((unit for suffix, unit in _UNITS.items() if any(p.endswith(suffix) for p in parts)), None)
        if unit is not None and entry["datatype"] == "float64":
            entry["unit"] = unit
        described.append(entry)
    header = {"delimiter": ",", "datatype": described, "schema": "astropy-2.0"}
    lines = ["%ECSV 1.0", "---", *yaml.safe_dump(header, sort_keys=False, width=10**6).splitlines()]
    return "".join(f"# {line}\n" for line in lines).encode()


def _chain(header: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield header
    yield from pieces

"""The view of an object as one row: plain columns, named ``instance.field``, and what they measure."""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from skymesh.units.unit import ObjectView, Result

IDS: Final = ("stock", "channel", "alert", "state")
"""The columns that every row has."""


class Quantity(NamedTuple):
    """What a number measures.

    Attributes
    ----------
    unit
        Its unit, as astropy and the VOUnits standard of the IVOA both read it; empty if it is not known.
    ucd
        Its meaning, in the UCD1+ vocabulary of the IVOA; likewise.
    """

    unit: str = ""
    ucd: str = ""


# The first that fits holds: longer ends come first.
_BY_END: Final = {
    "_mag_per_day": Quantity("mag/d", "arith.rate;phot.mag"),
    "_mag_ab": Quantity("mag", "phot.mag"),
    "_njy": Quantity("nJy", "phot.flux.density"),
    "_mjd_tai": Quantity("d", "time.epoch"),
    "_days": Quantity("d", "time.duration"),
    "_ra_deg": Quantity("deg", "pos.eq.ra"),
    "_dec_deg": Quantity("deg", "pos.eq.dec"),
    "_deg": Quantity("deg"),
    "_arcsec": Quantity("arcsec", "pos.angDistance"),
}


def quantity_of(column: str) -> Quantity:
    """Return what a column measures, by the end of one of its dotted parts.

    ``decline.rate_mag_per_day.ztfg`` is a rate, and so is every other number below that field.
    """
    for part in column.split("."):
        for end, quantity in _BY_END.items():
            if f"_{part}".endswith(end):
                return quantity
    return Quantity()


def row_of(view: ObjectView) -> dict[str, Any]:
    """Return the columns of a view: `IDS`, the fields of each result, and the results' ids.

    A map within a result gives a column for each key, a list one text; a number that is not finite is
    absent.
    """
    row: dict[str, Any] = {name: getattr(view, name) for name in IDS}
    for instance, content in view.results.items():
        row.update(flat(content, f"{instance}."))
    row.update({f"{instance}.result": id_ for instance, id_ in view.result_ids.items()})
    return row


def is_true(view: ObjectView, column: str) -> bool:
    """Return whether a column such as ``decline.fast`` is true for an object; absent is not."""
    return bool(row_of(view).get(column))


def flat(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the plain columns of a result; see `row_of`."""
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        elif isinstance(value, list | tuple):
            yield f"{prefix}{key}", " ".join(str(item) for item in value)
        elif isinstance(value, float) and not math.isfinite(value):
            yield f"{prefix}{key}", None
        else:
            yield f"{prefix}{key}", value


Makes = Mapping[str, type[Result]]
"""The instances of a channel with their result types."""


def problem_of_column(column: str, channels: Mapping[str, Makes]) -> str:
    """Return why no object of some channels can have a column; empty if objects of one of them can."""
    if column in IDS or not channels:
        return ""
    instance, *parts = column.split(".")
    known = {name: None for makes in channels.values() for name in makes}
    if instance not in known:
        there = ", ".join((*IDS, *(f"{name}.…" for name in known)))
        return f"there is no column {column!r}; there are: {there}"
    kinds = [makes[instance] for makes in channels.values() if instance in makes]
    problems = [] if parts == ["result"] else [_problem(kind, parts, instance) for kind in kinds]
    return problems[0] if problems and all(problems) else ""


def _problem(hint: Any, parts: Sequence[str], said: str) -> str:
    """Return why values of a type give no column of that name; empty if they may."""
    origin = typing.get_origin(hint) or hint
    if origin in (typing.Union, types.UnionType):
        options = [option for option in typing.get_args(hint) if option is not types.NoneType]
        problems = [_problem(option, parts, said) for option in options]
        return problems[0] if all(problems) else ""
    if origin is Any or not isinstance(origin, type):
        return ""  # the annotation says nothing more
    if issubclass(origin, msgspec.Struct):
        return _problem_of_field(origin, parts, said)
    if issubclass(origin, Mapping):
        return "" if parts else f"{said} has a column for each of its keys: say {said}.KEY"
    return f"{said} is {origin.__name__}, without parts" if parts else ""


def _problem_of_field(kind: type[msgspec.Struct], parts: Sequence[str], said: str) -> str:
    names = kind.__struct_fields__
    if not parts:
        return f"{said} has a column for each of its parts: {', '.join(names)}"
    if parts[0] not in names:
        return f"{said} has no {parts[0]!r}; it has: {', '.join(names)}"
    return _problem(typing.get_type_hints(kind)[parts[0]], parts[1:], f"{said}.{parts[0]}")

"""Rows of Avro records read at once, by layouts that were met before.

Where each value of an encoded record lies follows from few of its bits: the branches of its unions, the
lengths of its texts and the continuation bits of its numbers. The hundreds of entries in the histories
of a survey agree in them up to a handful of cases. So a layout is a mask that selects those bits, what
they are, and one `struct` format for all values; a row whose bits agree is read in one go. Any other
row is read field by field, and its layout is learned if it is met again.

Source of the encoding: Apache Avro 1.11 specification, "Binary Encoding".
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from skymesh.codecs.avro_primitives import FLOATS, read_long

Row = tuple[Any, ...]
Decoder = Callable[[bytes, int], tuple[Any, int]]
Rows = Callable[[bytes, int, int], tuple[list[Any], int]]

_SIGHTINGS = 8
_MOST_LAYOUTS = 24
# Looking for layouts where there are none costs time, and ends.
_MOST_LOOKS = 300
_LONGEST_LAYOUT = 2048
_MORE = 0x80
_GROUP = 4
_FIXED = {**FLOATS, "boolean": ("B", 1)}
_NUMBERS, _TEXTS = frozenset({"int", "long"}), frozenset({"bytes", "string"})


class RowField(NamedTuple):
    """A field of a flat record.

    Attributes
    ----------
    name
        Its name.
    branches
        Names of its primitive types; more than one if it is a union.
    is_union
        Whether a branch stands before its value.
    """

    name: str
    branches: tuple[str, ...]
    is_union: bool


class _Layout(NamedTuple):
    size: int
    mask: int
    bits: int
    read: Callable[[bytes, int], Row]


class _Part(NamedTuple):
    """One piece of a row: the bits that make its place, its letters in a `struct`, and its value.

    In `value`, ``{0}``, ``{1}`` … stand for what the letters unpack.
    """

    mask: bytes
    bits: bytes
    letters: str
    unpacked: int
    value: str


def flat_fields(schema: dict[str, Any]) -> tuple[RowField, ...] | None:
    """Return the fields of a record schema whose fields are primitives and unions of them, else None."""
    fields = []
    for field in schema["fields"]:
        kind = field["type"]
        branches = tuple(kind) if isinstance(kind, list) else (kind,)
        if not all(isinstance(b, str) and b in {"null", *_FIXED, *_NUMBERS, *_TEXTS} for b in branches):
            return None
        fields.append(RowField(field["name"], branches, isinstance(kind, list)))
    return tuple(fields)


def row_reader(fields: Sequence[RowField], columns: Sequence[str], decode: Decoder) -> Rows:
    """Return a function that reads neighbouring rows of a table.

    Parameters
    ----------
    fields
        The fields of a row's record.
    columns
        Which of them a row consists of, in this order; None stands for those that are not there.
    decode
        Reads any one row.

    Returns
    -------
    Rows
        ``read(data, offset, count) -> (rows, offset behind them)``. It raises what `decode` raises, and
        `struct.error` where the data end within a row.
    """
    layouts: list[_Layout] = []
    seen: Counter[tuple[int, int]] = Counter()
    widest = 0
    from_bytes = int.from_bytes

    def read(data: bytes, offset: int, count: int) -> tuple[list[Any], int]:
        rows = []
        for _ in range(count):
            bits = from_bytes(data[offset : offset + widest], "little")
            for size, mask, expected, read_row in layouts:
                if bits & mask == expected:
                    rows.append(read_row(data, offset))
                    offset += size
                    break
            else:
                row, end = decode(data, offset)
                learn(data[offset:end])
                rows.append(row)
                offset = end
        return rows, offset

    def learn(row: bytes) -> None:
        nonlocal widest
        if len(layouts) >= _MOST_LAYOUTS or seen.total() >= _MOST_LOOKS or len(row) > _LONGEST_LAYOUT:
            return
        parts = list(_parts(fields, row))
        mask = from_bytes(b"".join(part.mask for part in parts), "little")
        bits = from_bytes(b"".join(part.bits for part in parts), "little")
        seen[mask, bits] += 1
        if seen[mask, bits] == _SIGHTINGS:
            names = [field.name for field in fields]
            layouts.append(
                _Layout(len(row), mask, bits, _compile(dict(zip(names, parts, strict=True)), columns))
            )
            widest = max(widest, len(row))

    return read


def _parts(fields: Sequence[RowField], row: bytes) -> Iterator[_Part]:
    """Yield one part for each field of a row that was read without error."""
    offset = 0
    for field in fields:
        part = _part(field, row, offset)
        yield part
        offset += len(part.mask)


def _part(field: RowField, row: bytes, offset: int) -> _Part:
    if not field.is_union:
        return _plain(field.branches[0], row, offset)
    branch = row[offset]
    part = _plain(field.branches[branch >> 1], row, offset + 1)
    return part._replace(
        mask=b"\xff" + part.mask, bits=bytes([branch]) + part.bits, letters="x" + part.letters
    )


def _plain(kind: str, row: bytes, offset: int) -> _Part:
    if kind == "null":
        return _Part(b"", b"", "", 0, "None")
    if kind in _FIXED:
        letter, size = _FIXED[kind]
        return _Part(bytes(size), bytes(size), letter, 1, "{0} != 0" if kind == "boolean" else "{0}")
    number, end = read_long(row, offset)
    digits = row[offset:end]
    if kind in _NUMBERS:
        more = bytes(digit & _MORE for digit in digits)
        return _Part(bytes([_MORE]) * len(digits), more, "B" * len(digits), len(digits), _number(len(digits)))
    mask, bits = b"\xff" * len(digits) + bytes(number), digits + bytes(number)
    value = 'str({0}, "utf-8")' if kind == "string" else "{0}"
    return _Part(mask, bits, f"{len(digits)}x{number}s", 1, value)


def _number(size: int) -> str:
    """Return the expression of a varint's value; digits are put together in groups that stay small."""
    digits = [f"({{{place}}} & 127) << {7 * (place % _GROUP)}" for place in range(size)]
    groups = [" | ".join(digits[place : place + _GROUP]) for place in range(0, size, _GROUP)]
    whole = " | ".join(f"({group}) << {7 * _GROUP * place}" for place, group in enumerate(groups))
    return f"((n := {whole}) >> 1) ^ -(n & 1)"


def _compile(parts: dict[str, _Part], columns: Sequence[str]) -> Callable[[bytes, int], Row]:
    """Return a function that reads the columns of a row of this layout."""
    letters, values, count = "", {}, 0
    for name, part in parts.items():
        if name not in columns:
            letters += f"{len(part.mask)}x"
            continue
        letters += part.letters
        values[name] = f"({part.value})".format(*(f"v{count + place}" for place in range(part.unpacked)))
        count += part.unpacked
    row = "".join(f"{values.get(column)}, " for column in columns)
    targets = "".join(f"v{place}, " for place in range(count))
    unpack = f"    {targets}= unpack(data, offset)\n" if count else ""
    names: dict[str, Any] = {"unpack": struct.Struct("<" + letters).unpack_from}
    source = f"def read(data, offset):\n{unpack}    return ({row})"
    exec(compile(source, "<avro layout>", "exec"), names)
    reader: Callable[[bytes, int], Row] = names["read"]
    return reader

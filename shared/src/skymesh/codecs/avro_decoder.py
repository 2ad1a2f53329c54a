"""Decoders compiled from Avro writer schemas.

Survey packets repeat one wide record (a ZTF history entry has some fifty nullable floats) up to
hundreds of times, and a general decoder pays for each field anew. Here a writer schema is turned
once into Python source in which neighbouring fixed-width fields are unpacked together, as long as
all of them are there or all of them are null; any other mixture is read field by field. The entries of a
history, which are read as tuples, are handed to `skymesh.codecs.avro_layouts`. The values are those of
`fastavro.schemaless_reader`, which the tests hold it to.

Only what alert packets consist of is compiled. For any other schema `compile_decoder` returns None
and the caller reads with fastavro.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Any

from skymesh.codecs.avro_layouts import Decoder, Rows, flat_fields, row_reader
from skymesh.codecs.avro_primitives import FLOATS, CorruptRecordError, read_bytes, read_long

_Columns = tuple[str, ...]
_Field = tuple[str, Any, _Columns | None]
_Fields = list[_Field]
_WITH_NULL = 2
_NO_TABLES: Mapping[str, _Columns] = {}
_VARINT = """\
{target} = data[p]
if {target} < 128:
    {target} = ({target} >> 1) ^ -({target} & 1); p += 1
else:
    {target}, p = read_long(data, p)"""
_STRING = """\
size = data[p]
if size < 128 and not size & 1 and p + (size >> 1) < len(data):
    {target} = str(data[p + 1 : p + 1 + (size >> 1)], "utf-8"); p += 1 + (size >> 1)
else:
    {target}, p = read_bytes(data, p); {target} = {target}.decode()"""
_READS = {
    "null": "{target} = None",
    "boolean": "{target} = data[p] != 0; p += 1",
    "int": _VARINT,
    "long": _VARINT,
    "bytes": "{target}, p = read_bytes(data, p)",
    "string": _STRING,
}

_TIMESTAMP = ("long", "timestamp-micros")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_SKIPPED = "skipped"
"""Name of what is read past: a field that is no column of its table."""
_SKIP_VARINT = ("_, p = read_long(data, p)",)
_SKIP_BYTES = (
    "size, p = read_long(data, p); p += size",
    "if size < 0 or p > len(data):",
    "    raise Corrupt('a length beyond the end of the record')",
)
_SKIPS = {"int": _SKIP_VARINT, "long": _SKIP_VARINT, "bytes": _SKIP_BYTES, "string": _SKIP_BYTES}


class UnsupportedSchemaError(ValueError):
    """A schema holds a type that is not compiled; internal to this module."""


class RecursiveSchemaError(ValueError):
    """A record holds itself: no alert does, and a few bytes could nest without end."""


def compile_decoder(schema: Any, tables: Mapping[str, _Columns] = _NO_TABLES) -> Decoder | None:
    """Compile a decoder for one writer schema.

    Parameters
    ----------
    schema
        The schema as parsed JSON.
    tables
        Fields of the top record that are lists of records, with the columns to read of them: each
        such record becomes a tuple of these columns, None where the schema does not have one.

    Returns
    -------
    Decoder or None
        ``decode(data, offset) -> (value, offset behind it)``; None where the schema holds types
        (maps, enums, fixed, logical types but timestamps in microseconds) that are left to fastavro.

    Raises
    ------
    RecursiveSchemaError
        If a record holds itself.

    Notes
    -----
    A decoder raises `CorruptRecordError`, IndexError, `struct.error` or UnicodeDecodeError on bytes
    that are no such record, and never reads or allocates beyond them.
    """
    source = _Source(tables)
    try:
        root = source.add(schema)
    except UnsupportedSchemaError:
        return None
    return source.build(root)


def read_items(data: bytes, offset: int, read: Rows) -> tuple[list[Any], int]:
    """Read an array: blocks of items up to an empty one."""
    items: list[Any] = []
    while True:
        count, offset = read_long(data, offset)
        if count == 0:
            return items, offset
        if count < 0:
            count = -count
            _, offset = read_long(data, offset)
        if count > len(data) - offset:
            raise CorruptRecordError("an array longer than the record")
        part, offset = read(data, offset, count)
        items += part


def read_mixed(data: bytes, offset: int, nulls: bytes, one: struct.Struct) -> tuple[list[Any], int]:
    """Read nullable values of one fixed-width type, given the branch byte of null for each."""
    values: list[Any] = []
    for null in nulls:
        branch = data[offset]
        offset += 1
        if branch == null:
            values.append(None)
        elif branch == _WITH_NULL - null:
            values.append(one.unpack_from(data, offset)[0])
            offset += one.size
        else:
            raise CorruptRecordError("a union branch that the schema does not have")
    return values, offset


def one_by_one(decode: Decoder) -> Rows:
    """Return a function that reads neighbouring items one after the other."""

    def read(data: bytes, offset: int, count: int) -> tuple[list[Any], int]:
        items = []
        for _ in range(count):
            item, offset = decode(data, offset)
            items.append(item)
        return items, offset

    return read


class _Source:
    """The growing source text of one decoder, with the constants that it refers to."""

    def __init__(self, tables: Mapping[str, _Columns]) -> None:
        self._tables = tables
        self.lines: list[str] = []
        self._count = 0
        self.names: dict[str, Any] = {
            "read_long": read_long,
            "read_bytes": read_bytes,
            "read_items": read_items,
            "read_mixed": read_mixed,
            "one_by_one": one_by_one,
            "row_reader": row_reader,
            "Corrupt": CorruptRecordError,
            "EPOCH": _EPOCH,
            "microseconds": partial(timedelta, 0, 0),
        }
        self._records: dict[str, Any] = {}
        self._open: set[str] = set()

    def build(self, root: str) -> Decoder:
        text = "\n".join(self.lines)
        exec(compile(text, "<avro decoder>", "exec"), self.names)
        decoder: Decoder = self.names[root]
        return decoder

    def constant(self, value: Any) -> str:
        name = f"K{len(self.names)}"
        self.names[name] = value
        return name

    def add(self, schema: Any, namespace: str = "", columns: _Columns | None = None) -> str:
        """Add a function that decodes `schema`; return its name."""
        self._count += 1
        name = f"decode_{self._count}"
        if isinstance(schema, dict) and schema.get("type") == "record":
            body = list(self._record(schema, namespace, columns))
        else:
            body = [*self._value(("value", schema, columns), namespace), "return value, p"]
        self.lines += [f"def {name}(data, p):", *(f"    {line}" for line in body)]
        return name

    def _add_items(self, schema: Any, namespace: str, columns: _Columns | None) -> str:
        """Add a function that reads neighbouring items of an array; return its name."""
        decode = self.add(schema, namespace, columns)
        fields = None
        record = self._records.get(_full_name(schema, namespace)) if isinstance(schema, str) else schema
        if columns is not None and isinstance(record, dict) and record.get("type") == "record":
            fields = flat_fields(record)
        if fields is None:
            made = f"one_by_one({decode})"
        else:
            made = f"row_reader({self.constant(fields)}, {self.constant(columns)}, {decode})"
        self.lines.append(f"{decode}_items = {made}")
        return f"{decode}_items"

    def _record(self, schema: dict[str, Any], namespace: str, columns: _Columns | None) -> Iterator[str]:
        namespace = schema.get("namespace", namespace)
        full_name = _full_name(schema["name"], namespace)
        self._records[full_name] = schema
        tables = {} if self._open else self._tables
        fields = [
            (
                f"v{i}" if columns is None or f["name"] in columns else _SKIPPED,
                f["type"],
                tables.get(f["name"]),
            )
            for i, f in enumerate(schema["fields"])
        ]
        self._open.add(full_name)
        for (layout, is_nullable), group in groupby(fields, key=lambda field: _layout(field[1])):
            yield from self._neighbours(list(group), layout, namespace, is_nullable=is_nullable)
        self._open.discard(full_name)
        names = {f["name"]: target for f, (target, _, _) in zip(schema["fields"], fields, strict=True)}
        if columns is None:
            yield f"return {{{', '.join(f'{name!r}: {target}' for name, target in names.items())}}}, p"
        else:
            yield f"return ({''.join(f'{names.get(column)}, ' for column in columns)}), p"

    def _neighbours(
        self, members: _Fields, layout: tuple[str, int] | None, namespace: str, *, is_nullable: bool
    ) -> Iterator[str]:
        """Read neighbouring fields of one type; those of fixed width at once, if all or none are there."""
        if layout is None or len(members) == 1:
            for member in members:
                yield from self._value(member, namespace)
            return
        letter, width = layout
        targets = [target for target, _, _ in members]
        if not is_nullable:
            unpack = self.constant(struct.Struct("<" + letter * len(members)).unpack_from)
            yield f"{', '.join(targets)} = {unpack}(data, p); p += {len(members) * width}"
            return
        nulls = bytes(_null_byte(kind) or 0 for _, kind, _ in members)
        yield f"if data[p] == {nulls[0]} and data.startswith({nulls!r}, p):"
        yield f"    {' = '.join(targets)} = None; p += {len(members)}"
        end = len(members) * (width + 1)
        unpack = self.constant(struct.Struct("<" + f"x{letter}" * len(members)).unpack_from)
        # A branch byte stands before each value, so equal strides show whether all are there.
        present = bytes(_WITH_NULL - null for null in nulls)
        yield f"elif data[p : p + {end} : {width + 1}] == {present!r}:"
        yield f"    {', '.join(targets)} = {unpack}(data, p); p += {end}"
        one = self.constant(struct.Struct(f"<{letter}"))
        yield "else:"
        yield f"    ({', '.join(targets)}), p = read_mixed(data, p, {nulls!r}, {one})"

    def _value(self, field: _Field, namespace: str) -> Iterator[str]:
        target, kind, columns = field
        if isinstance(kind, list):
            yield from self._union(field, namespace)
            return
        name = kind if isinstance(kind, str) else kind.get("type")
        if isinstance(kind, dict) and "logicalType" in kind:
            if (name, kind["logicalType"]) != _TIMESTAMP:
                raise UnsupportedSchemaError(str(kind))
            yield from _VARINT.format(target=target).splitlines()
            yield f"{target} = EPOCH + microseconds({target})"
        elif target == _SKIPPED and name in _SKIPS:
            yield from _SKIPS[name]
        elif name in _READS:
            yield from _READS[name].format(target=target).splitlines()
        elif name in FLOATS:
            letter, size = FLOATS[name]
            yield f"{target}, = {self.constant(struct.Struct('<' + letter).unpack_from)}(data, p)"
            yield f"p += {size}"
        elif name == "array" and isinstance(kind, dict):
            yield f"{target}, p = read_items(data, p, {self._add_items(kind['items'], namespace, columns)})"
        elif name == "record" and isinstance(kind, dict):
            yield f"{target}, p = {self.add(kind, namespace, columns)}(data, p)"
        else:
            yield from self._named(str(name), target, namespace, columns)

    def _named(self, name: str, target: str, namespace: str, columns: _Columns | None) -> Iterator[str]:
        full_name = _full_name(name, namespace)
        if full_name in self._open:
            raise RecursiveSchemaError(f"{name} holds itself")
        if full_name not in self._records:
            raise UnsupportedSchemaError(name)
        yield f"{target}, p = {self.add(self._records[full_name], namespace, columns)}(data, p)"

    def _union(self, field: _Field, namespace: str) -> Iterator[str]:
        target, branches, columns = field
        if not branches:
            raise UnsupportedSchemaError("a union of nothing")
        yield "branch = data[p]; p += 1"
        for index, branch in enumerate(branches):
            yield f"{'if' if index == 0 else 'elif'} branch == {2 * index}:"
            yield from (f"    {line}" for line in self._value((target, branch, columns), namespace))
        yield "else:"
        yield "    raise Corrupt('a union branch that the schema does not have')"


def _null_byte(kind: Any) -> int | None:
    """Return the branch byte of null in a union of null and one other type, else None."""
    if isinstance(kind, list) and len(kind) == _WITH_NULL and "null" in kind:
        return 2 * kind.index("null")
    return None


def _layout(kind: Any) -> tuple[tuple[str, int] | None, bool]:
    """Return struct letter and width of a fixed-width type (None for others), and whether it is nullable."""
    is_nullable = _null_byte(kind) is not None
    if is_nullable:
        kind = kind[1 - kind.index("null")]
    return FLOATS.get(kind) if isinstance(kind, str) else None, is_nullable


def _full_name(name: str, namespace: str) -> str:
    return name if "." in name or not namespace else f"{namespace}.{name}"

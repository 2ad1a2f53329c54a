"""Rows read by layouts that were met before are the rows that fastavro reads."""

from __future__ import annotations

import io
import struct

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skymesh.codecs import avro_layouts
from skymesh.codecs.avro_decoder import compile_decoder
from skymesh.codecs.avro_layouts import flat_fields
from skymesh.codecs.avro_primitives import CorruptRecordError

VALUES = {
    "null": st.none(),
    "boolean": st.booleans(),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1) | st.integers(-70, 70),
    "float": st.floats(width=32, allow_nan=False),
    "double": st.floats(allow_nan=False),
    "bytes": st.binary(max_size=90),
    "string": st.text(st.characters(codec="utf-8"), max_size=90),
}
DAMAGE = (CorruptRecordError, IndexError, ValueError, struct.error)
OFTEN = avro_layouts._SIGHTINGS + 3


@st.composite
def tables(draw):
    """A flat record, the columns to read of it, and rows that differ in their layouts."""
    kinds = draw(st.lists(st.sampled_from(sorted(VALUES)), max_size=12))
    # At the front one that takes a byte: a list of rows of no bytes is damage.
    fields, values = [{"name": "front", "type": "boolean"}], {"front": st.booleans()}
    for number, kind in enumerate(kinds):
        unions = [["null", kind], [kind, "null"], ["long", "null", "string"]]
        branches = kind if kind == "null" else draw(st.sampled_from([kind, *unions]))
        fields.append({"name": f"f{number}", "type": branches})
        names = branches if isinstance(branches, list) else [branches]
        values[f"f{number}"] = st.one_of([VALUES[name] for name in names])
    names = [field["name"] for field in fields]
    columns = draw(st.lists(st.sampled_from([*names, "missing"]), unique=True))
    rows = draw(st.lists(st.fixed_dictionaries(values), min_size=1, max_size=4))
    return {"type": "record", "name": "Row", "fields": fields}, tuple(columns), rows


def varied(row, number):
    """Another row of the same layout: other numbers of as many bytes, other letters."""
    return {name: _varied(value, number) for name, value in row.items()}


def _varied(value, number):
    if isinstance(value, bool):
        return value == bool(number % 2)
    if isinstance(value, int):
        return value if number % 2 else ~value
    if isinstance(value, float):
        return number / 8
    return value[::-1] if isinstance(value, bytes) else value


def encoded(schema, rows):
    stream = io.BytesIO()
    parsed = fastavro.parse_schema({"type": "array", "items": schema})
    fastavro.schemaless_writer(stream, parsed, rows)
    return stream.getvalue()


def top(schema, rows):
    """A record with one table, as bytes, and its schema."""
    whole = {
        "type": "record",
        "name": "Top",
        "fields": [{"name": "rows", "type": {"type": "array", "items": schema}}],
    }
    return whole, encoded(schema, rows)


@given(tables(), st.lists(st.integers(0, 3), min_size=1, max_size=12))
def test_rows_are_the_same_before_and_after_their_layout_is_learned(table, order):
    schema, columns, kinds = table
    rows = [varied(kinds[kind % len(kinds)], number) for number, kind in enumerate(order * OFTEN)]
    whole, data = top(schema, rows)
    found, end = compile_decoder(whole, {"rows": columns})(data, 0)
    assert found["rows"] == [tuple(row.get(column) for column in columns) for row in rows]
    assert [[type(value) for value in row] for row in found["rows"]] == [
        [type(row.get(column)) for column in columns] for row in rows
    ]
    assert end == len(data)


@given(tables(), st.data())
def test_a_row_that_is_cut_off_is_damage_also_when_its_layout_is_known(table, data):
    schema, columns, kinds = table
    whole, taught = top(schema, [kinds[0]] * OFTEN)
    decode = compile_decoder(whole, {"rows": columns})
    decode(taught, 0)
    _, short = top(schema, kinds[:1])
    cut = data.draw(st.integers(0, len(short) - 1))
    with pytest.raises(DAMAGE):
        decode(short[:cut], 0)


def test_layouts_are_learned_and_used(monkeypatch):
    """Without this, the tests above would pass on a reader that never learns."""
    made = []
    original = avro_layouts._compile
    monkeypatch.setattr(avro_layouts, "_compile", lambda *given: made.append(given) or original(*given))
    schema = {"type": "record", "name": "Row", "fields": [{"name": "x", "type": ["null", "long"]}]}
    fields = flat_fields(schema)
    slow = []

    def decode(data, offset):
        slow.append(offset)
        return (data[offset + 1] // 2,), offset + 2

    read = avro_layouts.row_reader(fields, ("x",), decode)
    rows = [{"x": number % 60} for number in range(OFTEN)]
    found, _ = read(encoded(schema, rows), 1, OFTEN)
    assert found == [(row["x"],) for row in rows]
    assert len(made) == 1
    assert len(slow) == avro_layouts._SIGHTINGS


def test_looking_for_layouts_ends_where_no_row_is_like_another():
    schema = {"type": "record", "name": "Row", "fields": [{"name": "x", "type": "string"}]}
    rows = [{"x": "x" * number} for number in range(avro_layouts._MOST_LOOKS + 50)]
    whole, data = top(schema, rows)
    assert compile_decoder(whole, {"rows": ("x",)})(data, 0)[0]["rows"] == [(row["x"],) for row in rows]


@pytest.mark.parametrize(
    "kind",
    [{"type": "array", "items": "int"}, ["null", {"type": "array", "items": "int"}], {"type": "long"}],
)
def test_a_record_with_anything_but_plain_primitives_has_no_layouts(kind):
    assert flat_fields({"type": "record", "name": "R", "fields": [{"name": "x", "type": kind}]}) is None

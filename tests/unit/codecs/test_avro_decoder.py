"""The compiled decoder reads what fastavro reads, whatever the schema."""

from __future__ import annotations

import contextlib
import io
import math
import struct

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skymesh.codecs.avro_decoder import (
    CorruptRecordError,
    RecursiveSchemaError,
    compile_decoder,
    read_bytes,
    read_long,
)

PRIMITIVES = {
    "null": st.none(),
    "boolean": st.booleans(),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1) | st.integers(-70, 70),
    "float": st.floats(width=32),
    "double": st.floats(),
    "bytes": st.binary(max_size=300),
    "string": st.text(st.characters(codec="utf-8"), max_size=150),
}
NOT_NULL = sorted(set(PRIMITIVES) - {"null"})


def nullable(kind, values, *, null_first):
    return (["null", kind] if null_first else [kind, "null"]), st.none() | values


@st.composite
def types(draw, depth=2):
    """A schema, and a strategy for its values."""
    form = draw(
        st.sampled_from(["primitive", "nullable", "nullable", "union"] + ["array", "record"] * (depth > 0))
    )
    if form == "array":
        kind, values = draw(types(depth=depth - 1))
        return {"type": "array", "items": kind}, st.lists(values, max_size=3)
    if form == "record":
        return draw(records(depth=depth - 1))
    if form == "union":
        return ["null", "long", "string"], st.none() | PRIMITIVES["long"] | PRIMITIVES["string"]
    name = draw(st.sampled_from(NOT_NULL))
    if form == "primitive":
        return draw(st.sampled_from([name, {"type": name}])), PRIMITIVES[name]
    return nullable(name, PRIMITIVES[name], null_first=draw(st.booleans()))


@st.composite
def runs(draw):
    """Several neighbouring fields of one type, as packets have them."""
    name = draw(st.sampled_from(["float", "double", "int", "long", "string"]))
    size = draw(st.integers(1, 9))
    if draw(st.booleans()):
        return [(name, PRIMITIVES[name])] * size
    orders = draw(st.lists(st.booleans(), min_size=size, max_size=size))
    return [nullable(name, PRIMITIVES[name], null_first=first) for first in orders]


@st.composite
def records(draw, depth=2):
    parts = draw(st.lists(runs() | types(depth=depth).map(lambda item: [item]), min_size=1, max_size=4))
    fields = [field for part in parts for field in part]
    names = [f"f{i}" for i in range(len(fields))]
    schema = {
        "type": "record",
        "name": f"R{draw(st.uuids(version=4)).hex}",
        "fields": [{"name": name, "type": kind} for name, (kind, _) in zip(names, fields, strict=True)],
    }
    return schema, st.fixed_dictionaries({n: values for n, (_, values) in zip(names, fields, strict=True)})


def encoded(schema, value):
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, fastavro.parse_schema(schema), value)
    return stream.getvalue()


def same(one, other):
    """Equal values of equal types; NaN equals NaN."""
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


@given(st.data())
def test_compiled_decoder_equals_fastavro(data):
    schema, values = data.draw(records())
    value = data.draw(values)
    encoding = encoded(schema, value)
    decode = compile_decoder(schema)
    assert decode is not None
    ours, end = decode(b"ab" + encoding + b"cd", 2)
    theirs = fastavro.schemaless_reader(io.BytesIO(encoding), fastavro.parse_schema(schema), None)
    assert same(ours, theirs)
    assert end == 2 + len(encoding)


@given(st.data())
def test_a_cut_record_is_never_read_as_a_whole_one(data):
    schema, values = data.draw(records())
    encoding = encoded(schema, data.draw(values))
    cut = data.draw(st.integers(0, max(len(encoding) - 1, 0)))
    with contextlib.suppress(CorruptRecordError, IndexError, ValueError, struct.error):
        _, end = compile_decoder(schema)(encoding[:cut], 0)
        # A record of no bytes, or of nulls at its end, cannot be told from a cut one.
        assert end <= cut


@pytest.mark.parametrize(
    "kind",
    [
        {"type": "map", "values": "long"},
        {"type": "enum", "name": "E", "symbols": ["A"]},
        {"type": "fixed", "name": "F", "size": 2},
        {"type": "long", "logicalType": "timestamp-millis"},
        [],
    ],
    ids=["map", "enum", "fixed", "logical", "union of nothing"],
)
def test_types_that_alerts_do_not_use_are_left_to_fastavro(kind):
    assert compile_decoder({"type": "record", "name": "R", "fields": [{"name": "x", "type": kind}]}) is None


@given(st.none() | st.integers(-(10**15), 10**15))
def test_timestamps_in_microseconds_are_moments_in_utc(number):
    when = {"type": "long", "logicalType": "timestamp-micros"}
    schema = {"type": "record", "name": "R", "fields": [{"name": "t", "type": ["null", when]}]}
    plain = {"type": "record", "name": "R", "fields": [{"name": "t", "type": ["null", "long"]}]}
    data = encoded(plain, {"t": number})
    theirs = fastavro.schemaless_reader(io.BytesIO(data), fastavro.parse_schema(schema), None)
    assert compile_decoder(schema)(data, 0) == (theirs, len(data))


def test_a_record_that_holds_itself_is_refused():
    """A few bytes of it could nest without end."""
    fields = [{"name": "x", "type": ["null", "R"]}]
    with pytest.raises(RecursiveSchemaError):
        compile_decoder({"type": "record", "name": "R", "fields": fields})


def test_a_record_may_be_named_again_in_another_namespace():
    inner = {"type": "record", "name": "inner", "fields": [{"name": "x", "type": ["null", "int"]}]}
    fields = [
        {"name": "a", "type": inner},
        {"name": "b", "type": ["null", "inner"]},
        {"name": "c", "type": "n.s.inner"},
    ]
    schema = {"type": "record", "name": "outer", "namespace": "n.s", "fields": fields}
    value = {"a": {"x": 1}, "b": {"x": None}, "c": {"x": -2}}
    assert compile_decoder(schema)(encoded(schema, value), 0)[0] == value


def test_history_lists_become_tuples_of_the_columns_asked_for():
    row = {"type": "record", "name": "Row", "fields": [{"name": n, "type": ["null", "float"]} for n in "abc"]}
    fields = [
        {"name": "rows", "type": ["null", {"type": "array", "items": row}]},
        {"name": "x", "type": "int"},
    ]
    schema = {"type": "record", "name": "Top", "fields": fields}
    decode = compile_decoder(schema, {"rows": ("c", "missing", "a")})
    value = {"rows": [{"a": 1.0, "b": 2.0, "c": 3.0}, {"a": None, "b": None, "c": None}], "x": 7}
    expected = {"rows": [(3.0, None, 1.0), (None, None, None)], "x": 7}
    assert decode(encoded(schema, value), 0)[0] == expected
    assert decode(encoded(schema, {"rows": None, "x": 7}), 0)[0] == {"rows": None, "x": 7}


@pytest.mark.parametrize("rows", [0, 1, 30])
def test_history_lists_of_a_record_named_before_become_tuples_too(rows):
    """A survey's history may hold the record of its triggering source, by name."""
    kinds = {"a": "double", "b": ["null", "string"], "c": ["null", "boolean"]}
    row = {"type": "record", "name": "Row", "fields": [{"name": n, "type": k} for n, k in kinds.items()]}
    history = ["null", {"type": "array", "items": "n.s.Row"}]
    fields = [{"name": "newest", "type": row}, {"name": "rows", "type": history}]
    schema = {"type": "record", "name": "Top", "namespace": "n.s", "fields": fields}
    values = [{"a": number + 0.5, "b": "x" * (number % 3), "c": None} for number in range(rows)]
    value = {"newest": {"a": 1.0, "b": None, "c": True}, "rows": values}
    found, _ = compile_decoder(schema, {"rows": ("c", "a", "missing", "b")})(encoded(schema, value), 0)
    assert found["newest"] == value["newest"]
    assert found["rows"] == [(v["c"], v["a"], None, v["b"]) for v in values]


@given(st.integers(-(2**63), 2**63 - 1))
def test_a_long_reads_back(number):
    data = encoded("long", number)
    assert read_long(data, 0) == (number, len(data))


def test_a_number_without_end_and_a_length_beyond_the_data_are_corrupt():
    with pytest.raises(CorruptRecordError):
        read_long(b"\xff" * 11 + b"\x01", 0)
    with pytest.raises(CorruptRecordError):
        read_bytes(b"\x08abc", 0)
    with pytest.raises(CorruptRecordError):
        read_bytes(b"\x01abc", 0)


def test_an_array_that_claims_more_items_than_bytes_is_not_allocated():
    schema = {"type": "array", "items": "null"}
    with pytest.raises(CorruptRecordError):
        compile_decoder(schema)(encoded("long", 2**40) + b"\x00", 0)

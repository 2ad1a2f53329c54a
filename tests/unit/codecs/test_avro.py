"""Containers: every codec, every record, and every damage accounted for."""

from __future__ import annotations

import functools
import io
import json

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skymesh.codecs.avro import MAX_PAYLOAD, Damage, Record, iter_records, read_header
from skymesh.codecs.avro_decoder import compile_decoder
from skymesh.errors import UndecodableAlertError, UnknownSchemaError
from support.packets import JD, container, detection, limit, packet, record

CODECS = ["null", "deflate", "snappy", "zstandard"]
HISTORY = [detection(), limit(), detection(jd_utc=JD - 6, programid=2)]


def read(data):
    return list(iter_records(data, lambda _: ()))


def by_fastavro(data):
    return list(fastavro.reader(io.BytesIO(data)))


@functools.cache
def several(codec="null", count=4):
    """A container whose records lie in a block each."""
    records = [record(jd_utc=JD + day, history=HISTORY, cutouts=True) for day in range(count)]
    return container(records, codec=codec, sync_interval=1)


def block_ends(data):
    """Where each block with its sync marker ends, by searching for the marker."""
    header_end = read_header(data)[1]
    marker = data[header_end : header_end + 16]
    ends, place = [], header_end + 16
    while (place := data.find(marker, place)) >= 0:
        place += 16
        ends.append(place)
    return header_end + 16, ends


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("sync_interval", [1, 30_000, 10**6])
def test_every_codec_gives_what_fastavro_gives(codec, sync_interval):
    records = [record(jd_utc=JD + day, history=HISTORY, cutouts=True) for day in range(5)]
    data = container(records, codec=codec, sync_interval=sync_interval)
    items = read(data)
    assert [item.value for item in items] == by_fastavro(data)
    assert [item[0] for item in items] == [0, 1, 2, 3, 4]


def test_a_header_names_schema_and_codec_and_is_kept_for_equal_headers():
    one, other = read_header(packet(codec="deflate"))[0], read_header(packet(candid=7, codec="deflate"))[0]
    assert one is other
    assert one.codec == "deflate"
    assert one.schema["name"] == "ztf.alert"


@pytest.mark.parametrize("data", [b"", b"O", b"Obj", b"PK\x03\x04", b"Obj\x01", b"Obj\x02" + bytes(100)])
def test_what_is_no_container_is_undecodable(data):
    with pytest.raises(UndecodableAlertError):
        read(data)


def test_a_container_without_records_is_empty():
    assert read(container([])) == []


def test_trailing_bytes_are_damage_behind_the_records():
    items = read(several() + b"\x02")
    assert [type(item) for item in items] == [Record] * 4 + [Damage]


@pytest.mark.parametrize("codec", CODECS)
def test_damaged_after_k_records_gives_k_records_and_one_damage(codec):
    data = several(codec)
    start, ends = block_ends(data)
    whole = by_fastavro(data)
    for k, (begin, end) in enumerate(zip([start, *ends], ends, strict=False)):
        for cut in {begin + 1, (begin + end) // 2, end - 17, end - 1}:
            *readable, damage = read(data[:cut])
            # With its sync marker cut, the k-th block's record itself may still be read.
            assert k <= len(readable) <= k + (cut > end - 17)
            assert [item.value for item in readable] == whole[: len(readable)]
            assert damage[0] == len(readable)
            assert f"after {len(readable)} readable records" in str(damage.error)
            assert damage.payload == data[begin:cut]


def test_a_cut_between_blocks_cannot_be_seen():
    data = several()
    _, ends = block_ends(data)
    assert len(read(data[: ends[1]])) == 2


@pytest.mark.parametrize("codec", CODECS)
@given(st.data())
def test_a_truncated_container_gives_records_and_one_damage_or_is_undecodable(codec, data):
    whole = several(codec)
    check_damaged(whole[: data.draw(st.integers(0, len(whole) - 1))], len(by_fastavro(whole)))


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("region", ["magic", "metadata", "end of header", "blocks", "last marker"])
@given(data=st.data())
def test_flipped_bits_give_records_and_one_damage_or_are_undecodable(codec, region, data):
    whole = several(codec)
    header_end = block_ends(whole)[0]
    first, last = {
        "magic": (0, 3),
        "metadata": (4, header_end - 17),
        "end of header": (header_end - 40, header_end - 1),
        "blocks": (header_end, len(whole) - 17),
        "last marker": (len(whole) - 16, len(whole) - 1),
    }[region]
    spoilt = bytearray(whole)
    for place in data.draw(st.lists(st.integers(first, last), min_size=1, max_size=3, unique=True)):
        spoilt[place] ^= data.draw(st.integers(1, 255))
    check_damaged(bytes(spoilt), None)


def check_damaged(data, most):
    try:
        items = read(data)
    except UndecodableAlertError:
        return
    damages = [item for item in items if isinstance(item, Damage)]
    assert len(damages) <= 1
    assert damages == items[len(items) - len(damages) :]
    numbers = [item[0] for item in items]
    assert numbers == list(range(len(items)))
    assert all(len(damage.payload) <= MAX_PAYLOAD for damage in damages)
    if most is not None:
        assert len(items) - len(damages) <= most


def test_a_snappy_block_with_a_wrong_checksum_is_damage():
    data = bytearray(several("snappy"))
    _, ends = block_ends(bytes(data))
    data[ends[1] - 17] ^= 1
    items = read(bytes(data))
    assert [type(item) for item in items] == [Record, Damage]
    assert "checksum" in str(items[1].error)


def test_a_block_that_claims_a_thousand_million_records_is_damage():
    schema = {"type": "record", "name": "R", "fields": [{"name": "x", "type": "long"}]}
    out = io.BytesIO()
    fastavro.writer(out, fastavro.parse_schema(schema), [{"x": 1}], sync_marker=b"s" * 16)
    data = out.getvalue()
    start = data.index(b"s" * 16) + 16
    claims = io.BytesIO()
    fastavro.schemaless_writer(claims, "long", 10**9)
    items = read(data[:start] + claims.getvalue() + data[start + 1 :])
    assert isinstance(items[-1], Damage)
    assert len(items) <= 2


def test_an_unknown_codec_is_damage_that_names_it():
    out = io.BytesIO()
    schema = fastavro.parse_schema({"type": "record", "name": "R", "fields": []})
    fastavro.writer(out, schema, [{}], codec="deflate")
    (damage,) = read(out.getvalue().replace(b"deflate", b"deflade"))
    assert "deflade" in str(damage.error)


def test_what_the_caller_raises_for_a_header_reaches_the_caller():
    def refuse(_):
        raise UnknownSchemaError("not mine")

    with pytest.raises(UnknownSchemaError):
        list(iter_records(packet(), refuse))


def test_the_general_decoder_reads_the_same_as_the_compiled_one():
    """A field that is not compiled (a map) sends the same records through fastavro."""
    tables = (("rows", ("b", "missing", "a")),)
    row = {"type": "record", "name": "Row", "fields": [{"name": n, "type": ["null", "double"]} for n in "ab"]}
    fields = [
        {"name": "rows", "type": ["null", {"type": "array", "items": row}]},
        {"name": "x", "type": "long"},
    ]
    compiled = {"type": "record", "name": "Top", "fields": fields}
    extra = {"name": "extra", "type": {"type": "map", "values": "long"}, "default": {}}
    general = {"type": "record", "name": "Top", "fields": [*fields, extra]}
    assert compile_decoder(json.loads(json.dumps(compiled))) is not None
    assert compile_decoder(json.loads(json.dumps(general))) is None
    values = [{"rows": [{"a": 1.5, "b": None}], "x": 2**60}, {"rows": None, "x": -1}]
    found = []
    for schema in (compiled, general):
        out = io.BytesIO()
        fastavro.writer(out, fastavro.parse_schema(schema), values)
        found.append([item.value for item in iter_records(out.getvalue(), lambda _: tables)])
    assert [{k: v for k, v in value.items() if k != "extra"} for value in found[1]] == found[0]
    assert found[0][0]["rows"] == [(None, None, 1.5)]


@pytest.mark.parametrize("rows", [[{"a": 1.5, "b": None}], [], None, [None], [{"a": 1.0, "b": 2.0}, None]])
@pytest.mark.parametrize("is_general", [False, True])
def test_rows_that_may_be_null_are_read_with_either_decoder(rows, is_general):
    """Brokers write history lists of nullable records; tuples of columns they are all the same."""
    row = {"type": "record", "name": "Row", "fields": [{"name": n, "type": ["double", "null"]} for n in "ab"]}
    fields = [{"name": "rows", "type": [{"type": "array", "items": [row, "null"]}, "null"]}]
    if is_general:
        when = {"type": "long", "logicalType": "timestamp-millis"}
        fields.append({"name": "when", "type": [when, "null"], "default": None})
    out = io.BytesIO()
    schema = fastavro.parse_schema({"type": "record", "name": "Top", "fields": fields})
    fastavro.writer(out, schema, [{"rows": rows, "when": None} if is_general else {"rows": rows}])
    (item,) = iter_records(out.getvalue(), lambda _: (("rows", ("b", "a")),))
    assert isinstance(item, Record)
    expected = None if rows is None else [None if r is None else (r["b"], r["a"]) for r in rows]
    found = item.value["rows"]
    assert (
        found is None if rows is None else [row for row in found if row] == [row for row in expected if row]
    )

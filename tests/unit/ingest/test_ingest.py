"""What ingest makes of a container: every record is shaped or rejected, and never lost or raised."""

from __future__ import annotations

import functools
import io

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skymesh.codecs.avro import read_header
from skymesh.errors import InvalidDataPointError, UndecodableAlertError, UnknownSchemaError
from skymesh.model.alert import Alert
from skymesh.model.run import DeadLetter
from support.packets import JD, container, detection, ingested, limit, packet, record

CODES = {kind.code for kind in (InvalidDataPointError, UndecodableAlertError, UnknownSchemaError)}
FOREIGN = {"type": "record", "name": "foreign.alert", "fields": [{"name": "x", "type": "long"}]}


@functools.cache
def three(codec):
    records = [record(jd_utc=JD + day, history=[detection(), limit()], cutouts=True) for day in range(3)]
    return container(records, codec=codec, sync_interval=1)


def foreign(count, schema=FOREIGN):
    out = io.BytesIO()
    fastavro.writer(out, fastavro.parse_schema(schema), [{"x": number} for number in range(count)])
    return out.getvalue()


def test_good_records_are_shaped_in_order_with_their_source():
    items = ingested(three("deflate"), "night.tar!a.avro")
    assert [type(item) for item in items] == [Alert] * 3
    assert [str(item.source) for item in items] == [f"night.tar!a.avro#{number}" for number in range(3)]
    assert len({item.id for item in items}) == 3


def test_one_bad_record_does_not_stop_the_others():
    items = ingested(container([record(), record(programid=9), record(jd_utc=JD + 1)]))
    assert [type(item) for item in items] == [Alert, DeadLetter, Alert]
    assert items[1].code == InvalidDataPointError.code
    assert items[1].index == 1


@pytest.mark.parametrize("count, expected", [(0, 1), (1, 1), (3, 3)])
def test_a_foreign_container_is_one_rejection_per_record_and_at_least_one(count, expected):
    items = ingested(foreign(count))
    assert len(items) == expected
    assert all(item.code == UnknownSchemaError.code for item in items)
    assert all(item.payload for item in items)


def test_a_damaged_foreign_container_counts_its_records_and_the_damage():
    assert len(ingested(foreign(3) + b"\x02")) == 4


@pytest.mark.parametrize("data", [b"", b"no avro", packet()[:40]], ids=["empty", "text", "cut header"])
def test_what_is_no_container_is_one_rejection_with_its_bytes(data):
    (item,) = ingested(data)
    assert item.code == UndecodableAlertError.code
    assert item.payload == data


def test_a_damaged_container_gives_its_readable_records_and_one_rejection():
    items = ingested(three("null")[:-3000])
    assert [type(item) for item in items] == [Alert, Alert, DeadLetter]
    assert items[2].index == 2


@pytest.mark.parametrize("codec", ["null", "deflate"])
@given(st.data())
def test_flipped_and_missing_bytes_are_accounted_for_and_never_raised(codec, data):
    spoilt = bytearray(three(codec))
    for place in data.draw(st.lists(st.integers(0, len(spoilt) - 1), max_size=4)):
        spoilt[place] ^= data.draw(st.integers(1, 255))
    items = ingested(bytes(spoilt[: data.draw(st.integers(0, len(spoilt)))]))
    rejected = [item for item in items if isinstance(item, DeadLetter)]
    assert all(item.code in CODES for item in rejected)
    assert all("\n" not in item.reason for item in rejected)


@given(st.data())
def test_a_spoilt_header_is_accounted_for_and_never_raised(data):
    whole = three("null")
    spoilt = bytearray(whole)
    for place in data.draw(st.lists(st.integers(0, read_header(whole)[1]), min_size=1, max_size=3)):
        spoilt[place] ^= data.draw(st.integers(1, 255))
    items = ingested(bytes(spoilt))
    assert items or bytes(spoilt) == whole


@pytest.mark.parametrize(
    "fields",
    [
        [{"name": "objectId", "type": "string"}, {"name": "candidate", "type": "long"}],
        [{"name": "objectId", "type": "long"}],
        [],
    ],
)
def test_a_schema_that_only_resembles_a_surveys_is_unknown(fields):
    values = {"objectId": "ZTF18a" if len(fields) > 1 else 3, "candidate": 3}
    out = io.BytesIO()
    schema = fastavro.parse_schema({"type": "record", "name": "alert", "fields": fields})
    fastavro.writer(out, schema, [{field["name"]: values[field["name"]] for field in fields}])
    (item,) = ingested(out.getvalue())
    assert item.code == UnknownSchemaError.code


@pytest.mark.parametrize("schema", ["string", {"type": "array", "items": "long"}])
def test_a_container_of_no_records_at_all_is_rejected(schema):
    out = io.BytesIO()
    fastavro.writer(out, fastavro.parse_schema(schema), ["x"] if schema == "string" else [[1]])
    items = ingested(out.getvalue())
    assert [type(item) for item in items] == [DeadLetter]


def nullable(kind):
    """Make every type nullable with null last, as brokers' tools rewrite schemas."""
    if isinstance(kind, dict) and kind["type"] == "record":
        fields = [{"name": f["name"], "type": nullable(f["type"])} for f in kind["fields"]]
        return [{"type": "record", "name": kind["name"], "fields": fields}, "null"]
    if isinstance(kind, dict) and kind["type"] == "array":
        return [{"type": "array", "items": nullable(kind["items"])}, "null"]
    if isinstance(kind, list):
        (kind,) = [each for each in kind if each != "null"]
        return nullable(kind)
    return [kind, "null"]


@pytest.mark.parametrize("with_date", [False, True], ids=["compiled", "by fastavro"])
def test_a_packet_rewritten_with_nullable_records_has_the_ids_of_the_original(with_date):
    original = packet(history=[detection(), limit()], cutouts=True)
    made = next(fastavro.reader(io.BytesIO(original)))
    schema = nullable(fastavro.reader(io.BytesIO(original)).writer_schema)[0]
    if with_date:
        when = {"type": "long", "logicalType": "timestamp-millis"}
        schema["fields"].append({"name": "timestamp", "type": [when, "null"], "default": None})
    out = io.BytesIO()
    fastavro.writer(out, fastavro.parse_schema(schema), [made], codec="snappy")
    (plain,), (rewritten,) = ingested(original), ingested(out.getvalue())
    assert isinstance(rewritten, Alert), rewritten.reason
    assert rewritten.points == plain.points
    assert rewritten.id == plain.id
    assert rewritten.cutouts == plain.cutouts

"""Messages: the schema is that of the id, whatever else would decode."""

from __future__ import annotations

import contextlib
import io

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skymesh.codecs.confluent import Schemas, is_message, read_message
from skymesh.errors import (
    PacketError,
    SchemaRegistryUnavailableError,
    UndecodableAlertError,
    UnknownSchemaError,
)

FIELDS = {900: "flux", 1000: "mag"}
"""Two versions of a schema: the bytes of one decode with the other."""


class Shelf:
    """Schemas at hand, and how often they were asked for."""

    def __init__(self, name, schemas):
        self.name = name
        self.schemas = schemas
        self.asked = []

    def find(self, schema_id):
        self.asked.append(schema_id)
        found = self.schemas.get(schema_id)
        if isinstance(found, Exception):
            raise found
        return found


def schema(field):
    fields = [{"name": field, "type": "double"}, {"name": "note", "type": ["null", "string"]}]
    return {"type": "record", "name": "R", "fields": fields}


SHELF = {id_: schema(field) for id_, field in FIELDS.items()}


def message(schema_id, written_as=None, note="a note"):
    out = io.BytesIO()
    field = FIELDS[written_as or schema_id]
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema(field)), {field: 1.5, "note": note})
    return b"\0" + schema_id.to_bytes(4, "big") + out.getvalue()


def read(data, *shelves):
    return read_message(data, Schemas(shelves or [Shelf("shelf", SHELF)]), lambda _: ())


@pytest.mark.parametrize("schema_id", FIELDS)
def test_the_id_selects_the_schema(schema_id):
    data = message(schema_id)
    record = read(data)
    assert record.value == {FIELDS[schema_id]: 1.5, "note": "a note"}
    assert (record.number, record.payload) == (0, data)


def test_bytes_of_another_version_are_read_as_what_the_id_says():
    assert read(message(1000, written_as=900)).value == {"mag": 1.5, "note": "a note"}


def test_an_unknown_id_names_the_places_and_what_to_do():
    shelves = Shelf("folder A", SHELF), Shelf("registry B", {})
    with pytest.raises(UnknownSchemaError, match=r"id 1299 \(folder A, registry B\); set it"):
        read_message(b"\0\0\0\x05\x13", Schemas(shelves, "set it"), lambda _: ())
    with pytest.raises(UnknownSchemaError, match="no source of schemas is set"):
        read_message(message(900), Schemas(), lambda _: ())


def test_the_first_source_that_knows_an_id_says_what_it_means():
    first, second = Shelf("first", {900: schema("flux")}), Shelf("second", {900: schema("mag"), **SHELF})
    assert "flux" in read(message(900), first, second).value
    assert second.asked == []
    assert "mag" in read(message(1000), first, second).value


def test_a_source_that_is_away_ends_the_search():
    away = Shelf("away", {900: SchemaRegistryUnavailableError("away")})
    with pytest.raises(SchemaRegistryUnavailableError):
        read(message(900), away, Shelf("second", SHELF))


def test_a_schema_is_asked_for_once_in_the_life_of_the_process_and_so_is_one_that_is_not_there():
    shelf = Shelf("shelf", SHELF | {5: UnknownSchemaError("no Avro")})
    schemas = Schemas([shelf])
    for _ in range(3):
        assert schemas.header(900) is schemas.header(900)
        for unknown in (5, 7):
            with pytest.raises(UnknownSchemaError):
                schemas.header(unknown)
    assert sorted(shelf.asked) == [5, 7, 900]


def test_one_that_is_away_is_asked_again():
    shelf = Shelf("shelf", {900: SchemaRegistryUnavailableError("away")})
    schemas = Schemas([shelf])
    with pytest.raises(SchemaRegistryUnavailableError):
        schemas.header(900)
    shelf.schemas = SHELF
    assert schemas.header(900).schema == SHELF[900]


@pytest.mark.parametrize("size", range(len(message(900))))
def test_a_cut_message_is_undecodable(size):
    with pytest.raises(UndecodableAlertError):
        read(message(900)[:size])


@pytest.mark.parametrize("more", [b"\0", message(900)], ids=["a byte", "a message"])
def test_bytes_behind_the_record_are_an_error(more):
    with pytest.raises(UndecodableAlertError, match=f"{len(more)} bytes behind"):
        read(message(900) + more)


@pytest.mark.parametrize("found", ["nothing", {"type": "record"}, {"type": "record", "name": "R"}, 17, []])
def test_what_is_no_schema_at_all_makes_the_message_unreadable(found):
    with pytest.raises(PacketError):
        read(message(900), Shelf("shelf", {900: found}))


@given(st.data())
def test_flipped_bytes_never_raise_anything_else(data):
    spoilt = bytearray(message(900, note="x" * 50))
    for place in data.draw(st.lists(st.integers(0, len(spoilt) - 1), min_size=1, max_size=4)):
        spoilt[place] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(PacketError):
        assert set(read(bytes(spoilt)).value) in ({"flux", "note"}, {"mag", "note"})


def test_a_container_is_no_message():
    assert is_message(message(900))
    assert not is_message(b"Obj\x01")
    assert not is_message(b"")

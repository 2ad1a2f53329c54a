"""Messages in Confluent's framing: a byte 0, the id of the writer schema, one record without its schema.

The id alone says which schema a record was written with. That it decodes says nothing: the bytes of one
version of a survey's schema often decode with another's, into values that were never measured.

Source of the format: Confluent Schema Registry, "Wire format": magic byte 0, 4-byte id, big-endian.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from skymesh.codecs.avro import DAMAGE, Header, Record, Tables, brief
from skymesh.errors import UndecodableAlertError, UnknownSchemaError

MAGIC = b"\0"
_PREFIX_BYTES = 5


class SchemaSource(Protocol):
    """A place where writer schemas are found by their id."""

    name: str
    """What it is and where, for people."""

    def find(self, schema_id: int) -> Any | None:
        """Return a schema as parsed JSON, with all named types in it; None if it is not there.

        Raises
        ------
        UnknownSchemaError
            If what is there is no Avro schema that can be used.
        TransientError
            If the place cannot be asked now.
        SettingsError
            If it is no such place.
        """


class Schemas:
    """Writer schemas by id, kept for the life of the process once they are known.

    Parameters
    ----------
    sources
        Where to look, in this order. A source that cannot be asked ends the search: what an id means
        is for the first source to say that knows it.
    hint
        What to do about an id that no source knows.
    unknown_s
        After so many seconds it is asked again for an id that no source knew. Never by default: what is
        read of finite files does not depend on how long that takes.
    """

    def __init__(
        self, sources: Sequence[SchemaSource] = (), hint: str = "", *, unknown_s: float = math.inf
    ) -> None:
        self._sources = tuple(sources)
        self._hint = hint
        self._unknown_s = unknown_s
        self._known: dict[int, Header] = {}
        self._unknown: dict[int, tuple[str, float]] = {}

    def header(self, schema_id: int) -> Header:
        """Return what a message's schema id stands for.

        Raises
        ------
        UnknownSchemaError
            If no source knows the id.
        TransientError, SettingsError
            As a source raises them.
        """
        if schema_id in self._known:
            return self._known[schema_id]
        problem, since = self._unknown.get(schema_id, ("", -math.inf))
        if time.monotonic() - since < self._unknown_s:
            raise UnknownSchemaError(problem)
        try:
            return self._known.setdefault(schema_id, self._find(schema_id))
        except UnknownSchemaError as error:
            self._unknown[schema_id] = str(error), time.monotonic()
            raise

    def _find(self, schema_id: int) -> Header:
        for source in self._sources:
            schema = source.find(schema_id)
            if schema is not None:
                return Header(schema, "null")
        places = ", ".join(source.name for source in self._sources) or "no source of schemas is set"
        hint = f"; {self._hint}" if self._hint else ""
        raise UnknownSchemaError(f"nobody knows the schema of id {schema_id} ({places}){hint}")


def is_message(data: bytes) -> bool:
    """Return whether bytes begin like a message in Confluent's framing."""
    return data[: len(MAGIC)] == MAGIC


def read_message(data: bytes, schemas: Schemas, tables: Callable[[Header], Tables]) -> Record:
    """Read the record of a message.

    Parameters
    ----------
    data
        The whole message and nothing else.
    schemas
        What its schema id stands for.
    tables
        Says for a schema which lists of records to read as tuples.

    Raises
    ------
    UndecodableAlertError
        If the bytes are not exactly one record of the schema.
    PacketError, TransientError, SettingsError
        As `schemas` and `tables` raise them.
    """
    if len(data) < _PREFIX_BYTES:
        raise UndecodableAlertError("a message that ends before its schema id")
    schema_id = int.from_bytes(data[len(MAGIC) : _PREFIX_BYTES], "big")
    header = schemas.header(schema_id)
    decode = header.decoder(tables(header))
    try:
        value, end = decode(data, _PREFIX_BYTES)
    except DAMAGE as error:
        raise UndecodableAlertError(
            f"no record of schema id {schema_id}, or a damaged one ({brief(error)})"
        ) from error
    if end != len(data):
        place = "behind" if end < len(data) else "missing from"
        raise UndecodableAlertError(
            f"no record of schema id {schema_id}: {abs(len(data) - end)} bytes {place} it"
        )
    return Record(0, value, data, 0, len(data))

"""Taking containers and messages apart into records, with every damage accounted for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from skymesh.codecs.avro import MAX_PAYLOAD, Damage, Header, Record, Tables, iter_records, iter_undecoded
from skymesh.codecs.confluent import Schemas, is_message, read_message
from skymesh.errors import PacketError, UnknownSchemaError
from skymesh.model.alert import Alert, Source
from skymesh.surveys import registry
from skymesh.surveys.survey import Survey

_NO_SCHEMAS = Schemas()


@dataclass(frozen=True)
class Container:
    """An Avro container, or one message in Confluent's framing, as it was read.

    Attributes
    ----------
    name
        File, or ``file!member`` of a tar.
    data
        Its bytes (anything that slices into bytes).
    """

    name: str
    data: bytes


@dataclass(frozen=True)
class Packet:
    """A decoded record of a survey.

    Attributes
    ----------
    source
        The file and the record in it.
    survey
        The survey that wrote it.
    record
        The record, with its original bytes.
    """

    source: Source
    survey: Survey
    record: Record

    @property
    def payload(self) -> bytes:
        """Its original bytes."""
        return self.record.payload


@dataclass(frozen=True)
class Unreadable:
    """Something that is no record.

    Attributes
    ----------
    source
        The file and the place of the record in it.
    error
        Why.
    payload
        The original bytes, as far as they were found.
    """

    source: Source
    error: PacketError
    payload: bytes


def read_packets(container: Container, schemas: Schemas = _NO_SCHEMAS) -> Iterator[Packet | Unreadable]:
    """Yield every record of a container, or the one of a message.

    A container damaged after k records yields k packets and one that is unreadable; one that cannot
    be read at all yields one; one whose schema no survey knows yields as many as it has records.

    Parameters
    ----------
    container
        The bytes.
    schemas
        What the schema ids of messages stand for.

    Raises
    ------
    TransientError, SettingsError
        If a schema cannot be looked up: the message is no dead letter, since nobody knows yet.
    """
    survey: list[Survey] = []

    def tables(header: Header) -> Tables:
        found, wanted = registry.of_header(header)
        survey.append(found)
        return wanted

    try:
        for item in _records(container.data, schemas, tables):
            source = Source(container.name, item.number)
            if isinstance(item, Damage):
                yield Unreadable(source, item.error, item.payload)
            else:
                yield Packet(source, survey[0], item)
    except UnknownSchemaError as error:
        yield from _foreign(container, error)
    except PacketError as error:
        yield Unreadable(Source(container.name, 0), error, container.data[:MAX_PAYLOAD])


def alerts_in(data: bytes, schemas: Schemas = _NO_SCHEMAS) -> Iterator[Alert]:
    """Yield the alerts of a container or message, for a notebook.

    Raises
    ------
    PacketError
        At the first that cannot be read.
    """
    for packet in read_packets(Container("", data), schemas):
        if isinstance(packet, Unreadable):
            raise packet.error
        yield packet.survey.shape(packet.record.value, packet.source).alert


def _records(data: bytes, schemas: Schemas, tables: Callable[[Header], Tables]) -> Iterator[Record | Damage]:
    if is_message(data):
        # The bytes of a file that stays on disk are taken into memory: it is one record.
        yield read_message(bytes(data), schemas, tables)
    else:
        yield from iter_records(data, tables)


def _foreign(container: Container, error: UnknownSchemaError) -> Iterator[Unreadable]:
    """Yield each record of a foreign schema as unreadable, undecoded; at least one."""
    number = -1
    for number, item in enumerate(() if is_message(container.data) else iter_undecoded(container.data)):
        source = Source(container.name, number)
        if isinstance(item, Damage):
            yield Unreadable(source, item.error, item.payload)
        else:
            yield Unreadable(source, error, item)
    if number < 0:
        yield Unreadable(Source(container.name, 0), error, container.data[:MAX_PAYLOAD])

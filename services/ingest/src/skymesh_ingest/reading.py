"""Taking containers apart into records, with every damage accounted for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from skymesh.codecs.avro import MAX_PAYLOAD, Damage, Header, Record, Tables, iter_records, iter_undecoded
from skymesh.errors import PacketError, UnknownSchemaError
from skymesh.model.alert import Source
from skymesh.surveys import registry
from skymesh.surveys.survey import Survey


@dataclass(frozen=True)
class Container:
    """An Avro container as it was read.

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


def read_packets(container: Container) -> Iterator[Packet | Unreadable]:
    """Yield every record of a container.

    A container damaged after k records yields k packets and one that is unreadable; one that cannot
    be read at all yields one; one whose schema no survey knows yields as many as it has records.
    """
    survey: list[Survey] = []

    def tables(header: Header) -> Tables:
        found, wanted = registry.of_header(header)
        survey.append(found)
        return wanted

    try:
        for item in iter_records(container.data, tables):
            source = Source(container.name, item.number)
            if isinstance(item, Damage):
                yield Unreadable(source, item.error, item.payload)
            else:
                yield Packet(source, survey[0], item)
    except UnknownSchemaError as error:
        yield from _foreign(container, error)
    except PacketError as error:
        yield Unreadable(Source(container.name, 0), error, container.data[:MAX_PAYLOAD])


def _foreign(container: Container, error: UnknownSchemaError) -> Iterator[Unreadable]:
    """Yield each record of a container of a foreign schema as unreadable, undecoded; at least one."""
    number = -1
    for number, item in enumerate(iter_undecoded(container.data)):
        source = Source(container.name, number)
        if isinstance(item, Damage):
            yield Unreadable(source, item.error, item.payload)
        else:
            yield Unreadable(source, error, item)
    if number < 0:
        yield Unreadable(Source(container.name, 0), error, container.data[:MAX_PAYLOAD])

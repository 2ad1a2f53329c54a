"""The decisions of ingest: what a container holds, what of it can be used, and what is dead."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from skymesh.codecs.avro import MAX_PAYLOAD, Damage, Header, Record, Tables, iter_records
from skymesh.errors import InvalidDataPointError, PacketError, UnknownSchemaError
from skymesh.model.alert import Source
from skymesh.surveys import registry
from skymesh.surveys.survey import Shaped, Survey


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
class Rejected:
    """A record that cannot be used.

    Attributes
    ----------
    source
        The file and the record in it.
    error
        Why.
    payload
        The original bytes, as far as they were found.
    """

    source: Source
    error: PacketError
    payload: bytes


def process(container: Container) -> Iterator[Shaped | Rejected]:
    """Yield every record of a container, shaped, or rejected with its reason.

    A container damaged after k records yields k records and one rejection; one that cannot be read
    at all, or whose schema nobody knows, yields one rejection per record that it claims, at least one.
    """
    survey: list[Survey] = []

    def tables(header: Header) -> Tables:
        found, wanted = registry.of_header(header)
        survey.append(found)
        return wanted

    try:
        for item in iter_records(container.data, tables):
            yield _shaped(container, item, survey[0])
    except UnknownSchemaError as error:
        yield from _all_unknown(container, error)
    except PacketError as error:
        yield Rejected(Source(container.name, 0), error, container.data[:MAX_PAYLOAD])


def _shaped(container: Container, item: Record | Damage, survey: Survey) -> Shaped | Rejected:
    source = Source(container.name, item.number)
    if isinstance(item, Damage):
        return Rejected(source, item.error, item.payload)
    payload = container.data[:MAX_PAYLOAD] if item.number == 0 else b""
    try:
        return survey.shape(item.value, source)
    except PacketError as error:
        return Rejected(source, error, payload)
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
        # The schema is the survey's, but a value is of another type than its fields have.
        problem = f"a value of another type than expected ({' '.join(str(error).split())[:200]})"
        return Rejected(source, InvalidDataPointError(problem), payload)


def _all_unknown(container: Container, error: UnknownSchemaError) -> Iterator[Rejected]:
    """Reject each record of a readable container of a foreign schema; at least one."""
    index = -1
    for index, _ in enumerate(iter_records(container.data, lambda _: ())):
        yield Rejected(
            Source(container.name, index), error, container.data[:MAX_PAYLOAD] if index == 0 else b""
        )
    if index < 0:
        yield Rejected(Source(container.name, 0), error, container.data[:MAX_PAYLOAD])

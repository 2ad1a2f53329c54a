"""Publishing packets of files to the stream of a survey in a live mesh, where ingest reads them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import NamedTuple

from skymesh.bus.bus import Bus, Outgoing
from skymesh.codecs.avro import enclosed
from skymesh.codecs.confluent import Schemas
from skymesh.errors import PacketError, SettingsError
from skymesh.runtime.references import referring
from skymesh.store.store import TierStore
from skymesh_ingest.reading import Container, Packet, Unreadable, read_packets
from skymesh_ingest.shaping import shape_packet
from skymesh_local.canonical_order import CanonicalOrder, Ordered, at_the_end, in_place_of

_AT_ONCE, _BYTES_AT_ONCE = 500, 8 << 20
_SPOOLED_AT_ONCE = 64


class Published(NamedTuple):
    """What was published.

    Attributes
    ----------
    messages
        How many messages: one for each record, and one for each thing that is no record.
    unreadable
        How many of them will be dead letters.
    """

    messages: int
    unreadable: int


class Target(NamedTuple):
    """Where packets are published.

    Attributes
    ----------
    bus, store
        The mesh: records that are too large for the bus go to the store.
    topic
        The survey's topic in it.
    survey
        The survey's name.
    record_bytes
        Largest message that travels itself; None if any does.
    is_keyed
        Whether messages go to the partition of their object. If not they go round, as some surveys send.
    """

    bus: Bus
    store: TierStore
    topic: str
    survey: str
    record_bytes: int | None = None
    is_keyed: bool = True


async def publish_packets(
    items: Iterable[Container | Unreadable], schemas: Schemas, target: Target
) -> Published:
    """Publish the packets of files in canonical order, with their original bytes.

    All are read before the first is sent; then they are sent in transactions. A container with one record
    is sent as it is, one with several as a container for each, and whatever cannot be read as it is, behind
    the others: ingest accounts for it. The same packets again are the same messages again: the mesh counts
    them as duplicates.

    Raises
    ------
    SettingsError
        If a file cannot be opened, or holds packets of another survey.
    TransientError
        If a schema cannot be looked up, or the mesh does not answer.
    """
    unreadable = 0
    with closing(CanonicalOrder()) as order:
        for item in items:
            placed = _placed(item, schemas, target.survey)
            while part := list(itertools.islice(placed, _SPOOLED_AT_ONCE)):
                unreadable += sum(not each.stock for each in part)
                order.add(part)
        order.end()
        await _send(order, target)
        return Published(len(order), unreadable)


async def _send(order: Iterable[tuple[str, bytes]], target: Target) -> None:
    partitions = await target.bus.partitions(target.topic)
    outputs = (
        Outgoing(target.topic, stock, body)
        if target.is_keyed
        else Outgoing(target.topic, "", body, number % partitions)
        for number, (stock, body) in enumerate(order)
    )
    for part in _parts(outputs):
        sent, blobs = referring(part, target.record_bytes)
        if blobs:
            await target.store.write(blobs)
        await target.bus.publish(sent)


def _parts(outputs: Iterable[Outgoing]) -> Iterator[list[Outgoing]]:
    """Yield records in parts that a transaction takes."""
    part: list[Outgoing] = []
    size = 0
    for output in outputs:
        if part and (len(part) == _AT_ONCE or size + len(output.value) > _BYTES_AT_ONCE):
            yield part
            part, size = [], 0
        part.append(output)
        size += len(output.value)
    if part:
        yield part


def _placed(item: Container | Unreadable, schemas: Schemas, survey: str) -> Iterator[Ordered]:
    """Yield the messages of a file, each in its place."""
    if isinstance(item, Unreadable):
        raise SettingsError(str(item.error), where=item.source.name)
    for packet, body in _messages(item, schemas):
        if isinstance(packet, Packet) and packet.survey.name != survey:
            problem = f"is a packet of {packet.survey.name}, not of {survey}"
            raise SettingsError(problem, where=str(packet.source))
        shaped = shape_packet(packet)
        if isinstance(shaped, PacketError):
            yield at_the_end(packet.source, body)
        else:
            yield in_place_of(shaped.alert, body)


def _messages(container: Container, schemas: Schemas) -> Iterator[tuple[Packet | Unreadable, bytes]]:
    """Yield each record with the message that it is sent as."""
    packets = read_packets(container, schemas)
    first = next(packets, None)
    second = next(packets, None)
    if first is None:
        return
    if second is None or isinstance(first, Unreadable):
        # Of a schema that no survey knows nothing can be taken out.
        yield first, bytes(container.data)
        return
    for packet in itertools.chain((first, second), packets):
        if isinstance(packet, Packet):
            yield packet, enclosed(container.data, packet.record)
        else:
            yield packet, packet.payload

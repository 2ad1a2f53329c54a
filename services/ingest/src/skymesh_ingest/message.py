"""Messages of a survey's stream, and the packets in them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import msgspec

from skymesh.codecs.avro import enclosed
from skymesh.codecs.confluent import Schemas
from skymesh.model.alert import Source
from skymesh.model.ids import Digest
from skymesh.model.records import Times
from skymesh.model.run import Original
from skymesh_ingest.reading import Container, Packet, Unreadable, read_packets
from skymesh_ingest.shaping import ShapedPackets, shape_packets

_UNKNOWN = Times(arrived_ms=0, observed_mjd_tai=0.0)


@dataclass(frozen=True)
class Message:
    """One message of a survey's stream: an Avro container, or a record in Confluent's framing.

    Attributes
    ----------
    original
        Where it was read.
    data
        Its bytes.
    attempt
        For which time it was sent.
    times
        When it came into the stream; when its alerts were observed nobody knows yet.
    """

    original: Original
    data: bytes
    attempt: int = 1
    times: Times = _UNKNOWN

    @property
    def source(self) -> Source:
        """The partition and the offset, as a packet's source."""
        return Source(f"{self.original.topic}/{self.original.partition}", self.original.offset)

    def packets(self, schemas: Schemas) -> list[Packet | Unreadable]:
        """Return the records in it.

        The source of the only one is the message; several are numbered within ``partition#offset``.

        Raises
        ------
        TransientError, SettingsError
            If a schema cannot be looked up.
        """
        packets = list(read_packets(Container(str(self.source), self.data), schemas))
        return [replace(packets[0], source=self.source)] if len(packets) == 1 else packets

    def shaped(self, schemas: Schemas, owner: Digest) -> ShapedPackets:
        """Return what the records in it become.

        A dead letter holds what can be sent again: the message, or of several records a container with
        this one alone; of a damaged rest, as much as was found.

        Raises
        ------
        TransientError, SettingsError
            If a schema cannot be looked up.
        """
        packets = self.packets(schemas)
        made = shape_packets(packets, owner)
        by_source = {(packet.source.name, packet.source.index): packet for packet in packets}
        for number, letter in enumerate(made.dead):
            packet = by_source[letter.source, letter.index]
            made.dead[number] = msgspec.structs.replace(
                letter,
                payload=self.data if len(packets) == 1 else self._payload(packet),
                attempt=self.attempt,
                original=self.original,
            )
        return made

    def _payload(self, packet: Packet | Unreadable) -> bytes:
        return packet.payload if isinstance(packet, Unreadable) else enclosed(self.data, packet.record)

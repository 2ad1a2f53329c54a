"""Shaping packets into alerts: what can be used is published, the rest is dead, with the reason."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from skymesh.errors import InvalidDataPointError, PacketError
from skymesh.model.alert import Alert, Cutouts
from skymesh.model.ids import Digest
from skymesh.model.run import DeadLetter
from skymesh.runtime.dead import name_of
from skymesh.surveys.survey import Shaped
from skymesh_ingest.reading import Packet, Unreadable


class ShapedPackets(NamedTuple):
    """What packets became: each is an alert or a dead letter.

    Attributes
    ----------
    alerts
        The alerts, in the order of their packets.
    cutouts
        Their image stamps, shed.
    dead
        What could not be read or shaped.
    """

    alerts: list[Alert]
    cutouts: list[Cutouts]
    dead: list[DeadLetter]

    def add(self, other: ShapedPackets) -> None:
        """Take in what further packets became."""
        self.alerts.extend(other.alerts)
        self.cutouts.extend(other.cutouts)
        self.dead.extend(other.dead)


def shape_packets(packets: Iterable[Packet | Unreadable], owner: Digest) -> ShapedPackets:
    """Shape packets.

    Parameters
    ----------
    packets
        The packets.
    owner
        The run or log that dead letters are kept under.
    """
    made = ShapedPackets([], [], [])
    for packet in packets:
        shaped = shape_packet(packet)
        if isinstance(shaped, PacketError):
            made.dead.append(_letter(packet, shaped, owner))
            continue
        made.alerts.append(shaped.alert)
        if shaped.cutouts is not None and shaped.alert.cutouts is not None:
            made.cutouts.append(Cutouts(shaped.alert.cutouts, shaped.cutouts))
    return made


def shape_packet(packet: Packet | Unreadable) -> Shaped | PacketError:
    """Return what a packet says in the mesh's terms, or why it cannot be used."""
    if isinstance(packet, Unreadable):
        return packet.error
    try:
        return packet.survey.shape(packet.record.value, packet.source)
    except PacketError as error:
        return error
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
        # The schema is the survey's, but a value is of another type than its fields have.
        problem = f"a value of another type than expected ({' '.join(str(error).split())[:200]})"
        return InvalidDataPointError(problem)


def _letter(packet: Packet | Unreadable, error: PacketError, owner: Digest) -> DeadLetter:
    return DeadLetter(
        owner,
        packet.source.name,
        packet.source.index,
        error.code,
        str(error),
        bytes(packet.payload),
        error=name_of(error),
        unit=packet.survey.name if isinstance(packet, Packet) else "",
    )

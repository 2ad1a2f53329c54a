"""Alerts and their arrival in the log."""

from __future__ import annotations

from typing import Any

import msgspec

from skymesh.model.ids import Digest, canonical_row, digest_bytes
from skymesh.model.point import DataPoint
from skymesh.model.position import Position


class Source(msgspec.Struct, frozen=True, array_like=True):
    """Where a packet was read.

    Attributes
    ----------
    name
        File (``member`` of a tar after ``!``) or topic.
    index
        Number of the record in the file, from 0, or its offset.
    """

    name: str
    index: int

    def __str__(self) -> str:
        return f"{self.name}#{self.index}"


class AlertHead(msgspec.Struct, frozen=True, array_like=True, tag=0):
    """The beginning of an alert, for those who need no more; see `Alert`."""

    id: Digest
    survey: str
    native: int | str
    stock: str
    source: Source


class Alert(msgspec.Struct, frozen=True, array_like=True, tag=0):
    """One packet of a survey, shaped: what every later tier reads.

    Attributes
    ----------
    id
        Digest of survey and native alert id.
    survey, native
        The survey's name and its own id of the alert (ZTF candid, LSST diaSourceId).
    stock
        The object that the packet is about, ``ztf:ZTF18abxhyqv``.
    source
        Where the packet was read; never part of an id.
    record
        Digest of the decoded record; tells copies apart that share an alert id.
    points
        The triggering point first, then the history in the packet's order.
    values
        What only the triggering record carries (drb, sgscore1 …), under the survey's names.
    aggregates
        Numbers that the survey made from the whole history, whoever may see it (ndethist …); for
        channels only that are granted every label of the survey.
    attributes
        Further names of the stock, such as AMPEL's integer id.
    cutouts
        Id of the image stamps in the store, None without.
    """

    id: Digest
    survey: str
    native: int | str
    stock: str
    source: Source
    record: Digest
    points: tuple[DataPoint, ...]
    values: dict[str, Any]
    aggregates: dict[str, Any]
    attributes: dict[str, Any]
    cutouts: Digest | None

    @property
    def trigger(self) -> DataPoint:
        """The point that made the survey send the packet."""
        return self.points[0]


class Cutouts(msgspec.Struct, frozen=True, array_like=True):
    """The image stamps of a packet, under the digest of their bytes."""

    id: Digest
    block: bytes


class Arrival(msgspec.Struct, frozen=True, array_like=True):
    """What one alert added to its stock: a pure function of its position and the log before it.

    Attributes
    ----------
    log, stock, position
        The key: the log's id, the stock, the place in the log.
    alert
        The alert, with only those points that were not registered for the stock before.
    trigger
        Id of the triggering point, which may have been registered earlier.
    trigger_labels
        Its access labels.
    is_duplicate
        An alert of the same id came earlier; then nothing is registered.
    """

    log: Digest
    stock: str
    position: Position
    alert: Alert
    trigger: Digest
    trigger_labels: tuple[str, ...]
    is_duplicate: bool


class Link(msgspec.Struct, frozen=True, array_like=True):
    """A measurement hangs on a stock from a position on; made by the arrival there.

    A measurement may hang on several stocks, so the link is apart from both.
    """

    stock: str
    point: Digest
    position: Position


class Alias(msgspec.Struct, frozen=True, array_like=True):
    """Another name of a stock, valid from a position on."""

    stock: str
    name: str
    position: Position


def alert_id(survey: str, native: int | str) -> Digest:
    """Return the id of a survey's alert."""
    return digest_bytes("alert", canonical_row((survey, native)))


def links(arrival: Arrival) -> tuple[Link, ...]:
    """Return the links that an arrival made."""
    return tuple(Link(arrival.stock, p.id, arrival.position) for p in arrival.alert.points)


def aliases(arrival: Arrival) -> tuple[Alias, ...]:
    """Return the further names of the stock that an arrival brought."""
    if arrival.is_duplicate:
        return ()
    items = arrival.alert.attributes.items()
    return tuple(Alias(arrival.stock, f"{key}={value}", arrival.position) for key, value in items)

"""Reading the log of alerts, for no group."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec

from skymesh.codecs import wire
from skymesh.model.alert import Alert, Source
from skymesh.model.deployment import LogRecord
from skymesh.model.run import Run
from skymesh.runtime.places import places_of_log
from skymesh.runtime.references import resolved
from skymesh_local.mesh import Mesh

StreamPlace = tuple[str, int]
"""A topic of a survey's stream, and a partition of it; the name of any other source, and -1."""
Logged = LogRecord | None
"""A record of the log; None if it is none."""


def place_of(source: Source) -> tuple[StreamPlace, int]:
    """Return topic, partition and offset of the message that a packet came in.

    Several packets of one message are numbered within ``topic/partition#offset``.
    """
    name, _, offset = source.name.partition("#")
    topic, _, partition = name.rpartition("/")
    place = (topic, int(partition)) if partition.isdigit() else (source.name, -1)
    return place, int(offset) if offset.isdigit() else source.index


async def iter_alerts(mesh: Mesh, run: Run) -> AsyncIterator[Alert]:
    """Yield the alerts of the log of a finite source."""
    for place in await places_of_log(mesh.bus, await mesh.context(run)):
        async for records in mesh.bus.iter_from(place.topic, place.partition, 0):
            for record in await resolved(mesh.store, records):
                alert = decoded(record.value)
                if isinstance(alert, Alert):
                    yield alert


def decoded(value: bytes) -> Logged:
    """Return a record of the log, references followed before."""
    try:
        return wire.decode(value, LogRecord)  # type: ignore[arg-type]  # a union, not one class
    except (msgspec.MsgspecError, ValueError):
        return None

"""Feeding the metrics of a service, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from skymesh.bus.bus import Outgoing, Slice
from skymesh.model.alert import Alert
from skymesh.model.records import Accepted, Times
from skymesh.runtime.tier import Batch, Outcome
from skymesh.telemetry.mesh_metrics import MeshMetrics

_NO_CHANNELS: frozenset[str] = frozenset()


class _Seen(NamedTuple):
    """When the alert of a record arrived and was observed, and for which channels it goes on."""

    times: Times
    channels: frozenset[str]


class BatchMeter:
    """Feeds the metrics of a service.

    Parameters
    ----------
    metrics
        The metrics.
    """

    def __init__(self, metrics: MeshMetrics) -> None:
        self._metrics = metrics
        self.timed = metrics.timed

    def batch(
        self, read: Slice, batch: Batch[Any] | None, outcome: Outcome, outputs: Sequence[Outgoing]
    ) -> None:
        """Count a batch: what was read and published, what its journal says, how late it is."""
        published: dict[str, int] = {}
        for output in outputs:
            record = _record_of(output.topic)
            published[record] = published.get(record, 0) + 1
        self._metrics.committed(
            records=len(read.records),
            read_bytes=sum(len(record.value) for record in read.records),
            published=published,
            published_bytes=sum(len(output.value) for output in outputs),
        )
        self._metrics.journaled(outcome.journal)
        self._metrics.buried(outcome.dead)
        seen = [] if batch is None else list(_seen(batch, outcome))
        self._metrics.delayed(
            [one.times.arrived_ms for one in seen],
            [one.times.observed_mjd_tai for one in seen],
            [one.channels for one in seen],
        )


def _record_of(topic: str) -> str:
    """Return what one of the mesh's topics holds; ``messages`` of one that is an outlet's."""
    name = topic.split(".")
    return name[-2] if name[0] == "skymesh" else "messages"


def _seen(batch: Batch[Any], outcome: Outcome) -> Iterator[_Seen]:
    """Yield what the records of a batch say of their times and channels, those that say when.

    An alert is for no channel yet: those that keep it are what T0 publishes of it.
    """
    accepted = (one.value for one in outcome.records if isinstance(one.value, Accepted))
    kept = {record.position.offset: record.channel_names for record in accepted}
    for offset, time_ms, record in zip(batch.offsets, batch.times_ms, batch.records, strict=True):
        if isinstance(record, Alert):
            yield _Seen(Times(time_ms, record.trigger.mjd_tai), kept.get(offset, _NO_CHANNELS))
        elif (times := getattr(record, "times", None)) is not None:
            yield _Seen(times, getattr(record, "channel_names", _NO_CHANNELS))

"""Feeding the metrics of a service, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from skymesh.bus.bus import Outgoing, Slice
from skymesh.model.alert import Alert
from skymesh.model.records import Times
from skymesh.runtime.tier import Batch, Outcome
from skymesh.telemetry.mesh_metrics import MeshMetrics


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
        times = [] if batch is None else list(_times(batch))
        self._metrics.delayed([t.arrived_ms for t in times], [t.observed_mjd_tai for t in times])


def _record_of(topic: str) -> str:
    """Return what one of the mesh's topics holds; ``messages`` of one that is an outlet's."""
    name = topic.split(".")
    return name[-2] if name[0] == "skymesh" else "messages"


def _times(batch: Batch[Any]) -> Iterator[Times]:
    """Yield when the alert of each record arrived and was observed, of those that say so."""
    for record, time_ms in zip(batch.records, batch.times_ms, strict=True):
        if isinstance(record, Alert):
            yield Times(time_ms, record.trigger.mjd_tai)
        elif (times := getattr(record, "times", None)) is not None:
            yield times

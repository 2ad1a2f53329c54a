"""Which runs judge which alerts of a batch: those of the markers below each."""

from __future__ import annotations

from collections.abc import Sequence

from skymesh.errors import InvariantError
from skymesh.model.deployment import Genesis, LogRecord, Marker, PlacedMarker, spans
from skymesh.model.ids import Digest
from skymesh.runtime.tier import Batch, Context


class Roster:
    """The runs at work in a batch.

    Parameters
    ----------
    context
        The log, and its only run if it has no markers.
    batch
        The batch.
    stored
        The markers of its partition as far as they are stored; those of the batch itself may be among them.

    Raises
    ------
    InvariantError
        If the batch begins another log than the one that the store knows.
    """

    def __init__(self, context: Context, batch: Batch[LogRecord], stored: Sequence[PlacedMarker]) -> None:
        self._batch = batch
        self._only = None if context.is_marked else context.run
        self.placed = _placed(context, batch)
        start = context.at(batch.partition, batch.first)
        self._markers = [*(marker for marker in stored if marker.position < start), *self.placed]
        named = dict.fromkeys(placed.marker.run for placed in self._markers)
        self.runs = (
            (self._only,) if self._only is not None else tuple(run for run in named if self.ranges(run))
        )

    def ranges(self, run: Digest) -> list[tuple[int, int]]:
        """Return the ranges of offsets of the batch that a run judges."""
        first, end = self._batch.first, self._batch.end
        if run == self._only:
            return [(first, end)]
        cut = ((max(start, first), stop) for start, stop in spans(self._markers, run, end))
        return [(start, stop) for start, stop in cut if start < stop]


def _placed(context: Context, batch: Batch[LogRecord]) -> list[PlacedMarker]:
    found = []
    for offset, record in zip(batch.offsets, batch.records, strict=True):
        if isinstance(record, Genesis) and (record.log, record.epoch) != (context.log, context.epoch):
            raise InvariantError(
                "the topic of alerts is not the one that this store knows",
                where=f"log:{record.log.hex()} epoch {record.epoch}",
            )
        if isinstance(record, Marker):
            position = context.at(batch.partition, offset)
            found.append(PlacedMarker(context.log, batch.partition, position, record))
    return found

"""What the loop tells whoever takes the measure of it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol

from skymesh.bus.bus import Outgoing, Slice
from skymesh.runtime.tier import Batch, Outcome

if TYPE_CHECKING:
    # Metrics are no matter of an embedded run: it does not load what they need.
    from skymesh.telemetry.metrics import Step


class Meter(Protocol):
    """Takes the measure of batches."""

    def timed(self, step: Step) -> AbstractContextManager[None]:
        """Take the time of a step."""

    def batch(
        self, read: Slice, batch: Batch[Any] | None, outcome: Outcome, outputs: Sequence[Outgoing]
    ) -> None:
        """Count a batch once it is committed."""


class _Unmeasured:
    def timed(self, step: Step) -> AbstractContextManager[None]:  # noqa: ARG002  # nothing is measured
        return nullcontext()

    def batch(
        self, read: Slice, batch: Batch[Any] | None, outcome: Outcome, outputs: Sequence[Outgoing]
    ) -> None:
        """Count nothing."""


UNMEASURED = _Unmeasured()
"""For a mesh that nobody watches."""

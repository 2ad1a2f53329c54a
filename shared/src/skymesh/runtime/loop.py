"""The one loop: read a batch, read what it needs, decide, store, deliver, then publish and commit at once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

from skymesh.bus.bus import Bus, Outgoing, Received
from skymesh.codecs import wire
from skymesh.errors import TransientError
from skymesh.runtime.outlet import Outlet, Parcel
from skymesh.runtime.tier import Batch, Context, Outcome, Tier
from skymesh.runtime.topics import ALERTS, PROVENANCE, topic_of
from skymesh.store.store import Found, Keys, TierStore

BATCH_RECORDS = 500
BATCH_BYTES = 32 << 20
_NO_OUTLETS: Mapping[str, Outlet] = {}


class Checkpoint(Protocol):
    """Called between the steps of a batch, by name: where crash tests strike."""

    def __call__(self, step: str) -> None:
        """Take note of a step that is done."""


def _pass(step: str) -> None:
    """Go on."""


class TierLoop:
    """Runs one tier over one partition of its input.

    The order of effects is what makes a crash harmless: documents are written first and are pure
    functions of their keys, so a batch that is decided again rewrites them unchanged; then parcels are
    handed to their outlets, and a receipt is written for what they took; then outputs, journal and
    offsets are committed in one transaction, so nothing is published twice. A receipt never stands for
    what was not handed over, and whatever was handed over without one is handed over again under the
    same key: the outlet makes the two one.

    Parameters
    ----------
    bus, store
        Where to read and write.
    tier
        What decides.
    context
        For which run.
    partition
        The partition.
    outlets
        Where parcels go, by name; only a tier that makes parcels needs any.
    batch_records
        Most records in a batch.
    checkpoint
        Called with the name of each step that is done.
    """

    def __init__(
        self,
        bus: Bus,
        store: TierStore,
        tier: Tier[Any],
        context: Context,
        *,
        partition: int = 0,
        outlets: Mapping[str, Outlet] = _NO_OUTLETS,
        batch_records: int = BATCH_RECORDS,
        checkpoint: Checkpoint = _pass,
    ) -> None:
        self._bus = bus
        self._store = store
        self._tier = tier
        self._context = context
        self._partition = partition
        self._outlets = outlets
        self._batch_records = batch_records
        self._checkpoint = checkpoint
        self._topic = topic_of(tier.reads, context.log if tier.reads == ALERTS else context.run)
        self._group = f"{context.run.hex()}.{tier.name}"

    async def step(self) -> int:
        """Handle one batch; return how many records it had, 0 if there is nothing to read.

        Raises
        ------
        TransientError
            If a service is away; nothing was committed.
        InvariantError
            If a law is broken.
        """
        # The event loop gets its turn: an interrupt is heard between two batches.
        await asyncio.sleep(0)
        received = await self._bus.read(
            self._group, self._topic, self._partition, limit=self._batch_records, max_bytes=BATCH_BYTES
        )
        if not received:
            return 0
        batch = self._decoded(received)
        found = await self._found(batch)
        self._checkpoint(f"{self._tier.name} read")
        outcome = self._tier.process(batch, found)
        await self._store.write(outcome.documents)
        self._checkpoint(f"{self._tier.name} stored")
        if outcome.parcels:
            await self._deliver(outcome.parcels)
        await self._bus.commit(
            self._group,
            self._topic,
            self._partition,
            first=batch.first,
            end=batch.end,
            outputs=self._outputs(outcome),
        )
        self._checkpoint(f"{self._tier.name} committed")
        return len(received)

    def _decoded(self, received: tuple[Received, ...]) -> Batch[Any]:
        return Batch(
            self._partition,
            received[0].offset,
            received[-1].offset + 1,
            tuple(record.offset for record in received),
            tuple(wire.decode(record.value, self._tier.record_type) for record in received),
        )

    async def _found(self, batch: Batch[Any]) -> Found:
        found, asked = Found(), Keys()
        while keys := self._tier.needs(batch, found).without(asked):
            found.add(await self._store.read(self._context.log, self._context.run, keys))
            asked = asked.union(keys)
        return found

    async def _deliver(self, parcels: tuple[Parcel, ...]) -> None:
        for parcel in parcels:
            await self._outlets[parcel.outlet].deliver(parcel)
        self._checkpoint(f"{self._tier.name} delivered")
        await self._store.write([parcel.receipt for parcel in parcels])

    def _outputs(self, outcome: Outcome) -> list[Outgoing]:
        run = self._context.run
        outputs = [Outgoing(topic_of(r.record, run), r.key, wire.encode(r.value)) for r in outcome.records]
        provenance = topic_of(PROVENANCE, run)
        outputs += [Outgoing(provenance, entry.tier, wire.encode(entry)) for entry in outcome.journal]
        return outputs


async def with_retries(loop: TierLoop, *, attempts: int = 5, first_pause_s: float = 0.2) -> int:
    """Run a step, again after growing pauses while a service is away.

    Raises
    ------
    TransientError
        As the last attempt raised it.
    """
    for attempt in range(attempts):
        try:
            return await loop.step()
        except TransientError:
            if attempt == attempts - 1:
                raise
            await asyncio.sleep(first_pause_s * 2**attempt)
    raise AssertionError

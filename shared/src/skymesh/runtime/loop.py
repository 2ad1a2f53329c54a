"""The one loop: read a batch, read what it needs, decide, store, deliver, then publish and commit at once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

from skymesh.bus.bus import Outgoing, Partition, Slice
from skymesh.codecs import wire
from skymesh.errors import DeliveryPendingError, TransientError
from skymesh.runtime.jobs import Jobs
from skymesh.runtime.outlet import Outlet, Parcel
from skymesh.runtime.tier import Batch, Context, Outcome, Tier
from skymesh.runtime.topics import PROVENANCE
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
    handed to their outlets one after the other, with a receipt written for each as soon as it is taken;
    then outputs, journal and offsets are committed in one transaction, so nothing is published twice. A
    receipt never stands for what was not handed over, and whatever was handed over without one is handed
    over again under the same key: the outlet makes the two one, or asks its policy.

    Parameters
    ----------
    partition
        Where to read and commit.
    store
        Where to look things up and keep them.
    tier
        What decides.
    context
        For which log.
    jobs
        Where the jobs of runs come from.
    outlets
        Where parcels go, by name; only a tier that makes parcels needs any.
    batch_records
        Most records in a batch.
    checkpoint
        Called with the name of each step that is done.
    """

    def __init__(
        self,
        partition: Partition,
        store: TierStore,
        tier: Tier[Any],
        context: Context,
        jobs: Jobs,
        *,
        outlets: Mapping[str, Outlet] = _NO_OUTLETS,
        batch_records: int = BATCH_RECORDS,
        checkpoint: Checkpoint = _pass,
    ) -> None:
        self._partition = partition
        self._store = store
        self._tier = tier
        self._context = context
        self._jobs = jobs
        self._outlets = outlets
        self._batch_records = batch_records
        self._checkpoint = checkpoint

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
        read = await self._partition.read(limit=self._batch_records, max_bytes=BATCH_BYTES)
        if not read.records:
            return 0
        batch = self._decoded(read)
        found = await self._found(batch)
        self._checkpoint(f"{self._tier.name} read")
        outcome = self._tier.process(batch, found)
        await self._store.write(outcome.documents)
        self._checkpoint(f"{self._tier.name} stored")
        if outcome.parcels:
            await self._deliver(outcome.parcels)
        await self._partition.commit(read, self._outputs(outcome))
        self._checkpoint(f"{self._tier.name} committed")
        return len(read.records)

    def _decoded(self, read: Slice) -> Batch[Any]:
        return Batch(
            self._partition.number,
            read.first,
            read.end,
            tuple(record.offset for record in read.records),
            tuple(wire.decode(record.value, self._tier.record_type) for record in read.records),
        )

    async def _found(self, batch: Batch[Any]) -> Found:
        found, asked = Found(), Keys()
        while keys := self._tier.needs(batch, found).without(asked):
            found.add(await self._store.read(self._context.log, keys))
            found.jobs.update([(run, await self._jobs.load(run)) for run in keys.jobs])
            asked = asked.union(keys)
        return found

    async def _deliver(self, parcels: tuple[Parcel, ...]) -> None:
        """Hand over parcels; where one is not settled the others go on, and the batch is decided again."""
        pending: list[DeliveryPendingError] = []
        for parcel in parcels:
            try:
                await self._outlets[parcel.outlet].deliver(parcel)
            except DeliveryPendingError as error:
                pending.append(error)
                continue
            self._checkpoint(f"{self._tier.name} delivered")
            await self._store.write([parcel.receipt])
        if pending:
            raise max(pending, key=lambda error: error.pause_s)

    def _outputs(self, outcome: Outcome) -> list[Outgoing]:
        topic = self._context.topic
        outputs = [Outgoing(topic(r.record), r.key, wire.encode(r.value)) for r in outcome.records]
        provenance = topic(PROVENANCE)
        outputs += [Outgoing(provenance, entry.tier, wire.encode(entry)) for entry in outcome.journal]
        outputs += outcome.messages
        return outputs


async def with_retries(loop: TierLoop, *, attempts: int = 5, first_pause_s: float = 0.2) -> int:
    """Run a step, again after growing pauses while a service is away, or as long as that asks for.

    Raises
    ------
    TransientError
        As the last attempt raised it.
    """
    for attempt in range(attempts):
        try:
            return await loop.step()
        except TransientError as error:
            if attempt == attempts - 1:
                raise
            await asyncio.sleep(max(first_pause_s * 2**attempt, error.pause_s))
    raise AssertionError

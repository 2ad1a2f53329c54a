"""The one loop: read a batch, read what it needs, decide, store, deliver, then publish and commit at once."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping
from typing import Any, Protocol

from skymesh.bus.bus import Outgoing, Partition, Slice
from skymesh.codecs import wire
from skymesh.errors import DeliveryPendingError, InvariantError, PacketError, TransientError
from skymesh.model.run import Blob
from skymesh.provenance.journal import Stopwatch
from skymesh.runtime.batch_size import BatchSize
from skymesh.runtime.compute import Compute, compute_here
from skymesh.runtime.dead import burial, outgoing, poison
from skymesh.runtime.jobs import Jobs
from skymesh.runtime.meter import UNMEASURED, Meter
from skymesh.runtime.outlet import Outlet, Parcel, Ready, always_ready
from skymesh.runtime.references import referring, resolved
from skymesh.runtime.tier import Batch, Context, Outcome, Tier
from skymesh.runtime.topics import DEAD_LETTERS, PROVENANCE
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

    A record that the tier cannot handle stops nothing: the batch is parted until it is alone, and it is
    set aside as a dead letter, published and journaled as everything else is.

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
    ready
        Asked before messages for others are published.
    batch_records, batch_s
        Most records in a batch; and how long it should take, in seconds: a slower one makes the next smaller.
    record_bytes
        Largest record that is published itself; larger ones travel by reference. None if any does.
    compute
        Where the tier is called.
    meter
        Takes the measure of each batch.
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
        ready: Ready = always_ready,
        batch_records: int = BATCH_RECORDS,
        batch_s: float = math.inf,
        record_bytes: int | None = None,
        compute: Compute = compute_here,
        meter: Meter = UNMEASURED,
        checkpoint: Checkpoint = _pass,
    ) -> None:
        self._partition = partition
        self._store = store
        self._tier = tier
        self._context = context
        self._jobs = jobs
        self._outlets = outlets
        self._ready = ready
        self._size = BatchSize(batch_records, batch_s)
        self._record_bytes = record_bytes
        self._compute = compute
        self._meter = meter
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
        timed = self._meter.timed
        with timed("read"):
            read = await self._partition.read(limit=self._size.records, max_bytes=BATCH_BYTES)
        if not read.records:
            return 0
        start = time.monotonic()
        await self._handle(read._replace(records=await resolved(self._store, read.records)))
        self._size.took(time.monotonic() - start, len(read.records))
        return len(read.records)

    async def _handle(self, read: Slice) -> None:
        """Decide on a slice and commit it; if a record in it cannot be handled, part by part."""
        watch = Stopwatch()
        batch = None
        try:
            batch, outcome = await self._decide(read)
        except PacketError as error:
            if len(read.records) > 1:
                for part in _halves(read):
                    await self._handle(part)
                return
            outcome = burial(error, read, self._partition, self._tier, self._context, watch)
        await self._effect(read, batch, outcome)

    async def _decide(self, read: Slice) -> tuple[Batch[Any], Outcome]:
        batch = await self._compute(self._decoded, read)
        with self._meter.timed("find"):
            found = await self._found(batch)
        self._checkpoint(f"{self._tier.name} read")
        with self._meter.timed("process"):
            return batch, await self._compute(self._process, batch, found)

    def _process(self, batch: Batch[Any], found: Found) -> Outcome:
        with poison():
            return self._tier.process(batch, found)

    async def _effect(self, read: Slice, batch: Batch[Any] | None, outcome: Outcome) -> None:
        timed = self._meter.timed
        if outcome.messages:
            await self._ready()
        outputs, blobs = await self._compute(self._published, outcome)
        with timed("store"):
            await self._store.write((*outcome.documents, *outcome.dead, *blobs))
        self._checkpoint(f"{self._tier.name} stored")
        if outcome.parcels:
            with timed("deliver"):
                await self._deliver(outcome.parcels)
        with timed("commit"):
            try:
                await self._partition.commit(read, outputs)
            except InvariantError:
                # What messages are published to may have gone since it was asked for.
                if outcome.messages:
                    await self._ready()
                raise
        self._checkpoint(f"{self._tier.name} committed")
        self._meter.batch(read, batch, outcome, outputs)

    def _published(self, outcome: Outcome) -> tuple[list[Outgoing], list[Blob]]:
        outputs, blobs = referring(self._outputs(outcome), self._record_bytes)
        # Others read these, who know no references.
        return [*outputs, *outcome.messages], blobs

    def _decoded(self, read: Slice) -> Batch[Any]:
        with poison():
            return self._batch(read)

    def _batch(self, read: Slice) -> Batch[Any]:
        place = self._partition.topic, self._partition.number
        return Batch(
            self._context.number(*place, self._tier.reads),
            read.first,
            read.end,
            tuple(record.offset for record in read.records),
            tuple(record.time_ms for record in read.records),
            tuple(self._tier.decode(record, *place) for record in read.records),
        )

    async def _found(self, batch: Batch[Any]) -> Found:
        found, asked = Found(), Keys()
        while keys := (await self._compute(self._needs, batch, found)).without(asked):
            found.add(await self._store.read(self._context.log, keys))
            found.jobs.update([(run, await self._jobs.load(run)) for run in keys.jobs])
            asked = asked.union(keys)
        return found

    def _needs(self, batch: Batch[Any], found: Found) -> Keys:
        # What the store or a job's loading fails with is no fault of a record.
        with poison():
            return self._tier.needs(batch, found)

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
        outputs += [outgoing(letter, topic(DEAD_LETTERS)) for letter in outcome.dead]
        return outputs


def _halves(read: Slice) -> tuple[Slice, Slice]:
    """Return a slice in two parts that cover the same offsets."""
    middle = len(read.records) // 2
    cut = read.records[middle].offset
    return Slice(read.first, cut, read.records[:middle]), Slice(cut, read.end, read.records[middle:])


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

"""A tier loop over the embedded bus and store, around whatever tier a test wants to see in it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import NamedTuple

from skymesh.bus.bus import Outgoing, Received
from skymesh.bus.sqlite import SqliteBus
from skymesh.codecs import wire
from skymesh.model.execution import JournalEntry
from skymesh.model.ids import digest_of
from skymesh.model.run import DeadLetter
from skymesh.runtime.jobs import OneJob
from skymesh.runtime.loop import TierLoop
from skymesh.runtime.references import resolved
from skymesh.runtime.tier import Context
from skymesh.runtime.topics import DEAD_LETTERS, PROVENANCE
from skymesh.sqlite_file import SqliteFile
from skymesh.store.sqlite import SqliteStore

LOG = digest_of("log", "of the tests")
LIVE = Context(LOG, is_marked=True)
NO_JOB = OneJob(None)


class Mesh(NamedTuple):
    """An embedded bus and store with the topics that every tier writes to."""

    bus: SqliteBus
    store: SqliteStore

    async def create(self, *records, partitions=1):
        for record in records:
            await self.bus.create(LIVE.topic(record), partitions=partitions)

    async def send(self, record, values, *, keys=None, headers=(), partition=None):
        keys = keys or ["" for _ in values]
        topic = LIVE.topic(record)
        await self.bus.publish(
            [Outgoing(topic, k, v, partition, headers) for k, v in zip(keys, values, strict=True)]
        )

    @asynccontextmanager
    async def loop(self, tier, record, *, number=0, **more):
        topic = LIVE.topic(record)
        async with self.bus.open(LIVE.group(tier.name), topic, number) as partition:
            yield TierLoop(partition, self.store, tier, LIVE, NO_JOB, **more)

    async def drain(self, tier, record, *, number=0, **more):
        """Run a tier until nothing is left to read; return how many records it had."""
        handled = 0
        async with self.loop(tier, record, number=number, **more) as loop:
            while count := await loop.step():
                handled += count
        return handled

    async def raw(self, record) -> list[Received]:
        """Return the records of a topic as they travel, partition by partition."""
        topic = LIVE.topic(record)
        return [
            each
            for number in range(await self.bus.partitions(topic))
            async for part in self.bus.iter_from(topic, number, 0)
            for each in part
        ]

    async def values(self, record, kind):
        """Return the records of a topic, references followed, decoded."""
        records = await resolved(self.store, await self.raw(record))
        return [wire.decode(each.value, kind) for each in records]

    async def journal(self):
        return await self.values(PROVENANCE, JournalEntry)

    async def letters(self) -> list[DeadLetter]:
        return [letter async for letter in self.store.scan(DeadLetter, run=LOG)]


def on_mesh(folder, work):
    """Run `work(mesh)` on an embedded mesh in a folder; return what it returns."""

    async def run():
        file = SqliteFile(folder / "mesh.db")
        mesh = Mesh(SqliteBus(file), SqliteStore(file))
        await mesh.create(PROVENANCE, DEAD_LETTERS)
        try:
            return await work(mesh)
        finally:
            await mesh.store.close()

    return asyncio.run(run())

"""A process that reads a survey's topics as ingest does, and copies them to a topic of the mesh.

Arguments: address, group, pattern of topics, topic of offsets, target. It says ``commit`` for each batch.
"""

from __future__ import annotations

import asyncio
import re
import sys

from skymesh.bus.bus import Outgoing
from skymesh.bus.kafka.group import Membership
from skymesh.bus.kafka.source import Source
from skymesh.settings.kafka import KafkaSettings
from support.kafka_mesh import connected

BATCH = 25
MEMBERSHIP = Membership(session_s=6.0, heartbeat_s=1.0)


def copying(target, *, stop=None, on_commit=lambda partition, read: None):
    """Return the work of copying a partition until told to stop."""

    async def copy(partition):
        while stop is None or not stop.is_set():
            read = await partition.read(limit=BATCH, max_bytes=1 << 20)
            if read.records:
                outputs = [Outgoing(target, f"{partition.topic}/{r.offset}", r.value) for r in read.records]
                await partition.commit(read, outputs)
                on_commit(partition, read)

    return copy


def opened(address, mesh, offsets_topic):
    """Open the survey's cluster, which is the mesh's own here: nothing of it is used that says so."""
    return Source.open("ztf", KafkaSettings(servers=address), mesh.connection, offsets_topic)


async def main(address, group, pattern, offsets_topic, target):
    def say(partition, read):
        print("commit", partition.topic, partition.number, read.end, flush=True)  # noqa: T201 - tests read it

    async with connected(address) as mesh, opened(address, mesh, offsets_topic) as source:
        work = copying(target, on_commit=say)
        await source.group(group, re.compile(pattern), work, MEMBERSHIP).run(asyncio.Event())


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

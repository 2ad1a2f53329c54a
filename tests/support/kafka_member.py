"""A process that is a member of a group: it copies a topic to another one until it is told to end.

Arguments: address, group, source, target, seconds of its session, and the name of its instance or nothing.
It says ``commit`` for each batch, ``took`` for each partition that it takes, ``again`` when it joins anew.
"""

from __future__ import annotations

import asyncio
import signal
import sys

from skymesh.bus.bus import Outgoing
from skymesh.bus.kafka.group import Membership
from skymesh.errors import TransientError
from support.kafka_mesh import connected

BATCH = 25


def say(*words):
    print(*words, flush=True)  # noqa: T201 - the tests read it


async def copy(partition, stop, target):
    say("took", partition.number)
    while not stop.is_set():
        read = await partition.read(limit=BATCH, max_bytes=1 << 20)
        if read.records:
            await partition.commit(read, [Outgoing(target, r.key, r.value) for r in read.records])
            say("commit", partition.number, read.end)


async def main(address, group, source, target, session_s, instance):
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    membership = Membership(instance, session_s=float(session_s), heartbeat_s=1.0)
    async with connected(address) as bus:
        member = bus.group(group, [source], lambda partition: copy(partition, stop, target), membership)
        while not stop.is_set():
            try:
                await member.run(stop)
            except TransientError as error:
                say("again", error)
                await asyncio.sleep(0.2)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

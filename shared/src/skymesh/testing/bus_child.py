"""A process that copies a topic record by record until it is killed. See `BusContract`."""

from __future__ import annotations

import asyncio
import sys

from skymesh.bus.bus import Bus, Outgoing
from skymesh.testing.opening import opened

# So long that the pipe is full long before the topic is copied, if whoever is to kill this one is slow.
_LINE = 255


async def copy_topic(bus: Bus, group: str, source: str, target: str) -> None:
    """Copy what is behind the group's offset, one commit for each record, and say so."""
    async with bus.open(group, source, 0) as partition:
        while (read := await partition.read(limit=1, max_bytes=1 << 20)).records:
            (record,) = read.records
            await partition.commit(
                read, [Outgoing(target, record.key, record.value + half) for half in (b"a", b"b")]
            )
            print(str(read.end).rjust(_LINE), flush=True)


async def _main(opener: str, address: str, group: str, source: str, target: str) -> None:
    async with opened(opener, address) as bus:
        await copy_topic(bus, group, source, target)


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))

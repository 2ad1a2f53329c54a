"""A process that copies a topic record by record until it is killed. See `BusContract`."""

from __future__ import annotations

import asyncio
import sys

from skymesh.bus.bus import Bus, Outgoing
from skymesh.testing.opening import opened


async def copy_topic(bus: Bus, group: str, source: str, target: str) -> None:
    """Copy what is behind the group's offset, one commit for each record, and say so."""
    while records := await bus.read(group, source, 0, limit=1, max_bytes=1 << 20):
        (record,) = records
        outputs = [Outgoing(target, f"{record.key}/{half}", record.value) for half in "ab"]
        end = record.offset + 1
        await bus.commit(group, source, 0, first=record.offset, end=end, outputs=outputs)
        print(end, flush=True)


async def _main(opener: str, address: str, group: str, source: str, target: str) -> None:
    async with opened(opener, address) as bus:
        await copy_topic(bus, group, source, target)


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))

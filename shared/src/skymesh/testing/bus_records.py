"""Records to try a bus with, and ways to go through them."""

from __future__ import annotations

from skymesh.bus.bus import Bus, Outgoing, Received, Slice

KEYS = tuple(f"ztf:ZTF21aaaaa{a}{b}" for a in "abcd" for b in "abcdefgh")
ENOUGH = 1 << 20


def outgoing(topic: str, count: int, *, key: str = "", size: int = 0) -> list[Outgoing]:
    """Return numbered records: of one key, or of many in turn."""
    return [
        Outgoing(topic, key or KEYS[n % len(KEYS)], b"%06d" % n + b"." * max(0, size - 6))
        for n in range(count)
    ]


async def everything(bus: Bus, topic: str, partition: int, group: str = "reader") -> list[Received]:
    """Read a partition to its end in batches of three, committing each."""
    found: list[Received] = []
    async with bus.open(group, topic, partition) as it:
        while (read := await it.read(limit=3, max_bytes=ENOUGH)).records:
            await it.commit(read, [])
            found += read.records
    return found


async def look(
    bus: Bus, group: str, topic: str, *, limit: int = 10_000, max_bytes: int = ENOUGH
) -> tuple[Received, ...]:
    """Return what a group would read next of partition 0."""
    async with bus.open(group, topic, 0) as it:
        return (await it.read(limit=limit, max_bytes=max_bytes)).records


async def take(bus: Bus, group: str, topic: str, count: int, outputs: list[Outgoing] | None = None) -> Slice:
    """Commit the next records of partition 0, with outputs."""
    async with bus.open(group, topic, 0) as it:
        read = await it.read(limit=count, max_bytes=ENOUGH)
        await it.commit(read, outputs or [])
        return read

"""Records to try a bus with, and ways to go through them."""

from __future__ import annotations

from skymesh.bus.bus import Bus, Outgoing, Received

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
    while records := await bus.read(group, topic, partition, limit=3, max_bytes=ENOUGH):
        await take(bus, group, topic, records, partition=partition)
        found += records
    return found


async def take(
    bus: Bus,
    group: str,
    topic: str,
    records: tuple[Received, ...],
    outputs: list[Outgoing] | None = None,
    *,
    partition: int = 0,
) -> None:
    """Commit a batch that was read."""
    first, end = records[0].offset, records[-1].offset + 1
    await bus.commit(group, topic, partition, first=first, end=end, outputs=outputs or [])

"""Where the partitions of a log lie, through all its epochs."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from skymesh.bus.bus import Bus
from skymesh.runtime.tier import Context


class Place(NamedTuple):
    """Where a partition of the log lies.

    Attributes
    ----------
    number
        Its number in the log.
    topic, partition
        The topic of a record of its epoch, and the partition of that.
    """

    number: int
    topic: str
    partition: int


async def places_of(bus: Bus, context: Context, record: str) -> list[Place]:
    """Return where a record lies, by the numbers of its partitions; a topic that is gone is left out."""
    topics = context.topics(record)
    counts = await asyncio.gather(*(bus.partitions(topic) for _, topic in topics))
    return [
        Place(first + partition, topic, partition)
        for (first, topic), count in zip(topics, counts, strict=True)
        for partition in range(count)
    ]


async def committed(bus: Bus, group: str, places: list[Place]) -> dict[Place, int]:
    """Return up to which offset of each place a group has committed."""
    offsets = await asyncio.gather(*(bus.committed(group, place.topic, place.partition) for place in places))
    return dict(zip(places, offsets, strict=True))

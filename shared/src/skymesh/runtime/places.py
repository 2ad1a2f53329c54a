"""Where the partitions of a log lie."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import NamedTuple

from skymesh.bus.bus import Bus, Received
from skymesh.runtime.tier import Context
from skymesh.runtime.topics import ALERTS


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
    """Return where a record lies in the epoch that is worked in, by the numbers of its partitions."""
    return await _places(bus, context.topics(record)[-1:])


async def places_of_log(bus: Bus, context: Context) -> list[Place]:
    """Return where the log lies, through all epochs; a topic that is gone is left out."""
    return await _places(bus, context.topics(ALERTS))


async def _places(bus: Bus, topics: list[tuple[int, str]]) -> list[Place]:
    counts = await asyncio.gather(*(bus.partitions(topic) for _, topic in topics))
    return [
        Place(first + partition, topic, partition)
        for (first, topic), count in zip(topics, counts, strict=True)
        for partition in range(count)
    ]


async def committed(bus: Bus, context: Context, tier: str, record: str) -> dict[Place, int]:
    """Return up to which offset of each partition of a record a tier has committed.

    Of an ended epoch Kafka does not know that for long: who reads in the new one has no part in it any more.
    """
    group, places = context.group(tier), await places_of(bus, context, record)
    offsets = await asyncio.gather(*(bus.committed(group, place.topic, place.partition) for place in places))
    return dict(zip(places, offsets, strict=True))


async def iter_behind(bus: Bus, place: Place, offset: int) -> AsyncIterator[tuple[Received, ...]]:
    """Yield the records behind an offset that are still there, part by part."""
    first = max(offset, await bus.first(place.topic, place.partition))
    async for records in bus.iter_from(place.topic, place.partition, first):
        yield records

"""Reading what lies between two offsets, for no group."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from aiokafka import AIOKafkaConsumer, TopicPartition

from skymesh.bus.bus import Received
from skymesh.bus.kafka.client import PATIENCE_S, patiently
from skymesh.bus.kafka.reader import received
from skymesh.errors import BrokerUnavailableError

_TURN_MS = 100


async def iter_range(
    consumer: AIOKafkaConsumer, place: TopicPartition, first: int, end: int
) -> AsyncGenerator[tuple[Received, ...]]:
    """Yield the records from an offset to another one, part by part.

    Raises
    ------
    BrokerUnavailableError
        If nothing comes for long: to the client a partition that cannot be read is one with nothing to read.
    """
    loop = asyncio.get_running_loop()
    consumer.assign([place])
    consumer.seek(place, first)
    position, latest = first, loop.time() + PATIENCE_S
    while position < end:
        found = await patiently(lambda: consumer.getmany(timeout_ms=_TURN_MS), where=place.topic)
        if records := tuple(received(each) for each in found.get(place, ()) if each.offset < end):
            yield records
        before, position = position, await consumer.position(place)
        if position > before:
            latest = loop.time() + PATIENCE_S
        elif loop.time() > latest:
            problem = f"nothing comes from offset {position} on"
            raise BrokerUnavailableError(problem, where=f"{place.topic}[{place.partition}]")

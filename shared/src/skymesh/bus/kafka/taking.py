"""Taking a partition for a group, so that whoever had it can do nothing any more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition

from skymesh.bus.kafka.closing import end
from skymesh.bus.kafka.connection import Connection
from skymesh.bus.kafka.partition import KafkaPartition
from skymesh.bus.kafka.publisher import Publisher
from skymesh.bus.kafka.reader import Reader
from skymesh.errors import BrokerUnavailableError

TRANSACTION_S = 60.0
"""How long publishing one batch may take, in seconds; the broker ends a transaction that takes longer."""


async def take(
    connection: Connection, group: str, place: TopicPartition, consumer: AIOKafkaConsumer, reader: Reader
) -> KafkaPartition:
    """Take a partition that is assigned to a consumer, and paused.

    The order is what makes it safe: first whoever had it is fenced, and what it had begun has come to
    an end; then the committed offset is asked for; then reading begins there.

    Raises
    ------
    InvariantError
        If the group's offset is not in the topic.
    SettingsError, BrokerUnavailableError
        If Kafka refuses this, or does not answer, or the partition was assigned away meanwhile.
    """
    name = f"{group}-{place.topic}-{place.partition}"
    publisher = Publisher(connection.cluster, connection.topics, name, timeout_s=TRANSACTION_S)
    await publisher.start()
    try:
        offset = await connection.offsets.start(group, place)
    except BaseException:
        await publisher.stop()
        raise
    if place not in consumer.assignment():
        await publisher.stop()
        raise BrokerUnavailableError("the partition went to another member", where=name)
    return KafkaPartition(group, reader, reader.attach(place, offset), publisher)


@asynccontextmanager
async def taken(connection: Connection, group: str, place: TopicPartition) -> AsyncIterator[KafkaPartition]:
    """Have a partition for a while, with a consumer of its own."""
    there = await connection.topics.found([place.topic])
    async with connection.cluster.consuming() as consumer:
        consumer.assign([place])
        consumer.pause(place)
        reader = Reader(consumer)
        partition = await take(connection, group, place, consumer, reader)
        tasks = [asyncio.ensure_future(each) for each in (reader.run(), connection.topics.watch(there))]
        for task in tasks:
            task.add_done_callback(partition.fail)
        try:
            yield partition
        finally:
            await partition.settle(TRANSACTION_S)
            await partition.end()
            # What they failed with, the partition's reader was told.
            await end(*tasks)

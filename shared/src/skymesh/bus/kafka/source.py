"""Somebody else's cluster, which the mesh reads exactly once although no transaction spans both."""

from __future__ import annotations

import functools
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition

from skymesh.bus.bus import Outgoing, Received
from skymesh.bus.kafka.connection import Connection
from skymesh.bus.kafka.group import Group, Membership
from skymesh.bus.kafka.member import Work
from skymesh.bus.kafka.partition import KafkaPartition
from skymesh.bus.kafka.publisher import Publisher, partition_of
from skymesh.bus.kafka.ranges import iter_range
from skymesh.bus.kafka.reader import Feed, Reader
from skymesh.bus.kafka.taking import TRANSACTION_S
from skymesh.errors import BrokerUnavailableError, InvariantError, SettingsError
from skymesh.settings.kafka import SERVERS, KafkaSettings

_SETTLED_S = 1.5 * TRANSACTION_S
"""How long transactions of others may stand before what was written last of a partition, in seconds."""


class Source:
    """A cluster of a survey. Make it with `open`.

    The partitions of its topics are shared out among the members of a group there, as those of the mesh
    are. But a transaction knows one cluster: so the offset up to which a partition was read is published
    to a compacted topic of the mesh, in the transaction of what was made of it, and nothing is committed
    in the survey's cluster. Whoever takes a partition fences the one before by the producer in the mesh,
    then asks for that offset. Of a topic that was never read, the first record is the first there is.

    Parameters
    ----------
    name
        The survey.
    there
        Its cluster.
    mesh
        The mesh's own cluster.
    offsets_topic
        The compacted topic of the mesh.
    """

    def __init__(self, name: str, there: Connection, mesh: Connection, offsets_topic: str) -> None:
        self._name = name
        self._there = there
        self._mesh = mesh
        self._offsets_topic = offsets_topic

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        name: str,
        settings: KafkaSettings,
        mesh: Connection,
        offsets_topic: str,
        variable: str = SERVERS,
    ) -> AsyncIterator[Source]:
        """Connect to a survey's cluster for a while.

        Raises
        ------
        SettingsError
            If it refuses the credentials, or a file of the settings cannot be read.
        BrokerUnavailableError
            If no server answers.
        """
        there = await Connection.to(settings, variable)
        try:
            yield cls(name, there, mesh, offsets_topic)
        finally:
            await there.close()

    def group(self, group: str, topics: re.Pattern[str], work: Work, membership: Membership) -> Group:
        """Return this process's part in a group of the survey's cluster; see `Group`."""
        return Group(self._there, group, topics, work, membership, self._take)

    async def expiry_ms(self, partition: KafkaPartition) -> int | None:
        """Return the Unix time in ms at which the oldest record that was not read yet may be gone.

        None if nobody knows: nothing waits, or the cluster does not tell how long it keeps its records.
        """
        if partition.oldest_ms is None:
            return None
        try:
            kept_ms = await self._there.topics.retention_ms(partition.topic.rpartition("/")[2])
        except SettingsError:
            return None
        return None if kept_ms is None else partition.oldest_ms + kept_ms

    async def _take(
        self, group: str, place: TopicPartition, consumer: AIOKafkaConsumer, reader: Reader
    ) -> KafkaPartition:
        """Take a partition: see `skymesh.bus.kafka.taking.take` for the order and why."""
        key = f"{self._name}/{place.topic}/{place.partition}"
        name = _producer_of(self._offsets_topic, key)
        publisher = Publisher(self._mesh.cluster, self._mesh.topics, name, timeout_s=TRANSACTION_S)
        await publisher.start()
        try:
            topic_id = await self._topic_id(place.topic)
            read_up_to = await self._read_up_to(key, topic_id)
            offset = await self._there.offsets.resume(self._name, read_up_to, place)
            if read_up_to is None:
                # Who fences all that was ever read must find it, before anything comes of it.
                await publisher.publish([_offset_of(self._offsets_topic, key, offset, topic_id)])
        except BaseException:
            await publisher.stop()
            raise
        if place not in consumer.assignment():
            await publisher.stop()
            raise BrokerUnavailableError("the partition went to another member", where=key)
        feed = reader.attach(place, offset)
        told = functools.partial(_offset_of, self._offsets_topic, key, topic_id=topic_id)
        return _SourcePartition(group, reader, feed, publisher, key, told)

    async def _topic_id(self, topic: str) -> str:
        """Return the id of a topic: one that is made anew has another. Empty if nobody tells it."""
        try:
            return (await self._there.topics.found([topic]))[topic].id
        except NotImplementedError:
            # Brokers before Kafka 3.1 tell none.
            return ""

    async def _read_up_to(self, key: str, topic_id: str) -> int | None:
        """Return the offset up to which a partition was read; None if it never was.

        What stands behind a transaction that is open may not be read yet, so none may be: else the offset
        would be an older one, and what was published already would be published again.

        Raises
        ------
        InvariantError
            If it was a topic of another id: nothing is ever skipped in silence.
        """
        count = (await self._mesh.topics.counts([self._offsets_topic]))[self._offsets_topic]
        place = TopicPartition(self._offsets_topic, partition_of(key, count))
        told = b""
        async with self._mesh.cluster.consuming() as consumer:
            async for record in _settled(self._mesh, consumer, place):
                told = record.value if record.key == key else told
        offset, _, known_id = told.decode().partition(" ")
        if topic_id and known_id not in ("", topic_id):
            problem = f"was made anew: {self._name} has read up to {offset} of another one"
            raise InvariantError(problem, where=key)
        return int(offset) if told else None


async def fence_sources(mesh: Connection, offsets_topic: str) -> None:
    """Fence whoever reads from a survey's cluster: it publishes nothing more before it takes that anew.

    Parameters
    ----------
    mesh
        The mesh's own cluster.
    offsets_topic
        The compacted topic of the mesh, which names every partition that was read.
    """
    keys: set[str] = set()
    count = (await mesh.topics.counts([offsets_topic]))[offsets_topic]
    async with mesh.cluster.consuming() as consumer:
        for place in (TopicPartition(offsets_topic, number) for number in range(count)):
            async for record in _settled(mesh, consumer, place):
                keys.add(record.key)
    for key in sorted(keys):
        publisher = Publisher(
            mesh.cluster, mesh.topics, _producer_of(offsets_topic, key), timeout_s=TRANSACTION_S
        )
        await publisher.start()
        await publisher.stop()


def _offset_of(offsets_topic: str, key: str, offset: int, topic_id: str) -> Outgoing:
    """Return what says up to where a partition was read, and of which topic."""
    return Outgoing(offsets_topic, key, f"{offset} {topic_id}".encode())


def _producer_of(offsets_topic: str, key: str) -> str:
    """Return the name of the one producer that publishes what is read from a partition."""
    return f"{offsets_topic}-{key}"


async def _settled(
    mesh: Connection, consumer: AIOKafkaConsumer, place: TopicPartition
) -> AsyncIterator[Received]:
    """Yield what a partition of the mesh's own holds, once no transaction is open in it."""
    end = await mesh.offsets.settled_end(place, limit_s=_SETTLED_S)
    async for records in iter_range(consumer, place, await mesh.offsets.first(place), end):
        for record in records:
            yield record


class _SourcePartition(KafkaPartition):
    """A partition of a survey's cluster. Its topic bears the survey's name before its own.

    Parameters
    ----------
    group, reader, feed, publisher
        As of every partition; the publisher is the mesh's.
    key
        Survey, topic and partition.
    told
        Makes of an offset what says that it was read up to there.
    """

    def __init__(
        self,
        group: str,
        reader: Reader,
        feed: Feed,
        publisher: Publisher,
        key: str,
        told: Callable[[int], Outgoing],
    ) -> None:
        super().__init__(group, reader, feed, publisher)
        self.topic = key.rpartition("/")[0]
        self._told = told

    async def _publish(self, outputs: Sequence[Outgoing], end: int) -> None:
        await self._publisher.publish([*outputs, self._told(end)])

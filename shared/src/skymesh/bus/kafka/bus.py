"""The live bus: topics and groups of Kafka."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiokafka import TopicPartition

from skymesh.bus.bus import Outgoing, Received
from skymesh.bus.kafka.connection import Connection
from skymesh.bus.kafka.group import Group, Membership
from skymesh.bus.kafka.member import Work
from skymesh.bus.kafka.partition import KafkaPartition
from skymesh.bus.kafka.publisher import Publisher
from skymesh.bus.kafka.ranges import iter_range
from skymesh.bus.kafka.taking import taken
from skymesh.bus.kafka.topics import WEEK_MS, Topic
from skymesh.errors import InvariantError
from skymesh.settings.kafka import KafkaSettings

_PUBLISH_S = 10.0


class KafkaBus:
    """A bus on Kafka; see `skymesh.bus.bus.Bus` for the contract. Make it with `connect`.

    Attributes
    ----------
    connection
        What it holds of Kafka.
    topics
        The topics: to make, check and describe them.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._publisher: Publisher | None = None
        self._publishing = asyncio.Lock()
        self.topics = connection.topics

    @classmethod
    async def connect(cls, settings: KafkaSettings) -> KafkaBus:
        """Return a bus that is connected.

        Raises
        ------
        SettingsError
            If Kafka refuses the credentials, or a file of the settings cannot be read.
        BrokerUnavailableError
            If no server answers.
        """
        return cls(await Connection.to(settings))

    async def close(self) -> None:
        """Let go of all connections."""
        if self._publisher is not None:
            await self._publisher.stop()
        await self.connection.close()

    async def create(self, topic: str, *, partitions: int = 1, is_kept: bool = True) -> None:
        """Make a topic; nothing happens if it is there. One that is not kept forgets after a week."""
        await self.topics.create([Topic(topic, partitions, None if is_kept else WEEK_MS)])

    async def partitions(self, topic: str) -> int:
        """Return the number of partitions; 0 if there is no such topic."""
        return await self.topics.count(topic)

    async def first(self, topic: str, partition: int) -> int:
        """Return the offset of the first record that is still there."""
        return await self.connection.offsets.first(await self._place(topic, partition))

    async def end(self, topic: str, partition: int) -> int:
        """Return the offset that the next record gets; of open transactions, that of their first record."""
        return await self.connection.offsets.end(await self._place(topic, partition))

    async def is_settled(self, topic: str, partition: int) -> bool:
        """Return whether all that was published there can be read: no transaction goes on for long."""
        return await self.connection.offsets.is_settled(await self._place(topic, partition))

    async def committed(self, group: str, topic: str, partition: int) -> int:
        """Return the offset from which a group reads on; 0 before its first commit."""
        return await self.connection.offsets.committed(group, await self._place(topic, partition)) or 0

    async def waiting(self, group: str, topic: str, partition: int) -> int:
        """Return how many records a group has not committed yet.

        They are read and counted: between two offsets lie markers of transactions, nobody knows how many.
        A member of the group knows the same of its own partitions at no cost: `KafkaPartition.waiting`.
        """
        offsets, place = self.connection.offsets, await self._place(topic, partition)
        committed = await offsets.committed(group, place)
        first = await offsets.first(place) if committed is None else committed
        return sum([len(records) async for records in self.iter_from(topic, partition, first)])

    async def expiry_ms(self, partition: KafkaPartition) -> int | None:
        """Return the Unix time in ms at which the oldest record that is not committed may be gone.

        None if there is none at hand, or the topic keeps its records for ever.
        """
        oldest_ms = partition.oldest_ms
        kept_ms = None if oldest_ms is None else await self.topics.retention_ms(partition.topic)
        return None if oldest_ms is None or kept_ms is None else oldest_ms + kept_ms

    @asynccontextmanager
    async def open(self, group: str, topic: str, partition: int) -> AsyncIterator[KafkaPartition]:
        """Take a partition for a group, alone and without joining it: whoever had it is fenced."""
        place = await self._place(topic, partition)
        async with taken(self.connection, group, place) as it:
            yield it

    def group(
        self,
        group: str,
        topics: Sequence[str] | re.Pattern[str],
        work: Work,
        membership: Membership | None = None,
    ) -> Group:
        """Return this process's part in a group that shares out the partitions of topics; see `Group`."""
        return Group(self.connection, group, topics, work, membership or Membership())

    async def publish(self, outputs: Sequence[Outgoing]) -> None:
        """Publish records, all or none.

        Many may publish at once, each under an id of its own. If one dies in the middle, readers wait for
        what lies behind in these topics until the broker has ended its transaction: some 20 s at most.
        """
        async with self._publishing:
            publisher = self._publisher or await self._new_publisher()
            self._publisher = None
            try:
                await publisher.publish(outputs)
            finally:
                if publisher.is_sound:
                    self._publisher = publisher
                else:
                    await publisher.stop()

    async def iter_from(self, topic: str, partition: int, first: int) -> AsyncGenerator[tuple[Received, ...]]:
        """Yield the records from an offset to the end as it is now, for no group, part by part."""
        place = await self._place(topic, partition)
        end = await self.connection.offsets.end(place)
        if first >= end:
            return
        async with self.connection.cluster.consuming() as consumer:
            async for records in iter_range(consumer, place, first, end):
                yield records

    async def _new_publisher(self) -> Publisher:
        name = f"publish-{uuid.uuid4()}"
        publisher = Publisher(self.connection.cluster, self.topics, name, timeout_s=_PUBLISH_S)
        await publisher.start()
        return publisher

    async def _place(self, topic: str, partition: int) -> TopicPartition:
        count = (await self.topics.counts([topic]))[topic]
        if not 0 <= partition < count:
            raise InvariantError(f"has {count} partitions, and none of the number {partition}", where=topic)
        return TopicPartition(topic, partition)

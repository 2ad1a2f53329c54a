"""Opening the bus on a real Kafka, in this process and in others: each test in a name space of its own."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

from skymesh.bus.kafka.bus import KafkaBus
from skymesh.settings.kafka import KafkaSettings

LIMIT_S = 120
LONG_S = 600.0
"""A session that no machine is silent for, where a test is not of its end."""
ENOUGH = 1 << 20
_SOME_S = 60


async def read_some(partition, limit=10):
    """Return the next records of a partition. A read may find none: the broker takes its time."""
    async with asyncio.timeout(_SOME_S):
        while not (read := await partition.read(limit=limit, max_bytes=ENOUGH)).records:
            pass
    return read


async def until(condition):
    """Return when a condition holds."""
    async with asyncio.timeout(LIMIT_S):
        while not await condition():  # noqa: ASYNC110 - it is the broker that changes
            await asyncio.sleep(0.05)


async def are(value):
    """Return a value, as a condition that is waited for."""
    return value


class NamedApart:
    """A bus whose topics and groups bear the name of a test: all tests share one broker."""

    def __init__(self, bus: KafkaBus, space: str) -> None:
        self._bus = bus
        self._space = space

    def _name(self, name):
        return f"{self._space}.{name}"

    async def create(self, topic, **more):
        await self._bus.create(self._name(topic), **more)

    async def partitions(self, topic):
        return await self._bus.partitions(self._name(topic))

    async def first(self, topic, partition):
        return await self._bus.first(self._name(topic), partition)

    async def end(self, topic, partition):
        return await self._bus.end(self._name(topic), partition)

    async def is_settled(self, topic, partition):
        return await self._bus.is_settled(self._name(topic), partition)

    async def committed(self, group, topic, partition):
        return await self._bus.committed(self._name(group), self._name(topic), partition)

    async def waiting(self, group, topic, partition):
        return await self._bus.waiting(self._name(group), self._name(topic), partition)

    @asynccontextmanager
    async def open(self, group, topic, partition):
        async with self._bus.open(self._name(group), self._name(topic), partition) as it:
            yield _PartitionApart(it, self._name)

    async def publish(self, outputs):
        await self._bus.publish(_apart(outputs, self._name))

    def iter_from(self, topic, partition, first):
        return self._bus.iter_from(self._name(topic), partition, first)


class _PartitionApart:
    def __init__(self, partition, name):
        self._partition = partition
        self._name = name
        self.read = partition.read

    async def commit(self, read, outputs):
        await self._partition.commit(read, _apart(outputs, self._name))


def _apart(outputs, name):
    return [output._replace(topic=name(output.topic)) for output in outputs]


@asynccontextmanager
async def connected(address):
    """Have a bus at ``host:port``."""
    bus = await KafkaBus.connect(KafkaSettings(servers=address))
    try:
        yield bus
    finally:
        await bus.close()


@asynccontextmanager
async def open_bus(address):
    """Have a bus at ``host:port/space``."""
    servers, _, space = address.partition("/")
    async with connected(servers) as bus:
        yield NamedApart(bus, space)

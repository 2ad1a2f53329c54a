"""Topics that are made, checked, and lost: what does not fit is said in one line, and nothing is skipped."""

from __future__ import annotations

import asyncio
import re
import time
import uuid

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.admin.records_to_delete import RecordsToDelete
from aiokafka.client import AIOKafkaClient

from skymesh.bus.bus import Outgoing
from skymesh.bus.kafka.group import Membership
from skymesh.bus.kafka.topics import Topic
from skymesh.errors import BrokerUnavailableError, InvariantError, SettingsError
from support.kafka_mesh import ENOUGH, LIMIT_S, LONG_S, are, connected, read_some, until

HOUR_MS = 3_600_000


class Broker:
    """A bus, and the hands of an operator beside it."""

    def __init__(self, bus, admin):
        self.bus = bus
        self.admin = admin
        self.name = uuid.uuid4().hex[:12]

    async def configure(self, topic, **settings):
        named = {name.replace("_", "."): str(value) for name, value in settings.items()}
        await self.admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, named)])

        async def is_known():
            found = (await self.bus.topics.settings([topic]))[topic]
            return named.items() <= found.items()

        await until(is_known)

    async def make_anew(self, topic, partitions=1):
        await self.delete(topic)
        await self.admin.create_topics([NewTopic(topic, partitions, 1)])
        await until(lambda: self.bus.partitions(topic))

    async def delete(self, topic):
        await self.admin.delete_topics([topic])

        async def is_gone():
            return await self.bus.partitions(topic) == 0

        await until(is_gone)

    async def fill(self, topic, count, **more):
        await self.bus.create(topic, **more)
        await self.bus.publish([Outgoing(topic, "k", b"%d" % n) for n in range(count)])

    async def take(self, group, topic, count):
        async with self.bus.open(group, topic, 0) as partition:
            await partition.commit(await read_some(partition, count), [])


@pytest.fixture
def on_broker(kafka_address):
    """Runs a coroutine with a broker."""

    def run(work):
        async def with_bus():
            admin = AIOKafkaAdminClient(bootstrap_servers=kafka_address)
            await admin.start()
            try:
                async with connected(kafka_address) as bus:
                    return await work(Broker(bus, admin))
            finally:
                await admin.close()

        return asyncio.run(with_bus())

    return run


def test_topics_are_what_was_asked_for(on_broker):
    async def work(broker):
        topics = [
            Topic(f"{broker.name}.kept", 3),
            Topic(f"{broker.name}.hour", 2, HOUR_MS),
            Topic(f"{broker.name}.last", 1, is_compacted=True),
        ]
        await broker.bus.topics.create(topics)
        await broker.bus.topics.create(topics)
        await broker.bus.topics.check(topics)
        settings = await broker.bus.topics.settings([topic.name for topic in topics])
        assert [
            (found["cleanup.policy"], found["retention.ms"], found["retention.bytes"])
            for found in (settings[topic.name] for topic in topics)
        ] == [("delete", "-1", "-1"), ("delete", str(HOUR_MS), "-1"), ("compact", "-1", "-1")]
        # Whoever takes a partition of a survey reads this one from its beginning.
        assert int(settings[topics[-1].name]["segment.bytes"]) < 32 << 20
        assert [await broker.bus.partitions(topic.name) for topic in topics] == [3, 2, 1]

    on_broker(work)


def test_all_that_does_not_fit_is_said_in_one_line(on_broker):
    async def work(broker):
        kept, short, last, absent = (f"{broker.name}.{name}" for name in ("kept", "short", "last", "absent"))
        await broker.bus.topics.create([Topic(kept, 3), Topic(short, 2, HOUR_MS), Topic(last, 1, HOUR_MS)])
        await broker.configure(last, cleanup_policy="delete", retention_bytes=1000, retention_ms=HOUR_MS)
        wanted = [Topic(kept, 4), Topic(short, 2), Topic(last, 1, HOUR_MS), Topic(absent)]
        with pytest.raises(SettingsError) as told:
            await broker.bus.topics.check([*wanted, Topic(short, 2, is_compacted=True)])
        assert told.value.problem == "; ".join([
            f"{kept}: has 3 partitions, not 4",
            f"{short}: retention.ms is {HOUR_MS}, not -1",
            f"{last}: retention.bytes is 1000, not -1",
            f"{absent}: there is no such topic",
            f"{short}: cleanup.policy is delete, not compact",
        ])  # fmt: skip
        await broker.bus.topics.check([Topic(kept, 3, HOUR_MS)])

    on_broker(work)


def test_a_name_that_kafka_does_not_take_is_refused(on_broker):
    async def work(broker):
        with pytest.raises(SettingsError, match="does not make the topic"):
            await broker.bus.create("no spaces, please")

    on_broker(work)


def test_records_that_are_gone_unread_are_never_skipped(on_broker):
    async def work(broker):
        topic, group = broker.name, f"{broker.name}.g"
        await broker.fill(topic, 10)
        await broker.take(group, topic, 3)
        await broker.admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(6)})
        with pytest.raises(InvariantError, match=r"has not read offsets 3 to 5, and they are gone"):
            await broker.take(group, topic, 3)
        async with broker.bus.open(f"{broker.name}.new", topic, 0) as partition:
            read = await read_some(partition)
            assert (read.first, read.records[0].offset, read.end) == (6, 6, 10)

    on_broker(work)


def test_records_that_go_while_they_are_waited_for_end_the_reading(on_broker):
    async def work(broker):
        topic = broker.name
        await broker.fill(topic, 10)
        async with broker.bus.open(f"{topic}.g", topic, 0) as partition:
            await partition.commit(await read_some(partition), [])
            await broker.make_anew(topic)
            with pytest.raises(InvariantError, match=r"made anew|not in the topic"):
                await until(lambda: _nothing(partition))

    on_broker(work)


@pytest.mark.parametrize("is_made_anew", [True, False])
def test_a_member_ends_when_its_topic_vanishes_or_is_made_anew(on_broker, is_made_anew):
    async def work(broker):
        topic = broker.name
        await broker.fill(topic, 3, partitions=2)

        async def read(partition):
            while True:
                await partition.commit(await partition.read(limit=10, max_bytes=ENOUGH), [])

        member = broker.bus.group(f"{topic}.g", [topic], read, Membership(session_s=6.0, heartbeat_s=1.0))
        task = asyncio.ensure_future(member.run(asyncio.Event()))
        await until(lambda: are(len(member.partitions) == 2))
        await (broker.make_anew(topic, 2) if is_made_anew else broker.delete(topic))
        async with asyncio.timeout(LIMIT_S):
            with pytest.raises(InvariantError, match=r"anew|no such topic|not in the topic"):
                await task

    on_broker(work)


def test_a_group_refuses_a_topic_that_is_not_there(on_broker):
    async def work(broker):
        member = broker.bus.group(f"{broker.name}.g", [broker.name], _nothing)
        with pytest.raises(InvariantError, match="there is no such topic"):
            await member.run(asyncio.Event())
        assert await broker.bus.partitions(broker.name) == 0

    on_broker(work)


def test_a_session_of_a_length_that_kafka_does_not_permit_is_refused(on_broker):
    async def work(broker):
        await broker.fill(broker.name, 1)
        member = broker.bus.group(f"{broker.name}.g", [broker.name], _nothing, Membership(session_s=1.0))
        with pytest.raises(SettingsError, match="does not permit a session of this length"):
            await member.run(asyncio.Event())

    on_broker(work)


@pytest.mark.slow
def test_new_topics_of_a_pattern_are_read_from_their_beginning(on_broker):
    async def work(broker):
        found, stop = [], asyncio.Event()

        async def read(partition):
            while True:
                read = await partition.read(limit=10, max_bytes=ENOUGH)
                await partition.commit(read, [])
                found.extend((partition.topic, int(record.value)) for record in read.records)

        first, second = f"{broker.name}_20260101", f"{broker.name}_20260102"
        await broker.fill(first, 2)
        pattern = re.compile(f"{broker.name}_[0-9]{{8}}")
        member = broker.bus.group(f"{broker.name}.g", pattern, read, Membership(session_s=LONG_S))
        task = asyncio.ensure_future(member.run(stop, grace_s=0.0))
        await until(lambda: are(len(found) == 2))
        await broker.fill(second, 3)
        start = time.monotonic()
        await until(lambda: are(len(found) == 5))
        # Left to itself, the client looks for new ones every five minutes.
        assert time.monotonic() - start < 90.0
        stop.set()
        await task
        assert found == [(first, 0), (first, 1), (second, 0), (second, 1), (second, 2)]

    on_broker(work)


def test_it_is_known_when_the_oldest_unread_record_may_go(on_broker):
    async def work(broker):
        topic, group = broker.name, f"{broker.name}.g"
        await broker.bus.topics.create([Topic(topic, 1, HOUR_MS), Topic(f"{topic}.kept", 1)])
        before_ms = time.time_ns() // 1_000_000
        await broker.fill(topic, 5)
        after_ms = time.time_ns() // 1_000_000
        await broker.bus.publish([Outgoing(f"{topic}.kept", "k", b"v")])
        async with broker.bus.open(group, topic, 0) as partition:
            read = await read_some(partition)
            assert before_ms <= await broker.bus.expiry_ms(partition) - HOUR_MS <= after_ms
            await partition.commit(read, [])
            assert await broker.bus.expiry_ms(partition) is None
        async with broker.bus.open(group, f"{topic}.kept", 0) as partition:
            assert len((await read_some(partition)).records) == 1
            assert await broker.bus.expiry_ms(partition) is None

    on_broker(work)


def test_a_broker_that_is_not_there_is_said_to_be_away():
    async def work():
        async with connected("127.0.0.1:1"):
            raise AssertionError

    with pytest.raises(BrokerUnavailableError, match=r"SKYMESH_KAFKA=127\.0\.0\.1:1: Kafka: "):
        asyncio.run(work())


def test_a_cluster_whose_brokers_are_not_up_yet_is_said_to_be_away(kafka_address, monkeypatch):
    bootstrap = AIOKafkaClient.bootstrap

    async def bootstrap_too_early(client):
        await bootstrap(client)
        client.cluster._brokers.clear()

    async def work():
        async with connected(kafka_address) as bus:
            monkeypatch.setattr(AIOKafkaClient, "bootstrap", bootstrap_too_early)
            await bus.publish([Outgoing("any", "k", b"v")])

    with pytest.raises(BrokerUnavailableError, match=r"SKYMESH_KAFKA=.*: Kafka: no broker is ready"):
        asyncio.run(work())


async def _nothing(partition):
    await partition.read(limit=1, max_bytes=1)

"""The servers of the tests are real ones, shared by all workers of a session."""

from __future__ import annotations

import asyncio

import aiokafka
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from cassandra.cluster import Cluster
from cassandra.io.libevreactor import LibevConnection


async def _topics(address):
    client = AIOKafkaAdminClient(bootstrap_servers=address)
    await client.start()
    try:
        return set(await client.list_topics())
    finally:
        await client.close()


async def _write(address, topic, value):
    client = AIOKafkaAdminClient(bootstrap_servers=address)
    await client.start()
    await client.create_topics([NewTopic(topic, 1, 1)])
    await client.close()
    async with aiokafka.AIOKafkaProducer(bootstrap_servers=address) as producer:
        await producer.send_and_wait(topic, value)


async def _read(address, topic, patience_s):
    consumer = aiokafka.AIOKafkaConsumer(bootstrap_servers=address, auto_offset_reset="earliest")
    try:
        await consumer.start()
        # Not before: the start would wait for a topic that is not there.
        consumer.subscribe([topic])
        return (await asyncio.wait_for(consumer.getone(), patience_s)).value
    finally:
        await consumer.stop()


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_broker_of_ones_own_comes_back_with_its_data_at_its_address(own_kafka, end):
    asyncio.run(_write(own_kafka.address, "t", b"kept"))
    getattr(own_kafka, end)()
    own_kafka.start()
    assert asyncio.run(_read(own_kafka.address, "t", patience_s=60)) == b"kept"


@pytest.mark.parametrize("number", [1, 2])
def test_a_broker_makes_no_topic_by_itself(kafka_address, number):
    with pytest.raises(asyncio.TimeoutError):
        asyncio.run(_read(kafka_address, f"nobody-made-this-{number}", patience_s=2))
    assert f"nobody-made-this-{number}" not in asyncio.run(_topics(kafka_address))


def test_cassandra_answers(cassandra_address):
    host, port = cassandra_address.split(":")
    cluster = Cluster([host], port=int(port), connection_class=LibevConnection)
    with cluster:
        (row,) = cluster.connect().execute("SELECT release_version FROM system.local")
        assert row.release_version.startswith("5.")

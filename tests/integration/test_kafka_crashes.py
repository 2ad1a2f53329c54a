"""Members of a group that crash, hang, come and go, and a broker that does: every record is copied once."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter

import pytest
from aiokafka import TopicPartition

from skymesh.bus.bus import Outgoing
from skymesh.bus.kafka.bus import KafkaBus
from skymesh.bus.kafka.closing import close
from skymesh.bus.kafka.publisher import Publisher
from skymesh.bus.kafka.ranges import iter_range
from skymesh.errors import BrokerUnavailableError
from skymesh.settings.kafka import KafkaSettings
from support.kafka_members import Stream
from support.kafka_mesh import LONG_S

COUNT = 6000
pytestmark = pytest.mark.slow


@pytest.fixture
def stream(kafka_address):
    return Stream(kafka_address)


def test_a_member_killed_in_the_middle_is_replaced_by_the_others(stream):
    with stream.members() as start:
        first, second = start(), start()
        first.wait_for("took")
        second.wait_for("took")
        stream.fill(COUNT)
        first.wait_for("commit", 5)
        first.signal(signal.SIGKILL)
        stream.wait_until_done()
        assert second.end() == 0
    assert stream.copied() == Counter(range(stream.count))


def test_members_come_and_go_while_records_flow(stream):
    with stream.members() as start:
        first = start(session_s=LONG_S)
        stream.fill(COUNT)
        first.wait_for("commit", 5)
        second = start(session_s=LONG_S)
        second.wait_for("took")
        # However long it took to start: there is something for it to do.
        stream.fill(COUNT)
        second.wait_for("commit", 5)
        third = start(session_s=LONG_S)
        third.wait_for("took")
        stream.fill(COUNT)
        had = second.count("took")
        assert first.end() == 0
        second.wait_for("took", beyond=had)
        assert second.end() == 0
        stream.wait_until_done()
        assert third.end() == 0
        assert not any(line.startswith("again") for each in (first, second, third) for line in each.said)
    assert stream.copied() == Counter(range(stream.count))


def test_a_member_that_hung_and_was_replaced_does_no_harm_when_it_wakes(stream):
    with stream.members() as start:
        zombie, other = start(), start()
        zombie.wait_for("took")
        other.wait_for("took")
        stream.fill(COUNT)
        zombie.wait_for("commit", 3)
        zombie.signal(signal.SIGSTOP)
        had, was = other.count("took"), zombie.count("took")
        other.wait_for("took", 4, beyond=had)
        zombie.signal(signal.SIGCONT)
        zombie.wait_for("took", beyond=was)
        stream.wait_until_done()
        assert (zombie.end(), other.end()) == (0, 0)
    assert stream.copied() == Counter(range(stream.count))


def test_a_member_with_a_name_has_its_partitions_again_when_it_comes_back(stream):
    with stream.members() as start:
        first = start("one", LONG_S)
        first.wait_for("took", 4)
        second = start("two", LONG_S)
        second.wait_for("took", 2)
        first.wait_for("took", 2, beyond=4)
        stream.fill(COUNT)
        first.wait_for("commit", 3)
        had = second.count("took")
        first.signal(signal.SIGKILL)
        again = start("one", LONG_S)
        again.wait_for("took", 2)
        stream.wait_until_done()
        assert (second.count("took"), again.count("took")) == (had, 2)
        assert (second.end(), again.end()) == (0, 0)
    assert stream.copied() == Counter(range(stream.count))


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_broker_that_goes_and_comes_back_loses_nothing(own_kafka, end):
    stream = Stream(own_kafka.address)
    with stream.members() as start:
        members = [start(), start()]
        for member in members:
            member.wait_for("took")
        stream.fill(COUNT // 2)
        for member in members:
            member.wait_for("commit", 5)
        getattr(own_kafka, end)()
        own_kafka.start()
        stream.wait_until_done()
        assert [member.end() for member in members] == [0, 0]
    assert stream.copied() == Counter(range(stream.count))


def test_a_broker_that_hangs_holds_nobody_up_for_ever_and_nothing_goes_on_behind_their_back(
    own_kafka, monkeypatch
):
    monkeypatch.setattr("skymesh.bus.kafka.ranges.PATIENCE_S", 2.0)

    async def work():
        async with asyncio.timeout(240):
            bus = await KafkaBus.connect(KafkaSettings(servers=own_kafka.address, timeout_s=3))
            cluster, topics = bus.connection.cluster, bus.connection.topics
            for topic in ("known", "unknown"):
                await bus.create(topic)
            await topics.counts(["unknown"])
            known, unknown = (Publisher(cluster, topics, name, timeout_s=20) for name in ("known", "unknown"))
            consumer = cluster.consumer()
            for each in (known, unknown):
                await each.start()
            await cluster.start(consumer)
            await known.publish([Outgoing("known", "k", b"v")])
            place = TopicPartition("known", 0)
            consumer.assign([place])
            consumer.seek(place, 0)
            await consumer.getone()
            own_kafka.suspend()
            for publisher, topic in ((known, "known"), (unknown, "unknown")):
                # Enough to fill all that lies between: what is not sent holds up the end of a connection.
                values = [Outgoing(topic, "k", bytes(500_000)) for _ in range(40)]
                with pytest.raises(BrokerUnavailableError):
                    await publisher.publish(values)
                await publisher.stop()
            with pytest.raises(BrokerUnavailableError, match="nothing comes from offset 1 on"):
                _ = [records async for records in iter_range(consumer, place, 1, 100)]
            await close(consumer, patience_s=1)
            own_kafka.resume()
            await bus.close()
            assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(work())

"""Reading a survey's own cluster: every record once in the mesh, though no transaction spans both."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import time
import uuid
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from skymesh.bus.bus import Outgoing
from skymesh.bus.kafka.group import Membership
from skymesh.bus.kafka.publisher import Publisher
from skymesh.bus.kafka.source import fence_sources
from skymesh.bus.kafka.topics import Topic
from skymesh.errors import BrokerUnavailableError, InvariantError
from skymesh.model.deployment import Epoch
from skymesh.model.ids import digest_of
from skymesh.runtime.live import LiveMesh
from skymesh_ingest.sources import broker_settings, opening
from support.kafka_mesh import LIMIT_S, LONG_S, connected, read_some
from support.source_member import MEMBERSHIP, copying, opened

FOUND_S = 90
"""Left to itself, the client looks for new topics every five minutes."""
SOON_S = 5
POLL_S = 0.1
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}


class Survey:
    """Daily topics of a survey, and what the mesh has of them."""

    def __init__(self, address, bus):
        space = uuid.uuid4().hex[:12]
        self.address = address
        self.bus = bus
        self.pattern = re.compile(rf"{space}_\d{{8}}_programid1$")
        self.space, self.target, self.offsets = space, f"{space}.target", f"{space}.offsets"

    async def make(self):
        await self.bus.topics.create([Topic(self.offsets, is_compacted=True), Topic(self.target)])

    async def night(self, day, count, *, partitions=2):
        """Publish a night's alerts to a topic of its own, without keys."""
        topic = f"{self.space}_{day}_programid1"
        await self.bus.create(topic, partitions=partitions)
        await self.more(topic, 0, count, partitions=partitions)
        return topic

    async def more(self, topic, first, count, *, partitions=2):
        outputs = [
            Outgoing(topic, "", f"{topic} {n}".encode(), n % partitions) for n in range(first, first + count)
        ]
        await self.bus.publish(outputs)

    async def copied(self):
        """Return the values that are in the mesh, as a reader of committed records sees them."""
        return [r.value.decode() async for part in self.bus.iter_from(self.target, 0, 0) for r in part]

    async def wait(self, count):
        async with asyncio.timeout(LIMIT_S):
            while len(copied := await self.copied()) < count:  # noqa: ASYNC110 - it is the broker that changes
                await asyncio.sleep(POLL_S)
        return copied

    @asynccontextmanager
    async def reading(self):
        """Be a member of the survey's group, and copy."""
        stop = asyncio.Event()
        async with opened(self.address, self.bus, self.offsets) as source:
            member = source.group(
                f"{self.space}.group", self.pattern, copying(self.target, stop=stop), MEMBERSHIP
            )

            async def run_again_and_again():
                while not stop.is_set():
                    with suppress(BrokerUnavailableError):
                        await member.run(stop)

            running = asyncio.ensure_future(run_again_and_again())
            try:
                yield running
            finally:
                stop.set()
                await running


def on_survey(address, work):
    async def run():
        async with connected(address) as bus:
            survey = Survey(address, bus)
            await survey.make()
            return await work(survey)

    return asyncio.run(run())


@asynccontextmanager
async def hung(survey, *, after=0):
    """Have a member that hangs where it would commit; yields what wakes it and returns how that ended.

    It has copied the first ``after`` records. Its session is longer than any test: fencing alone ends it.
    """
    stop, awake = asyncio.Event(), asyncio.Event()
    read_up_to, ended = (asyncio.get_running_loop().create_future() for _ in range(2))

    def copy(partition, read):
        return partition.commit(read, [Outgoing(survey.target, "", record.value) for record in read.records])

    async def hang(partition):
        if after:
            await copy(partition, await read_some(partition, after))
        read = await read_some(partition, 4)
        read_up_to.set_result(read.first)
        await awake.wait()
        (error,) = await asyncio.gather(copy(partition, read), return_exceptions=True)
        ended.set_result(error)

    async with opened(survey.address, survey.bus, survey.offsets) as source:
        membership = Membership(session_s=LONG_S)
        member = source.group(f"{survey.space}.hung", survey.pattern, hang, membership)
        running = asyncio.ensure_future(member.run(stop))

        async def wake():
            awake.set()
            return await before(running, ended)

        assert await before(running, read_up_to) == after
        yield wake
        stop.set()
        await running


async def before(running, wanted):
    """Return what something comes to; what ends the member meanwhile is raised."""
    await asyncio.wait([running, wanted], timeout=LIMIT_S, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        running.result()
    return await asyncio.wait_for(wanted, 0)


def expected(*nights):
    return sorted(f"{topic} {n}" for topic, count in nights for n in range(count))


def test_a_topic_is_read_from_its_beginning_and_on_from_where_it_was_left(kafka_address):
    async def work(survey):
        topic = await survey.night("20260101", 100)
        async with survey.reading():
            await survey.wait(100)
        await survey.more(topic, 100, 40)
        async with survey.reading():
            copied = await survey.wait(140)
        committed = [await survey.bus.committed(f"{survey.space}.group", topic, n) for n in range(2)]
        return topic, copied, committed

    topic, copied, committed = on_survey(kafka_address, work)
    assert sorted(copied) == expected((topic, 140))
    assert committed == [0, 0]


def test_a_new_topic_is_found_in_time_and_read_from_its_beginning(kafka_address):
    async def work(survey):
        first = await survey.night("20260101", 30)
        await survey.night("notthis", 30)
        async with survey.reading():
            await survey.wait(30)
            second = await survey.night("20260102", 50)
            start = time.monotonic()
            copied = await survey.wait(80)
        return first, second, copied, time.monotonic() - start

    first, second, copied, seconds = on_survey(kafka_address, work)
    assert sorted(copied) == expected((first, 30), (second, 50))
    assert seconds < FOUND_S


def test_whoever_takes_a_partition_fences_the_one_before(kafka_address):
    async def work(survey):
        topic = await survey.night("20260101", 10, partitions=1)
        # The other one is of another group, so that only fencing tells the first that it is not alone.
        async with hung(survey, after=4) as wake, survey.reading():
            await survey.wait(10)
            return topic, await wake(), await survey.copied()

    topic, error, copied = on_survey(kafka_address, work)
    assert_is_fenced(error)
    assert sorted(copied) == expected((topic, 10))


def test_whoever_reads_for_the_first_time_is_fenced_as_others_are(kafka_address):
    """Before anything came of a partition it is known that somebody reads it."""

    async def work(survey):
        topic = await survey.night("20260101", 10, partitions=1)
        async with hung(survey) as wake:
            await fence_sources(survey.bus.connection, survey.offsets)
            error = await wake()
        nothing = await survey.copied()
        async with survey.reading():
            return topic, error, nothing, await survey.wait(10)

    topic, error, nothing, copied = on_survey(kafka_address, work)
    assert_is_fenced(error)
    assert nothing == []
    assert sorted(copied) == expected((topic, 10))


def assert_is_fenced(error):
    assert isinstance(error, BrokerUnavailableError)
    assert "another reader of the group has taken over" in str(error)


def test_an_offset_behind_an_open_transaction_is_waited_for(kafka_address):
    async def work(survey):
        topic = await survey.night("20260101", 5, partitions=1)
        connection = survey.bus.connection
        other = Publisher(connection.cluster, connection.topics, f"{survey.space}-other", timeout_s=50)
        await other.start()
        async with survey.reading():
            await survey.wait(5)
            await other._producer.begin_transaction()
            await (await other._producer.send(survey.offsets, b"7", b"ztf/another/0"))
            # From here on whatever is said of offsets stands behind a transaction that is open.
            await survey.more(topic, 5, 5, partitions=1)
            await survey.wait(10)
        assert not await survey.bus.is_settled(survey.offsets, 0)
        ending = asyncio.get_running_loop().call_later(
            SOON_S, lambda: asyncio.ensure_future(other._producer.commit_transaction())
        )
        async with survey.reading():
            await survey.more(topic, 10, 1, partitions=1)
            async with asyncio.timeout(LIMIT_S):
                while f"{topic} 10" not in (copied := await survey.copied()):  # noqa: ASYNC110 - likewise
                    await asyncio.sleep(POLL_S)
        ending.cancel()
        await other.stop()
        assert await survey.bus.is_settled(survey.offsets, 0)
        return topic, copied

    topic, copied = on_survey(kafka_address, work)
    assert sorted(copied) == expected((topic, 11))


def test_records_that_are_gone_unread_are_an_error_and_nothing_is_skipped(kafka_address):
    async def work(survey):
        topic = await survey.night("20260101", 10, partitions=1)
        await survey.bus.publish([Outgoing(survey.offsets, f"ztf/{topic}/0", b"99")])
        with pytest.raises(InvariantError, match="ztf is at 99"):
            async with survey.reading() as running:
                await asyncio.wait([running], timeout=LIMIT_S)
        return await survey.copied()

    assert on_survey(kafka_address, work) == []


def test_a_topic_that_was_made_anew_is_refused_however_long_it_has_grown(kafka_address):
    async def work(survey):
        topic = await survey.night("20260101", 5, partitions=1)
        async with survey.reading():
            await survey.wait(5)
        admin = survey.bus.connection.cluster.admin()
        await admin.start()
        await admin.delete_topics([topic])
        async with asyncio.timeout(LIMIT_S):
            while await survey.bus.partitions(topic):  # noqa: ASYNC110 - it is the broker that changes
                await asyncio.sleep(POLL_S)
        await survey.bus.create(topic, partitions=1)
        await survey.more(topic, 100, 7, partitions=1)
        await admin.close()
        with pytest.raises(InvariantError, match=r"was made anew: ztf has read up to [0-9]+ of another one"):
            async with survey.reading() as running:
                await asyncio.wait([running], timeout=LIMIT_S)
        return topic, await survey.copied()

    topic, copied = on_survey(kafka_address, work)
    assert sorted(copied) == expected((topic, 5))


@pytest.mark.slow
def test_a_member_that_is_killed_again_and_again_loses_and_repeats_nothing(kafka_address):
    async def work(survey):
        nights = []
        arguments = (survey.address, f"{survey.space}.group", survey.pattern.pattern, survey.offsets)
        command = [sys.executable, "-m", "support.source_member", *arguments, survey.target]
        for number in range(1, 4):
            # However far the one before came: there is something to copy.
            nights.append((await survey.night(f"2026010{number}", 300), 300))
            process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, env=ENVIRONMENT)
            async with asyncio.timeout(LIMIT_S):
                for _ in range(4):
                    assert await process.stdout.readline(), "the member has ended by itself"
            process.kill()
            await process.wait()
        async with survey.reading():
            copied = await survey.wait(900)
        return nights, copied

    nights, copied = on_survey(kafka_address, work)
    assert sorted(copied) == expected(*nights)


def test_a_broker_that_is_not_there_is_named_by_the_surveys_variable(kafka_address, monkeypatch):
    monkeypatch.setenv("SKYMESH_ZTF_KAFKA", "127.0.0.1:1")
    monkeypatch.setenv("SKYMESH_ZTF_TOPICS", "^ztf_")
    (broker,) = broker_settings()

    async def work(survey):
        mesh = LiveMesh(None, survey.bus, (Epoch(digest_of("log", survey.space), 0, 0, 1),), survey.space)
        async with opening(broker, mesh)():
            raise AssertionError

    with pytest.raises(BrokerUnavailableError, match=r"^SKYMESH_ZTF_KAFKA=127\.0\.0\.1:1: Kafka: "):
        on_survey(kafka_address, work)

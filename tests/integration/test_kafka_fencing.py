"""The rules by which partitions change hands, each on a real broker.

1. Fence whoever had a partition, then ask for the committed offset, then read.
2. Never commit with a new producer what was read under an old one.
3. When partitions go, wait for open transactions alone.
4. Nothing that takes long, and no error that is swallowed, in the callbacks of the consumer.
5. After an error in a transaction its producer is of no use any more.
6. All records are sent before the offset is; a transaction has time for the largest batch.
7. Count what waits in records: below transactions, offsets never say that all is done.
"""

from __future__ import annotations

import asyncio
import os
import sys
import uuid
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.errors import KafkaError

from skymesh.bus.bus import Outgoing
from skymesh.bus.kafka.group import Membership
from skymesh.bus.kafka.member import Member
from skymesh.bus.kafka.publisher import Publisher
from skymesh.errors import BrokerUnavailableError, InvariantError, TransientError
from support.kafka_mesh import ENOUGH, LIMIT_S, LONG_S, are, connected, read_some, until

SESSION_S = 6.0
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
PUBLISHER_THAT_DIES = """
import asyncio, os
from skymesh.bus.bus import Outgoing
from support.kafka_mesh import connected

async def main():
    async with connected("{address}") as bus:
        publisher = await bus._new_publisher()
        await publisher._producer.begin_transaction()
        await (await publisher._producer.send("{topic}", b"never", b"k"))
        os._exit(7)

asyncio.run(main())
"""


class Pair:
    """A topic to read and one to write, and a group."""

    def __init__(self, bus):
        space = uuid.uuid4().hex[:12]
        self.bus = bus
        self.source, self.target, self.group = f"{space}.in", f"{space}.out", f"{space}.group"

    async def fill(self, count, *, partitions=1):
        await self.bus.create(self.source, partitions=partitions)
        await self.bus.create(self.target, partitions=2)
        await self.bus.publish([Outgoing(self.source, f"k{n}", b"%d" % n) for n in range(count)])

    def outputs(self, read):
        return [Outgoing(self.target, record.key, record.value) for record in read.records]

    async def told(self):
        return sorted([
            int(record.value)
            for number in range(2)
            async for records in self.bus.iter_from(self.target, number, 0)
            for record in records
        ])  # fmt: skip

    def open(self, number=0):
        return self.bus.open(self.group, self.source, number)

    async def copy(self, partition):
        while True:
            read = await partition.read(limit=10, max_bytes=ENOUGH)
            if read.records:
                await partition.commit(read, self.outputs(read))

    def member(self, work=None, session_s=SESSION_S):
        membership = Membership(session_s=session_s, heartbeat_s=1.0)
        return self.bus.group(self.group, [self.source], work or self.copy, membership)

    async def wait_until_done(self, *, partitions=1):
        for number in range(partitions):
            await until(lambda number=number: self.is_done(number))

    async def waits(self, count):
        return await self.bus.waiting(self.group, self.source, 0) == count

    async def is_done(self, number):
        return await self.bus.waiting(self.group, self.source, number) == 0


@asynccontextmanager
async def running(member):
    """Have a member for a while; whatever ends it is raised."""
    stop = asyncio.Event()
    task = asyncio.ensure_future(member.run(stop, grace_s=0.0))
    try:
        yield task
    finally:
        stop.set()
        async with asyncio.timeout(LIMIT_S):
            await task


@pytest.fixture
def on_pair(kafka_address):
    """Runs a coroutine with a pair of topics."""

    def run(work):
        async def with_bus():
            async with connected(kafka_address) as bus:
                return await work(Pair(bus))

        return asyncio.run(with_bus())

    return run


def test_rule_1_whoever_is_fenced_has_committed_what_the_next_one_does_not_read_or_nothing(on_pair):
    async def work(pair):
        await pair.fill(200)
        for turn in range(20):
            async with pair.open() as old:
                read = await read_some(old)
                committing = asyncio.ensure_future(old.commit(read, pair.outputs(read)))
                # At another moment of the transaction each time.
                await asyncio.sleep(0.002 * turn)
                async with pair.open() as new:
                    with suppress(BrokerUnavailableError):
                        await committing
                    again = await new.read(limit=1, max_bytes=ENOUGH)
                    assert again.first == (read.end if committing.exception() is None else read.first)
        async with pair.open() as last:
            while not await pair.is_done(0):
                read = await last.read(limit=1000, max_bytes=ENOUGH)
                await last.commit(read, pair.outputs(read))
        assert await pair.told() == [*range(200)]

    on_pair(work)


def test_rule_1_the_offset_is_asked_for_when_the_fence_stands(on_pair, monkeypatch):
    async def work(pair):
        await pair.fill(20)
        offsets, start = pair.bus.connection.offsets, pair.bus.connection.offsets.start

        async with pair.open() as old:
            read = await read_some(old)

            async def started_late(group, place):
                # The last moment at which the old one could have slipped in.
                with pytest.raises(BrokerUnavailableError):
                    await old.commit(read, pair.outputs(read))
                return await start(group, place)

            monkeypatch.setattr(offsets, "start", started_late)
            async with pair.open() as new:
                assert (await new.read(limit=10, max_bytes=ENOUGH)).first == read.first
        assert await pair.told() == []

    on_pair(work)


def test_rule_2_what_was_read_before_another_reader_came_is_not_committed_after_it(on_pair):
    async def work(pair):
        await pair.fill(30)
        async with pair.open() as old:
            read = await read_some(old, 20)
        async with pair.open() as other:
            first = await read_some(other)
            await other.commit(first, pair.outputs(first))
        async with pair.open() as new:
            with pytest.raises(BrokerUnavailableError, match="reads on from"):
                await new.commit(read, pair.outputs(read))
            with pytest.raises(BrokerUnavailableError, match="has lost the partition"):
                await old.commit(read, pair.outputs(read))
            rest = await read_some(new, 20)
            await new.commit(rest, pair.outputs(rest))
        assert await pair.told() == [*range(30)]

    on_pair(work)


def test_rule_3_partitions_go_at_once_from_a_member_whose_work_waits_for_records(on_pair):
    async def work(pair):
        await pair.fill(40, partitions=2)
        # Whom the work holds up is expelled when the session is over, which is too late here.
        first, second = (pair.member(session_s=LONG_S) for _ in range(2))
        async with running(first):
            await pair.wait_until_done(partitions=2)
            async with running(second):
                await until(lambda: are(len(first.partitions) == len(second.partitions) == 1))
        assert await pair.told() == [*range(40)]

    on_pair(work)


def test_rule_3_an_open_transaction_ends_before_its_partition_goes(on_pair, monkeypatch):
    async def work(pair):
        await pair.fill(20)
        publish, entered, ended = Publisher.publish, asyncio.Event(), []

        async def publish_slowly(publisher, outputs, **more):
            is_first = more and not entered.is_set()
            if is_first:
                entered.set()
                await asyncio.sleep(1.0)
            await publish(publisher, outputs, **more)
            if is_first:
                ended.append(len(outputs))

        monkeypatch.setattr(Publisher, "publish", publish_slowly)
        async with running(pair.member(session_s=LONG_S)) as task:
            await until(lambda: are(entered.is_set() or task.done()))
            async with running(pair.member(session_s=LONG_S)):
                await until(lambda: are(bool(ended)))
                await pair.wait_until_done()
        assert ended == [10]
        assert await pair.told() == [*range(20)]

    on_pair(work)


def test_rule_4_taking_partitions_may_last_longer_than_the_session(on_pair, monkeypatch):
    async def work(pair):
        await pair.fill(20, partitions=2)
        start, begun = Publisher.start, []

        async def start_late(publisher):
            begun.append(publisher)
            await asyncio.sleep(2 * SESSION_S + 1.0)
            await start(publisher)

        monkeypatch.setattr(Publisher, "start", start_late)
        async with running(pair.member(session_s=2 * SESSION_S)):
            await pair.wait_until_done(partitions=2)
        assert len(begun) == 2, "the group went round and round"
        assert await pair.told() == [*range(20)]

    on_pair(work)


def test_rule_4_what_goes_wrong_with_a_partition_ends_the_membership(on_pair):
    async def work(pair):
        await pair.fill(20)

        async def fail(partition):
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            async with running(pair.member(fail)) as task:
                await asyncio.wait([task], timeout=LIMIT_S)

    on_pair(work)


def test_rule_5_a_member_that_is_fenced_ends_and_may_join_again_at_once(on_pair):
    async def work(pair):
        await pair.fill(400)
        member, stop, ends = pair.member(session_s=LONG_S), asyncio.Event(), []

        async def run_again_and_again():
            while not stop.is_set():
                try:
                    await member.run(stop, grace_s=0.0)
                except TransientError as error:
                    ends.append(error)

        async def has_ended(had):
            if task.done():
                task.result()
            return len(ends) > had

        task = asyncio.ensure_future(run_again_and_again())
        for turn in range(3):
            await until(lambda: are(bool(member.partitions) or task.done()))
            had = len(ends)
            async with pair.open() as intruder:
                read = await intruder.read(limit=10, max_bytes=ENOUGH)
                with suppress(BrokerUnavailableError):
                    await intruder.commit(read, pair.outputs(read))
                await pair.bus.publish([Outgoing(pair.source, "k", b"%d" % (400 + turn))])
            await until(lambda had=had: has_ended(had))
        await pair.wait_until_done()
        stop.set()
        await task
        assert await pair.told() == [*range(403)]

    on_pair(work)


def test_rule_5_after_an_error_nothing_more_is_published_by_the_same_reader(on_pair):
    async def work(pair):
        await pair.fill(20)
        async with pair.open() as partition:
            read = await read_some(partition)
            too_large = Outgoing(pair.target, "k", bytes(3 << 20))
            with pytest.raises(InvariantError, match="larger than the topic takes"):
                await partition.commit(read, [*pair.outputs(read), too_large, *pair.outputs(read)])
            with pytest.raises(BrokerUnavailableError):
                await partition.commit(read, pair.outputs(read))
        assert await pair.told() == []
        assert await pair.bus.committed(pair.group, pair.source, 0) == 0

    on_pair(work)


def test_rule_5_whoever_is_fenced_between_two_calls_of_the_client_is_told_so(on_pair, monkeypatch):
    async def work(pair):
        await pair.fill(0)
        connection = pair.bus.connection
        old, new = (Publisher(connection.cluster, connection.topics, pair.group, timeout_s=60) for _ in "12")
        await old.start()
        begin, send = old._producer.begin_transaction, old._producer.send

        async def begin_and_be_fenced():
            await begin()
            await new.start()
            with suppress(KafkaError):
                await (await send(pair.target, b"never", b"k"))

        monkeypatch.setattr(old._producer, "begin_transaction", begin_and_be_fenced)
        with pytest.raises(BrokerUnavailableError, match="another reader of the group has taken over"):
            await old.publish([Outgoing(pair.target, "k", b"never")])
        await new.publish([Outgoing(pair.target, "k", b"1")])
        for publisher in (old, new):
            await publisher.stop()
        assert await pair.told() == [1]

    on_pair(work)


@pytest.mark.parametrize("step", [(Member, "leave"), (AIOKafkaConsumer, "stop")])
def test_whoever_is_cancelled_while_it_leaves_a_group_leaves_it_all_the_same(on_pair, monkeypatch, step):
    async def work(pair):
        await pair.fill(20, partitions=2)
        (kind, name), leaving = step, asyncio.Event()
        done = getattr(kind, name)

        async def do_it(self):
            leaving.set()
            await asyncio.sleep(0.1)
            await done(self)

        async def fail(partition):
            raise ZeroDivisionError

        task = asyncio.ensure_future(pair.member(fail).run(asyncio.Event()))
        monkeypatch.setattr(kind, name, do_it)
        await asyncio.wait_for(leaving.wait(), LIMIT_S)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        monkeypatch.undo()
        async with running(pair.member()):
            # What is no member any more has no share of the partitions.
            await pair.wait_until_done(partitions=2)
        assert await pair.told() == [*range(20)]

    on_pair(work)


@pytest.mark.parametrize("error", [KeyError("connection"), AssertionError()])
def test_a_client_that_has_ceased_to_fetch_ends_the_membership(on_pair, monkeypatch, error):
    async def work(pair):
        await pair.fill(20)
        actions = Fetcher._get_actions_per_node

        def fail_once(fetcher, assignment):
            monkeypatch.setattr(Fetcher, "_get_actions_per_node", actions)
            raise error

        member = pair.member(session_s=LONG_S)
        task = asyncio.ensure_future(member.run(asyncio.Event()))
        await pair.wait_until_done()
        monkeypatch.setattr(Fetcher, "_get_actions_per_node", fail_once)
        with pytest.raises(BrokerUnavailableError, match="ceased to fetch"):
            await asyncio.wait_for(task, LIMIT_S)
        await pair.bus.publish([Outgoing(pair.source, "k", b"20")])
        async with running(member):
            await pair.wait_until_done()
        assert await pair.told() == [*range(21)]

    on_pair(work)


def test_rule_6_a_large_commit_is_there_as_a_whole(on_pair):
    async def work(pair):
        await pair.fill(10)
        async with pair.open() as partition:
            read = await read_some(partition)
            await partition.commit(
                read, [Outgoing(pair.target, f"k{n}", b"%06d" % n + bytes(4000)) for n in range(5000)]
            )
        numbers = [
            int(record.value[:6])
            for number in range(2)
            async for records in pair.bus.iter_from(pair.target, number, 0)
            for record in records
        ]
        assert sorted(numbers) == [*range(5000)]
        assert await pair.bus.committed(pair.group, pair.source, 0) == read.end

    on_pair(work)


def test_rule_7_nothing_waits_when_all_records_are_done_whatever_markers_lie_behind_them(on_pair):
    async def work(pair):
        await pair.fill(0)
        for n in range(5):
            await pair.bus.publish([Outgoing(pair.source, "k", b"%d" % n)])
        member = pair.member(session_s=LONG_S)
        async with running(member):
            await until(lambda: are(bool(member.partitions)))
            (partition,) = member.partitions
            await pair.wait_until_done()
            await until(lambda: are(partition.waiting == 0))
        committed = await pair.bus.committed(pair.group, pair.source, 0)
        assert 0 < committed < await pair.bus.end(pair.source, 0)
        assert await pair.bus.waiting(pair.group, pair.source, 0) == 0
        await pair.bus.publish([Outgoing(pair.source, "k", b"5"), Outgoing(pair.source, "k", b"6")])
        await until(lambda: pair.waits(2))

    on_pair(work)


def test_a_key_that_is_no_text_keeps_its_bytes(on_pair):
    async def work(pair):
        await pair.fill(0)
        key = b"\xff\x00raw".decode(errors="surrogateescape")
        await pair.bus.publish([Outgoing(pair.source, key, b"v")])
        async with pair.open() as partition:
            (record,) = (await read_some(partition)).records
            assert record.key == key

    on_pair(work)


def test_a_partition_that_is_worked_on_slowly_is_not_fetched_without_end(on_pair):
    async def work(pair):
        await pair.fill(0, partitions=2)
        large = [
            Outgoing(pair.source, "k", bytes(10_000), partition=number)
            for number in range(2)
            for _ in range(2000)
        ]
        for first in range(0, len(large), 400):
            await pair.bus.publish(large[first : first + 400])
        ahead, seen, may_go = 1 << 20, [], asyncio.Event()

        async def copy_or_wait(partition):
            if partition.number == 0:
                await may_go.wait()
            while True:
                read = await partition.read(limit=100, max_bytes=ENOUGH)
                seen.append(max(each._feed.size for each in member.partitions))
                await partition.commit(read, [])

        membership = Membership(session_s=LONG_S, heartbeat_s=1.0, ahead_bytes=ahead)
        member = pair.bus.group(pair.group, [pair.source], copy_or_wait, membership)
        async with running(member):
            # The one that waits holds up nobody, and goes on where it was when it may.
            await until(lambda: pair.is_done(1))
            assert not await pair.is_done(0)
            may_go.set()
            await pair.wait_until_done(partitions=2)
        assert max(seen) < ahead + (5 << 20)

    on_pair(work)


@pytest.mark.slow
def test_what_a_killed_publisher_began_holds_up_readers_for_a_while_only(on_pair, kafka_address):
    async def work(pair):
        await pair.fill(0)
        code = PUBLISHER_THAT_DIES.format(address=kafka_address, topic=pair.source)
        ended = await asyncio.create_subprocess_exec(sys.executable, "-c", code, env=ENVIRONMENT)
        assert await ended.wait() == 7
        start = asyncio.get_running_loop().time()
        await pair.bus.publish([Outgoing(pair.source, "k", b"1")])
        await until(lambda: pair.waits(1))
        # The broker looks every 10 s for what takes longer than 10 s; left to itself it would wait a minute.
        assert asyncio.get_running_loop().time() - start < 55.0
        async with pair.open() as partition:
            read = await read_some(partition)
            assert [record.value for record in read.records] == [b"1"]

    on_pair(work)

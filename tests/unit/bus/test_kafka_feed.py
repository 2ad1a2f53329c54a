"""What is read ahead of a partition, and how records find their partition."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from skymesh.bus.bus import Received
from skymesh.bus.kafka.publisher import partition_of
from skymesh.bus.kafka.reader import Feed
from skymesh.errors import BrokerUnavailableError

PLACE = TopicPartition("t", 0)
sizes = st.lists(st.integers(0, 50), max_size=30)


def filled(lengths, gap):
    feed = Feed(PLACE, 7)
    feed.add([Received(7 + n * gap, "k", bytes(length)) for n, length in enumerate(lengths)])
    return feed


@given(sizes, st.integers(1, 3), st.integers(1, 40), st.integers(0, 200))
def test_a_batch_is_the_longest_beginning_within_the_limits_but_not_empty(lengths, gap, limit, max_bytes):
    feed = filled(lengths, gap)
    taken = feed.first(limit, max_bytes)
    assert taken == feed.first(limit, max_bytes)
    fitting = [n for n in range(1, min(limit, len(lengths)) + 1) if sum(lengths[:n]) <= max_bytes]
    assert len(taken) == max([*fitting, min(1, len(lengths))])
    assert [len(record.value) for record in taken] == lengths[: len(taken)]


@given(sizes, st.integers(1, 3), st.integers(1, 10))
def test_batches_that_are_forgotten_one_by_one_are_all_there_is(lengths, gap, limit):
    feed, seen = filled(lengths, gap), []
    assert feed.size == sum(lengths)
    while taken := feed.first(limit, 1000):
        seen += [record.offset for record in taken]
        feed.forget(taken[-1].offset + 1)
    assert seen == [7 + n * gap for n in range(len(lengths))]
    assert feed.size == feed.waiting == 0


def test_nothing_waits_once_all_was_read_and_forgotten():
    feed = filled([1, 1, 1], 2)
    assert (feed.is_at_end, feed.is_settled) == (False, False)
    feed.stable_end, feed.end, feed.position = 20, 20, 12
    assert (feed.waiting, feed.is_at_end) == (3 + 8, False)
    feed.position = 20
    assert (feed.waiting, feed.is_at_end, feed.is_settled) == (3, True, True)
    feed.forget(12)
    assert feed.waiting == 0
    feed.end = 22
    assert (feed.is_at_end, feed.is_settled) == (True, False)


def test_whoever_waits_for_a_feed_is_told_what_ended_it():
    async def work():
        feed = filled([1], 1)
        waiting = asyncio.ensure_future(feed.wait(30.0))
        await asyncio.sleep(0)
        feed.fail(BrokerUnavailableError("first"))
        feed.fail(BrokerUnavailableError("second"))
        async with asyncio.timeout(5):
            await waiting
        with pytest.raises(BrokerUnavailableError, match="first"):
            feed.first(1, 1)

    asyncio.run(work())


@given(st.text(max_size=30), st.integers(1, 64))
def test_every_key_has_a_partition(key, count):
    assert 0 <= partition_of(key, count) < count


@pytest.mark.parametrize(
    "key,partition", [("", 1), ("a", 4), ("kafka", 4), ("ztf:ZTF18abxhyqv", 1), ("é😀", 5)]
)
def test_partitions_of_keys_are_those_of_the_java_client(key, partition):
    assert partition_of(key, 8) == partition

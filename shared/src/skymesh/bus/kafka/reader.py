"""Reading partitions ahead of those who work on them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import (
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
)

from skymesh.bus.bus import Received, key_text
from skymesh.bus.kafka.errors import mesh_error
from skymesh.errors import MeshError

AHEAD_BYTES = 16 << 20
"""How much of a partition is held at most, in bytes, before no more is fetched; one fetch may exceed it."""
_TURN_MS = 100


class Feed:
    """The records of one partition that are not committed yet, in order.

    Attributes
    ----------
    place
        Topic and partition.
    position
        The offset behind all that was read, markers of transactions included.
    stable_end, end
        The offset behind the last record that may be read, and that behind the last one there is, as of
        the last answer; None before the first. Between them lie transactions that have not ended.
    """

    def __init__(self, place: TopicPartition, position: int) -> None:
        self.place = place
        self.position = position
        self.stable_end: int | None = None
        self.end: int | None = None
        self._records: deque[Received] = deque()
        self._bytes = 0
        self._has_changed = asyncio.Event()
        self._error: MeshError | None = None

    @property
    def size(self) -> int:
        """How many bytes it holds."""
        return self._bytes

    @property
    def oldest_ms(self) -> int | None:
        """Unix time in ms of the first record it holds."""
        return self._records[0].time_ms if self._records else None

    @property
    def is_at_end(self) -> bool:
        """Whether all there is to read now was read, as of the last answer."""
        return self.stable_end is not None and self.position >= self.stable_end

    @property
    def is_settled(self) -> bool:
        """Whether all there is was read, as of the last answer, and no transaction is open behind it."""
        return self.end is not None and self.position >= self.end

    @property
    def waiting(self) -> int:
        """How many records are not committed: exact at the end, before it with gaps counted as records."""
        return len(self._records) + max(0, (self.stable_end or 0) - self.position)

    def add(self, records: Sequence[Received]) -> None:
        """Append what was read."""
        self._records.extend(records)
        self._bytes += sum(len(record.value) for record in records)
        self._has_changed.set()

    def fail(self, error: MeshError) -> None:
        """Have every reader fail from now on."""
        self._error = self._error or error
        self._has_changed.set()

    def first(self, limit: int, max_bytes: int) -> tuple[Received, ...]:
        """Return the first records that keep the limits, but always one if there is one.

        Raises
        ------
        MeshError
            If reading has failed, or the partition was lost.
        """
        if self._error is not None:
            raise self._error
        taken: list[Received] = []
        size = 0
        for record in self._records:
            size += len(record.value)
            if len(taken) == limit or (taken and size > max_bytes):
                break
            taken.append(record)
        return tuple(taken)

    def forget(self, end: int) -> None:
        """Let go of the records before an offset."""
        while self._records and self._records[0].offset < end:
            self._bytes -= len(self._records.popleft().value)

    async def wait(self, limit_s: float) -> None:
        """Return when something has changed, or the time is over."""
        self._has_changed.clear()
        try:
            async with asyncio.timeout(limit_s):
                await self._has_changed.wait()
        except TimeoutError:
            return


class Reader:
    """Fetches for all feeds through one consumer, and pauses partitions that have enough.

    Parameters
    ----------
    consumer
        The consumer; it only fetches what it is assigned.
    ahead_bytes
        See `AHEAD_BYTES`.
    """

    def __init__(self, consumer: AIOKafkaConsumer, *, ahead_bytes: int = AHEAD_BYTES) -> None:
        self._consumer = consumer
        self._ahead_bytes = ahead_bytes
        self._feeds: dict[TopicPartition, Feed] = {}

    def attach(self, place: TopicPartition, offset: int) -> Feed:
        """Begin to read a partition that is assigned, at an offset: nothing read before counts."""
        feed = self._feeds[place] = Feed(place, offset)
        self._consumer.seek(place, offset)
        self._consumer.resume(place)
        return feed

    def detach(self, feed: Feed, error: MeshError) -> None:
        """End a feed with an error for whoever still reads it; also if the partition is gone already."""
        feed.fail(error)
        if self._feeds.get(feed.place) is feed:
            del self._feeds[feed.place]
        if feed.place in self._consumer.assignment():
            self._consumer.pause(feed.place)

    async def run(self) -> None:
        """Read until cancelled.

        Raises
        ------
        MeshError
            What reading failed with; the feeds fail with the same.
        """
        try:
            while True:
                await self._turn()
        except (KafkaError, KeyError, AssertionError) as error:
            problem = mesh_error(error, where=", ".join(sorted({place.topic for place in self._feeds})))
            for feed in self._feeds.values():
                feed.fail(problem)
            raise problem from error

    async def _turn(self) -> None:
        try:
            found = await self._consumer.getmany(timeout_ms=_TURN_MS)
        except (NoOffsetForPartitionError, OffsetOutOfRangeError) as error:
            if self._feeds.keys() & _places(error):
                raise
            # Of a partition that was assigned and is not taken yet: its position means nothing.
            return
        if self._consumer._fetcher.error_future.done():  # noqa: SLF001 - nobody else asks it
            raise KafkaError("the client has ceased to fetch")
        # Nothing is awaited from here on: what was found belongs to the feeds of this moment.
        for place, records in found.items():
            if place in self._feeds:
                self._feeds[place].add([received(record) for record in records])
        assigned = self._consumer.assignment()
        for place, feed in self._feeds.items():
            if place in assigned:
                feed.stable_end = self._consumer.last_stable_offset(place)
                feed.end = self._consumer.highwater(place)
                feed.position = _position(self._consumer, place, feed.position)
                self._balance(feed)

    def _balance(self, feed: Feed) -> None:
        is_paused = feed.place in self._consumer.paused()
        if feed.size >= self._ahead_bytes and not is_paused:
            self._consumer.pause(feed.place)
        elif is_paused and feed.size < self._ahead_bytes // 2:
            self._consumer.resume(feed.place)


def received(record: ConsumerRecord) -> Received:
    """Return a record as the mesh has it; a key that is no text keeps its bytes as lone surrogates."""
    return Received(
        record.offset,
        key_text(record.key or b""),
        record.value or b"",
        tuple((name, value or b"") for name, value in record.headers),
        record.timestamp,
    )


def _places(error: KafkaError) -> set[TopicPartition]:
    (held,) = error.args
    return set(held) if isinstance(held, dict) else {held}


def _position(consumer: AIOKafkaConsumer, place: TopicPartition, otherwise: int) -> int:
    """Return the offset behind all that was read, without waiting for it: its public form may wait."""
    state = consumer._subscription.subscription.assignment.state_value(place)  # noqa: SLF001
    return int(state.position) if state.has_valid_position else otherwise

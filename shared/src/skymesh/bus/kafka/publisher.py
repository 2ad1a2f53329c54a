"""Publishing in transactions."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import (
    IllegalOperation,
    KafkaError,
    LeaderNotAvailableError,
    ProducerClosed,
    UnknownTopicOrPartitionError,
)
from aiokafka.partitioner import murmur2

from skymesh.bus.bus import Outgoing, key_bytes
from skymesh.bus.kafka.client import Cluster
from skymesh.bus.kafka.closing import close
from skymesh.bus.kafka.errors import mesh_error
from skymesh.bus.kafka.topics import Topics
from skymesh.errors import BrokerUnavailableError, InvariantError

_STOP_S = 5.0
_OF_TIMEOUT = 0.5
"""We give up before the broker does: it does not end a transaction that we still believe in."""


@lru_cache(maxsize=1 << 16)
def partition_of(key: str, count: int) -> int:
    """Return the partition of a key among `count`, as every client of Kafka computes it."""
    return int((murmur2(key_bytes(key)) & 0x7FFFFFFF) % count)


class Publisher:
    """Publishes under an id: of all that were started with the same one, only the last still may.

    Starting it ends a transaction that another one left open. After an error it is of no use any more.

    Parameters
    ----------
    cluster, topics
        Where to publish.
    id
        The transactional id.
    timeout_s
        How long a transaction may take, in seconds; then the broker ends it.
    """

    def __init__(self, cluster: Cluster, topics: Topics, id: str, *, timeout_s: float) -> None:  # noqa: A002
        self._cluster = cluster
        self._topics = topics
        self._id = id
        self._timeout_s = timeout_s
        self._producer: AIOKafkaProducer | None = None
        self._is_sound = True

    @property
    def is_sound(self) -> bool:
        """Whether it may publish still: not in a transaction, nor after one that did not end well."""
        return self._is_sound

    async def start(self) -> None:
        """Fence off whoever publishes under the id.

        Raises
        ------
        SettingsError, BrokerUnavailableError
            If Kafka refuses this, or does not answer.
        """
        producer = self._cluster.producer(self._id, timeout_s=self._timeout_s)
        await self._cluster.start(producer)
        self._producer = producer

    async def publish(
        self,
        outputs: Sequence[Outgoing],
        *,
        group: str = "",
        offsets: Mapping[TopicPartition, int] | None = None,
    ) -> None:
        """Publish records and commit offsets of a group, all or nothing.

        Raises
        ------
        InvariantError
            If a topic or partition is not there, or a record is too large for it; nothing was published.
        BrokerUnavailableError
            If Kafka does not answer, or another one publishes under the id.
        """
        counts = await self._topics.counts(output.topic for output in outputs)
        if self._producer is None or not self._is_sound:
            raise BrokerUnavailableError("this reader has lost the partition", where=self._id)
        batches = _batches(self._producer, outputs, counts)
        # Only the end of the transaction makes it sound again: to be cancelled in it does not.
        self._is_sound = False
        try:
            async with asyncio.timeout(self._timeout_s * _OF_TIMEOUT):
                await self._producer.begin_transaction()
                await _send(self._producer, batches)
                if offsets:
                    await self._producer.send_offsets_to_transaction(dict(offsets), group)
                await self._producer.commit_transaction()
        except (KafkaError, IllegalOperation, AssertionError, TimeoutError) as error:
            cause = _cause(self._producer, error)
            if isinstance(cause, UnknownTopicOrPartitionError):
                # A client that no broker has told of any topic says so too: they are looked for again.
                await self._topics.found([*{output.topic for output in outputs}])
                cause = LeaderNotAvailableError()
            raise mesh_error(cause, where=self._id) from error
        self._is_sound = True

    async def stop(self) -> None:
        """Let go of it; a transaction that is open ends without its records."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        if not self._is_sound:
            await _abandon(producer)
        await close(producer, patience_s=_STOP_S)


def _cause(producer: AIOKafkaProducer, error: Exception) -> BaseException:
    """Return why a transaction has failed.

    When the broker ends it between two calls of the client, the second says only that there is none.
    """
    if isinstance(error, KafkaError | TimeoutError):
        return error
    ended = producer._txn_manager.wait_for_transaction_end()  # noqa: SLF001
    is_told = ended is not None and ended.done() and not ended.cancelled()
    return (ended.exception() if is_told else None) or error


async def _abandon(producer: AIOKafkaProducer) -> None:
    """Take an open transaction back, if that is possible; if not, who starts next under the id does it."""
    try:
        async with asyncio.timeout(_STOP_S):
            await producer.abort_transaction()
    except (KafkaError, TimeoutError, AssertionError):
        _fail(producer)


def _fail(producer: AIOKafkaProducer) -> None:
    """Have a producer forget what it has not sent: its stop waits for that, and there is no public way."""
    accumulator, manager = producer._message_accumulator, producer._txn_manager  # noqa: SLF001
    accumulator.fail_all(ProducerClosed())
    waiting = [batch._drain_waiter for row in accumulator._batches.values() for batch in row]  # noqa: SLF001
    for future in [*waiting, manager.wait_for_transaction_end()]:
        if future is not None and future.done() and not future.cancelled():
            # Nobody asks for these, and the event loop would complain of that with a traceback each.
            future.exception()


def _batches(
    producer: AIOKafkaProducer, outputs: Sequence[Outgoing], counts: Mapping[str, int]
) -> dict[TopicPartition, list[Any]]:
    """Return records as batches that Kafka takes at once, in their order within each partition."""
    time_ms = time.time_ns() // 1_000_000
    batches: dict[TopicPartition, list[Any]] = defaultdict(list)
    for topic, key, value, wanted, headers in outputs:
        count = counts[topic]
        number = partition_of(key, count) if wanted is None else wanted
        if not 0 <= number < count:
            raise InvariantError(f"has {count} partitions, and none of the number {number}", where=topic)
        row = batches[TopicPartition(topic, number)]
        record = {"timestamp": time_ms, "key": key_bytes(key), "value": value, "headers": list(headers)}
        if not row or row[-1].append(**record) is None:
            row.append(producer.create_batch())
            row[-1].append(**record)
    return batches


async def _send(producer: AIOKafkaProducer, batches: Mapping[TopicPartition, list[Any]]) -> None:
    async def send(place: TopicPartition, row: list[Any]) -> None:
        sent = [await producer.send_batch(batch, place.topic, partition=place.partition) for batch in row]
        await asyncio.gather(*sent)

    ended = await asyncio.gather(
        *(send(place, row) for place, row in batches.items()), return_exceptions=True
    )
    for error in ended:
        if isinstance(error, BaseException):
            raise error

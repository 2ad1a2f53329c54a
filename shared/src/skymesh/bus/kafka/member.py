"""What one membership in a group has, from joining to leaving."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition

from skymesh.bus.kafka.partition import KafkaPartition
from skymesh.bus.kafka.reader import Reader

Work = Callable[[KafkaPartition], Awaitable[None]]
"""What is done with a partition for as long as this member has it; it is cancelled when it goes."""
Taking = Callable[[str, TopicPartition, AIOKafkaConsumer, Reader], Awaitable[KafkaPartition]]
"""Takes a partition for a group: see `skymesh.bus.kafka.taking.take`."""


class Member(ConsumerRebalanceListener):
    """Takes the partitions that the group gives to a consumer, runs their work, and gives them back.

    The consumer calls it back when partitions come and go, in turns, never at once. Meanwhile nothing else
    of the group goes on, and past the session's time-out the member is expelled: so all that takes longer
    is left to a task for each partition, which begins by taking it.

    Parameters
    ----------
    group
        The group.
    work
        What to do with a partition.
    consumer
        The consumer that joins; not started yet.
    transaction_s
        How long transactions that are open may take to their end when partitions go, in seconds.
    ahead_bytes
        How much of each partition is fetched ahead at most, in bytes.
    taking
        How a partition is taken.

    Attributes
    ----------
    reader
        Reads what is assigned.
    partitions
        What was taken.
    failure
        What the work of a partition, or taking it, has failed with.
    """

    def __init__(
        self,
        group: str,
        work: Work,
        consumer: AIOKafkaConsumer,
        taking: Taking,
        *,
        transaction_s: float,
        ahead_bytes: int,
    ) -> None:
        self.consumer = consumer
        self.reader = Reader(consumer, ahead_bytes=ahead_bytes)
        self.partitions: dict[TopicPartition, KafkaPartition] = {}
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._taking = taking
        self._group = group
        self._work = work
        self._transaction_s = transaction_s
        self._tasks: dict[TopicPartition, asyncio.Task[None]] = {}
        self._ending: set[asyncio.Future[None]] = set()
        self._is_leaving = False

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Begin with partitions. Nothing is fetched of them before they were taken."""
        for place in assigned if not self._is_leaving else ():
            self.consumer.pause(place)
            # Any position will do until it is taken; without one the client looks for it by itself.
            self.consumer.seek(place, 0)
            self._tasks[place] = asyncio.ensure_future(self._own(place))

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:  # noqa: ARG002
        """End with all partitions, also with those that come back: they are taken anew."""
        await self._give_back()

    async def leave(self) -> None:
        """Give all partitions back and take none any more."""
        self._is_leaving = True
        await self._give_back()

    async def finish(self, limit_s: float) -> None:
        """Wait until the work of all partitions has returned by itself, or the time is over."""
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=limit_s)

    async def bury(self) -> None:
        """Wait for what was cancelled."""
        if self._ending:
            await asyncio.wait(self._ending)
        for ended in self._ending:
            if not ended.cancelled():
                ended.exception()

    async def _give_back(self) -> None:
        """Have no partition any more: cancel the work, and wait for transactions that are open.

        Nothing else is waited for, least of all the work: it may wait for what waits for this.
        """
        partitions, self.partitions = [*self.partitions.values()], {}
        tasks, self._tasks = [*self._tasks.values()], {}
        for partition in partitions:
            partition.lose()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*(partition.settle(self._transaction_s) for partition in partitions))
        self._ending.update(tasks, [asyncio.ensure_future(partition.end()) for partition in partitions])

    async def _own(self, place: TopicPartition) -> None:
        try:
            partition = await self._taking(self._group, place, self.consumer, self.reader)
            self.partitions[place] = partition
            await self._work(partition)
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends the membership
            # What fails because the partition has gone is no failure.
            is_ours = self._tasks.get(place) is asyncio.current_task()
            if is_ours and not self.failure.done():
                self.failure.set_exception(error)

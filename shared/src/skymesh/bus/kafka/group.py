"""A membership in a group that shares out the partitions of topics among its members."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition

from skymesh.bus.kafka.client import close
from skymesh.bus.kafka.connection import Connection
from skymesh.bus.kafka.partition import KafkaPartition
from skymesh.bus.kafka.reader import AHEAD_BYTES, Reader
from skymesh.bus.kafka.taking import take
from skymesh.errors import InvariantError, MeshError

Work = Callable[[KafkaPartition], Awaitable[None]]
"""What is done with a partition for as long as this member has it; it is cancelled when it goes."""


@dataclass(frozen=True)
class Membership:
    """How a process is a member of its group.

    Attributes
    ----------
    instance
        A name that stays over restarts, one for each process of the group: a process that comes back within
        the session has its partitions again, and the others go on undisturbed. Empty: a new member each time.
    session_s
        After how long a silence the others get its partitions, in seconds.
    heartbeat_s
        How often it tells that it is alive, in seconds.
    ahead_bytes
        How much of each partition is fetched ahead at most, in bytes.
    """

    instance: str = ""
    session_s: float = 10.0
    heartbeat_s: float = 3.0
    ahead_bytes: int = AHEAD_BYTES


class Group:
    """One process of a group: runs the work of each partition that is its share.

    Everything that goes wrong ends it: its partitions are given back, its transactions are taken back, and
    `run` raises. Nothing that was lost can be held on to that way. After a `TransientError` it is safe to
    `run` again at once: it joins anew, fences, and reads on from what was committed. The process need not
    end for that.

    Parameters
    ----------
    connection
        The cluster.
    name
        The group.
    topics
        The topics it reads.
    work
        What to do with a partition.
    membership
        How it is a member.
    """

    def __init__(
        self,
        connection: Connection,
        name: str,
        topics: Sequence[str],
        work: Work,
        membership: Membership,
    ) -> None:
        self.name = name
        self._connection = connection
        self._topics = tuple(topics)
        self._work = work
        self._membership = membership
        self._member: _Member | None = None

    @property
    def partitions(self) -> tuple[KafkaPartition, ...]:
        """The partitions that this process has now."""
        return () if self._member is None else tuple(self._member.partitions.values())

    async def run(self, stop: asyncio.Event, *, grace_s: float = 10.0) -> None:
        """Be a member until told to stop.

        Parameters
        ----------
        stop
            Tells to stop; the work of each partition sees it too and returns when its batch is done.
        grace_s
            How long that may take, in seconds; then the work is cancelled, and what is not committed stays
            undone.

        Raises
        ------
        TransientError
            If a service is away, or another process has taken over.
        MeshError
            What else ended the work of a partition or the reading of a topic.
        """
        counts = dict(await self._connection.topics.counts(self._topics))
        consumer = self._connection.cluster.consumer(**self._options())
        member = self._member = _Member(
            self._connection, self.name, {name: counts[name] for name in self._topics}, self._work, consumer,
            self._membership,
        )  # fmt: skip
        consumer.subscribe(self._topics, listener=member)
        reading: asyncio.Future[None] | None = None
        try:
            await self._connection.cluster.start(consumer)
            reading = asyncio.ensure_future(member.reader.run())
            stopping = asyncio.ensure_future(stop.wait())
            try:
                ends: list[asyncio.Future[Any]] = [reading, stopping, member.failure]
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            finally:
                stopping.cancel()
            _raise_first(reading, member.failure)
            await member.finish(grace_s)
            _raise_first(member.failure)
        finally:
            await member.give_back()
            if reading is not None:
                reading.cancel()
                with suppress(asyncio.CancelledError, MeshError):
                    await reading
            # It leaves the group, so that the others need not wait for its silence.
            await close(consumer)
            await member.bury()
            self._member = None

    def _options(self) -> dict[str, Any]:
        return {
            "group_id": self.name,
            "group_instance_id": self._membership.instance or None,
            "session_timeout_ms": round(self._membership.session_s * 1000),
            "heartbeat_interval_ms": round(self._membership.heartbeat_s * 1000),
        }


class _Member(ConsumerRebalanceListener):
    """What one membership has, from joining to leaving.

    The two callbacks come in turns, never at once. They stay far below the session's time-out: what takes
    longer goes on in a task for each partition, which begins by taking it.
    """

    def __init__(
        self,
        connection: Connection,
        group: str,
        counts: Mapping[str, int],
        work: Work,
        consumer: AIOKafkaConsumer,
        membership: Membership,
    ) -> None:
        self._connection = connection
        self._group = group
        self._counts = counts
        self._work = work
        self._consumer = consumer
        self._transaction_s = membership.session_s / 2
        self._tasks: dict[TopicPartition, asyncio.Task[None]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self.reader = Reader(consumer, ahead_bytes=membership.ahead_bytes)
        self.partitions: dict[TopicPartition, KafkaPartition] = {}
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Begin with partitions. Nothing is fetched of them before they were taken."""
        for place in assigned:
            self._consumer.pause(place)
            # Any position will do until it is taken; without one the client looks for it by itself.
            self._consumer.seek(place, 0)
            self._tasks[place] = asyncio.ensure_future(self._own(place))
        self._check_counts()

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:  # noqa: ARG002
        """End with all partitions: whatever was read of them is of no use any more."""
        await self.give_back()

    async def give_back(self) -> None:
        """Have no partition any more: let open transactions end, stop publishing, cancel the work.

        The work itself is not waited for: it may wait for something that waits for this.
        """
        partitions, self.partitions = self.partitions, {}
        tasks, self._tasks = self._tasks, {}
        for partition in partitions.values():
            partition.lose()
        await asyncio.gather(*(each.end(transaction_s=self._transaction_s) for each in partitions.values()))
        for task in tasks.values():
            task.cancel()
            self._ending.add(task)

    async def finish(self, grace_s: float) -> None:
        """Wait until the work of all partitions has returned by itself, or the time is over."""
        if self._tasks:
            await asyncio.wait([*self._tasks.values()], timeout=grace_s)

    async def bury(self) -> None:
        """Wait for work that was cancelled."""
        if self._ending:
            await asyncio.wait(self._ending)

    async def _own(self, place: TopicPartition) -> None:
        try:
            partition = await take(self._connection, self._group, place, self._consumer, self.reader)
            self.partitions[place] = partition
            await self._work(partition)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends the membership
            # What fails because the partition has gone is no failure.
            if self._tasks.get(place) is asyncio.current_task():
                self._fail(error)

    def _check_counts(self) -> None:
        for topic, count in self._counts.items():
            found = len(self._consumer.partitions_for_topic(topic) or ())
            if found != count:
                self._fail(InvariantError(f"has {found} partitions now, not {count}", where=topic))

    def _fail(self, error: BaseException) -> None:
        if not self.failure.done():
            self.failure.set_exception(error)


def _raise_first(*ended: asyncio.Future[None]) -> None:
    for each in ended:
        if each.done():
            each.result()

"""A group that shares out the partitions of topics among its members."""

from __future__ import annotations

import asyncio
import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from skymesh.bus.kafka.client import PATIENCE_S
from skymesh.bus.kafka.closing import close, end, to_the_end
from skymesh.bus.kafka.connection import Connection
from skymesh.bus.kafka.member import Member, Taking, Work
from skymesh.bus.kafka.partition import KafkaPartition
from skymesh.bus.kafka.reader import AHEAD_BYTES
from skymesh.bus.kafka.taking import take


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
        How often it tells that it is alive, in seconds; at least three times in a session.
    ahead_bytes
        How much of each partition is fetched ahead at most, in bytes.
    """

    instance: str = ""
    session_s: float = 10.0
    heartbeat_s: float = 3.0
    ahead_bytes: int = AHEAD_BYTES


class Group:
    """One process in a group: runs the work of each partition that is its share.

    Whatever goes wrong ends it: its partitions are given back, what it had begun is taken back, and `run`
    raises. So nothing that was lost is held on to. After a `TransientError` it is safe to `run` again at
    once: it joins anew, fences, and reads on from what was committed. The process need not end for that.

    Parameters
    ----------
    connection
        The cluster.
    name
        The group.
    topics
        The topics it reads, or a pattern of names: then new ones are found within half a minute.
    work
        What to do with a partition.
    membership
        How it is a member.
    taking
        How it takes a partition; None: as one of the cluster, where its offsets are committed too.
    """

    def __init__(
        self,
        connection: Connection,
        name: str,
        topics: Sequence[str] | re.Pattern[str],
        work: Work,
        membership: Membership,
        taking: Taking | None = None,
    ) -> None:
        self.name = name
        self._connection = connection
        self._topics = topics
        self._work = work
        self._membership = membership
        self._taking = taking or functools.partial(take, connection)
        self._member: Member | None = None

    @property
    def partitions(self) -> tuple[KafkaPartition, ...]:
        """The partitions that this process has now."""
        return () if self._member is None else tuple(self._member.partitions.values())

    async def run(self, stop: asyncio.Event, *, grace_s: float = 10.0) -> None:
        """Be a member until told to stop.

        Parameters
        ----------
        stop
            Tells to stop; the work of each partition sees it too, and returns when its batch is done.
        grace_s
            How long that may take, in seconds; then the work is cancelled, and what is not committed stays
            undone.

        Raises
        ------
        TransientError
            If a service is away, or another process has taken over.
        InvariantError
            If a topic is not there, has vanished or was made anew, or records are gone unread.
        MeshError
            What else ended the work of a partition.
        """
        consumer = self._connection.cluster.consumer(**self._options())
        member = Member(
            self.name, self._work, consumer, self._taking,
            transaction_s=self._membership.session_s / 2, ahead_bytes=self._membership.ahead_bytes,
        )  # fmt: skip
        going = [asyncio.ensure_future(each) for each in (self._go(member), stop.wait())]
        self._member = member
        try:
            ends: list[asyncio.Future[Any]] = [*going, member.failure]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            _raise_first(going[0], member.failure)
            await member.finish(grace_s)
            _raise_first(member.failure)
        finally:
            await to_the_end(self._leave(member, going))
            self._member = None

    async def _leave(self, member: Member, going: Sequence[asyncio.Future[Any]]) -> None:
        await member.leave()
        await end(*going)
        # The group is told, so that the others need not wait for the end of the session.
        await close(member.consumer)
        await member.bury()

    async def _go(self, member: Member) -> None:
        """Join, read and watch the topics, until cancelled."""
        patience_s = PATIENCE_S + self._membership.session_s
        if isinstance(self._topics, re.Pattern):
            member.consumer.subscribe(pattern=self._topics.pattern, listener=member)
            await self._connection.cluster.start(member.consumer, patience_s=patience_s)
            await member.reader.run()
            return
        there = await self._connection.topics.found(self._topics)
        member.consumer.subscribe(list(self._topics), listener=member)
        await self._connection.cluster.start(member.consumer, patience_s=patience_s)
        watching = asyncio.ensure_future(self._connection.topics.watch(there))
        reading = asyncio.ensure_future(member.reader.run())
        try:
            await asyncio.wait([watching, reading], return_when=asyncio.FIRST_COMPLETED)
            _raise_first(watching, reading)
        finally:
            await end(watching, reading)

    def _options(self) -> dict[str, Any]:
        membership = self._membership
        return {
            "group_id": self.name,
            "group_instance_id": membership.instance or None,
            "session_timeout_ms": round(membership.session_s * 1000),
            "heartbeat_interval_ms": round(min(membership.heartbeat_s, membership.session_s / 3) * 1000),
        }


def _raise_first(*ended: asyncio.Future[Any]) -> None:
    for each in ended:
        if each.done():
            each.result()

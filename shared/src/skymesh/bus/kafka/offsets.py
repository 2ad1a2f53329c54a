"""Where partitions begin and end, and how far groups are."""

from __future__ import annotations

import asyncio

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.client import AIOKafkaClient, CoordinationType
from aiokafka.errors import CoordinatorLoadInProgressError, for_code

from skymesh.bus.kafka.client import PATIENCE_S, patiently
from skymesh.bus.kafka.protocol import UNSTABLE_OFFSET_COMMIT, CommittedOffset
from skymesh.errors import BrokerUnavailableError, InvariantError

_SETTLE_S = 2.0
_PAUSE_S = 0.02


class Offsets:
    """The offsets of a cluster.

    Parameters
    ----------
    client
        A started client.
    committed, all_there
        Started consumers: one sees committed records alone, the other one all.
    """

    def __init__(
        self, client: AIOKafkaClient, committed: AIOKafkaConsumer, all_there: AIOKafkaConsumer
    ) -> None:
        self._client = client
        self._committed = committed
        self._all = all_there

    async def committed(self, group: str, place: TopicPartition) -> int | None:
        """Return the offset that a group has committed; None before its first commit.

        The end of a transaction is written down some ms after it was asked for: an open one is waited for
        a little; one that goes on does not count.
        """
        try:
            return await self._committed_offset(group, place, patience_s=_SETTLE_S)
        except BrokerUnavailableError:
            return await self._committed_offset(group, place, is_stable=False)

    async def first(self, place: TopicPartition) -> int:
        """Return the offset of the first record that is still there."""
        found = await patiently(lambda: self._committed.beginning_offsets([place]), where=place.topic)
        return int(found[place])

    async def end(self, place: TopicPartition) -> int:
        """Return the offset behind the last record before which all transactions have ended.

        The end of a transaction is written down some ms after it was asked for: open ones are waited for
        a little, those that go on do not count.
        """
        loop = asyncio.get_running_loop()
        latest = loop.time() + _SETTLE_S
        while True:
            stable = await self._stable_end(place)
            highest = (await patiently(lambda: self._all.end_offsets([place]), where=place.topic))[place]
            if stable >= highest or loop.time() > latest:
                return stable
            await asyncio.sleep(_PAUSE_S)

    async def is_settled(self, place: TopicPartition) -> bool:
        """Return whether no transaction is open; one that is about to end is waited for a little."""
        try:
            await self.settled_end(place, limit_s=_SETTLE_S)
        except BrokerUnavailableError:
            return False
        return True

    async def settled_end(self, place: TopicPartition, *, limit_s: float) -> int:
        """Return the offset behind the last record there is now, once all transactions before it have ended.

        Raises
        ------
        BrokerUnavailableError
            If one goes on for longer than `limit_s` seconds.
        """
        loop = asyncio.get_running_loop()
        latest = loop.time() + limit_s
        highest = (await patiently(lambda: self._all.end_offsets([place]), where=place.topic))[place]
        while await self._stable_end(place) < highest:
            if loop.time() > latest:
                raise BrokerUnavailableError("a transaction does not come to its end", where=place.topic)
            await asyncio.sleep(_PAUSE_S)
        return int(highest)

    async def start(self, group: str, place: TopicPartition) -> int:
        """Return the offset at which a group goes on: the committed one, else the first there is.

        Whoever may commit for it must be fenced: then nothing is open that could still change it.

        Raises
        ------
        InvariantError
            If the committed one is not in the topic: nothing is ever skipped in silence.
        """
        return await self.resume(group, await self._committed_offset(group, place), place)

    async def resume(self, reader: str, offset: int | None, place: TopicPartition) -> int:
        """Return the offset at which a reader goes on that was at `offset`, or nowhere.

        Raises
        ------
        InvariantError
            If that is not in the topic: nothing is ever skipped in silence.
        """
        first = await self.first(place)
        where = f"{place.topic}[{place.partition}]"
        if offset is None:
            return first
        if offset < first:
            gone = f"{reader} has not read offsets {offset} to {first - 1}, and they are gone"
            raise InvariantError(gone, where=where)
        end = await self.end(place)
        if offset > end:
            anew = f"{reader} is at {offset}, behind its end {end}: it was made anew"
            raise InvariantError(anew, where=where)
        return offset

    async def _stable_end(self, place: TopicPartition) -> int:
        found = await patiently(lambda: self._committed.end_offsets([place]), where=place.topic)
        return int(found[place])

    async def _committed_offset(
        self, group: str, place: TopicPartition, *, is_stable: bool = True, patience_s: float = PATIENCE_S
    ) -> int | None:
        async def ask() -> int:
            coordinator = await self._client.coordinator_lookup(CoordinationType.GROUP, group)
            request = CommittedOffset(group, place.topic, place.partition, is_stable=is_stable)
            answer = await self._client.send(coordinator, request)
            _check(answer.error_code)
            ((_, ((_, offset, _, _, code, _),), _),) = answer.topics
            _check(code)
            return int(offset)

        offset = await patiently(ask, where=group, patience_s=patience_s)
        return None if offset < 0 else offset


def _check(code: int) -> None:
    if code == UNSTABLE_OFFSET_COMMIT:
        # The client library does not know this one. It passes.
        raise CoordinatorLoadInProgressError
    if code:
        raise for_code(code)

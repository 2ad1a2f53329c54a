"""One partition, as the only reader of a group has it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from skymesh.bus.bus import Outgoing, Received, Slice
from skymesh.bus.kafka.publisher import Publisher
from skymesh.bus.kafka.reader import Feed, Reader
from skymesh.errors import BrokerUnavailableError, MeshError

_FILL_S = 0.05
"""How long a batch that could be larger is waited for while there is more to read."""
_IDLE_S = 0.5
"""How long the next record is waited for when all was read."""
_SETTLE_S = 2.0
"""How long it is waited for when a transaction is open: it may have ended, and that is not written yet."""
_ANSWER_S = 10.0
"""How long the broker is waited for when it is not known whether there is more."""


class KafkaPartition:
    """A partition of a topic; see `skymesh.bus.bus.Partition` for the contract.

    Its records, its offset and its publisher belong together: they were taken in one go, and end in one
    go. So nothing that was read before another reader came is ever committed after it.

    Parameters
    ----------
    group
        The group.
    reader, feed
        What reads it, from the group's offset on.
    publisher
        What publishes and commits for it; fenced before the group's offset was asked for.
    """

    def __init__(self, group: str, reader: Reader, feed: Feed, publisher: Publisher) -> None:
        self.group = group
        self.topic = feed.place.topic
        self.number = feed.place.partition
        self._reader = reader
        self._feed = feed
        self._publisher = publisher
        self._offset = feed.position
        self._transaction: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """How many records are not committed; 0 as soon as all are, whatever markers lie behind them."""
        return self._feed.waiting

    @property
    def oldest_ms(self) -> int | None:
        """Unix time in ms of the oldest record that is not committed; None if none was read yet."""
        return self._feed.oldest_ms

    async def read(self, *, limit: int, max_bytes: int) -> Slice:
        """Return the records behind the group's offset."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        while True:
            records = self._feed.first(limit, max_bytes)
            if len(records) == limit or (records and self._feed.is_settled) or self._is_full(max_bytes):
                break
            remaining_s = start + self._patience_s(records) - loop.time()
            if remaining_s <= 0:
                break
            await self._feed.wait(min(remaining_s, _FILL_S))
        return Slice(self._offset, records[-1].offset + 1 if records else self._offset, records)

    async def commit(self, read: Slice, outputs: Sequence[Outgoing]) -> None:
        """Publish outputs and move the group's offset behind a slice."""
        self._feed.first(1, 0)
        if read.first != self._offset:
            raise BrokerUnavailableError(
                f"reads on from {self._offset}, not from {read.first}", where=self._name
            )
        # To cancel whoever commits must not leave a transaction half done: it ends by itself.
        self._transaction = asyncio.ensure_future(self._commit(read.end, outputs))
        await asyncio.shield(self._transaction)

    def lose(self) -> None:
        """Have no reader any more: reading and committing fail from now on, an open transaction goes on."""
        lost = BrokerUnavailableError("this reader has lost the partition", where=self._name)
        self._reader.detach(self._feed, lost)

    def fail(self, ended: asyncio.Future[None]) -> None:
        """Fail from now on with what something has ended with that this depends on."""
        if not ended.cancelled() and isinstance(error := ended.exception(), MeshError):
            self._feed.fail(error)

    async def settle(self, limit_s: float) -> None:
        """Wait until an open transaction has ended, up to `limit_s` seconds."""
        if self._transaction is not None:
            await asyncio.wait([self._transaction], timeout=limit_s)

    async def end(self) -> None:
        """Lose the partition, and stop what publishes for it: what is open ends with who takes it next."""
        self.lose()
        if self._transaction is not None:
            self._transaction.cancel()
            await asyncio.wait([self._transaction])
            if not self._transaction.cancelled():
                self._transaction.exception()
        await self._publisher.stop()

    async def _commit(self, end: int, outputs: Sequence[Outgoing]) -> None:
        await self._publish(outputs, end)
        self._offset = end
        self._feed.forget(end)

    async def _publish(self, outputs: Sequence[Outgoing], end: int) -> None:
        await self._publisher.publish(outputs, group=self.group, offsets={self._feed.place: end})

    def _patience_s(self, records: Sequence[Received]) -> float:
        if records:
            return _FILL_S
        if self._feed.is_settled:
            return _IDLE_S
        return _SETTLE_S if self._feed.is_at_end else _ANSWER_S

    def _is_full(self, max_bytes: int) -> bool:
        return self._feed.size >= max_bytes

    @property
    def _name(self) -> str:
        return f"{self.group}: {self.topic}[{self.number}]"

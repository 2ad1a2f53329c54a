"""What the mesh asks of a bus."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class Received(NamedTuple):
    """A record as it was read.

    Attributes
    ----------
    offset
        Its place in the partition.
    key
        What decides its partition: the stock.
    value
        Its bytes.
    """

    offset: int
    key: str
    value: bytes


class Outgoing(NamedTuple):
    """A record to publish."""

    topic: str
    key: str
    value: bytes


class Bus(Protocol):
    """Topics with partitions, and groups that read them.

    A record's partition is a function of its key, so the records of one stock stay in order. Of one
    group, one reader reads a partition at a time; `commit` is refused to a reader whose offsets
    another one has committed meanwhile.
    """

    async def create(self, topic: str, *, partitions: int = 1, is_kept: bool = True) -> None:
        """Make a topic; nothing happens if it is there.

        Parameters
        ----------
        topic
            Its name.
        partitions
            Number of partitions.
        is_kept
            False for a topic whose records may go once they are committed by their only group.

        Raises
        ------
        InvariantError
            If it is there with another number of partitions.
        """

    async def partitions(self, topic: str) -> int:
        """Return the number of partitions; 0 if there is no such topic."""

    async def end(self, topic: str, partition: int) -> int:
        """Return the offset that the next record of a partition will get."""

    async def committed(self, group: str, topic: str, partition: int) -> int:
        """Return the offset from which a group reads on; 0 before its first commit."""

    async def read(
        self, group: str, topic: str, partition: int, *, limit: int, max_bytes: int
    ) -> tuple[Received, ...]:
        """Return the records behind the group's committed offset, in order.

        At most `limit`, and no more than `max_bytes` in all, but always one if there is one.
        """

    async def commit(
        self, group: str, topic: str, partition: int, *, first: int, end: int, outputs: Sequence[Outgoing]
    ) -> None:
        """Publish outputs and commit the range [first, end) of a batch, all or nothing.

        Raises
        ------
        BrokerUnavailableError
            If the group's committed offset is not `first`: another reader has been here.
        """

    async def publish(self, outputs: Sequence[Outgoing]) -> None:
        """Publish records, all or none."""

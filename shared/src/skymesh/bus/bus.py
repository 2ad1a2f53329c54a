"""What the mesh asks of a bus."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol

Headers = tuple[tuple[str, bytes], ...]


def key_bytes(key: str) -> bytes:
    """Return the bytes of a key, also of one that was no text when it was read."""
    return key.encode(errors="surrogateescape")


def key_text(key: bytes) -> str:
    """Return a key as text; bytes that are none stay, as lone surrogates."""
    return key.decode(errors="surrogateescape")


class Received(NamedTuple):
    """A record as it was read.

    Attributes
    ----------
    offset
        Its place in the partition.
    key
        What decides its partition: the stock. See `key_text`.
    value
        Its bytes.
    headers
        Names and values that travel beside it.
    time_ms
        When it was published, in ms of Unix time (UTC); 0 where the bus keeps no time.
    """

    offset: int
    key: str
    value: bytes
    headers: Headers = ()
    time_ms: int = 0


class Outgoing(NamedTuple):
    """A record to publish; its key decides the partition, unless one is named."""

    topic: str
    key: str
    value: bytes
    partition: int | None = None
    headers: Headers = ()


class Slice(NamedTuple):
    """Neighbouring records of a partition, as they were read at once.

    Attributes
    ----------
    first
        The group's offset when they were read. It may lie before the first record: offsets may have gaps.
    end
        The group's offset once they are committed.
    records
        The records; none if there is nothing to read now.
    """

    first: int
    end: int
    records: tuple[Received, ...]


class Partition(Protocol):
    """One partition of a topic, as the only reader of a group has it.

    Attributes
    ----------
    group, topic, number
        Which.
    """

    group: str
    topic: str
    number: int

    async def read(self, *, limit: int, max_bytes: int) -> Slice:
        """Return the records behind the group's offset, in order; the same again until they are committed.

        At most `limit`, and no more than `max_bytes` in all, but always one if there is one.

        Raises
        ------
        TransientError
            If the bus does not answer.
        """

    async def commit(self, read: Slice, outputs: Sequence[Outgoing]) -> None:
        """Publish outputs and move the group's offset behind a slice, all or nothing.

        Raises
        ------
        BrokerUnavailableError
            If another reader of the group has been here, or the bus does not answer.
        InvariantError
            If an output goes to a topic that is not there.
        """


class Bus(Protocol):
    """Topics with partitions, and groups that read them.

    A record's partition is a function of its key, so the records of one stock stay in order. Of one
    group, one reader has a partition at a time; whoever opens it takes it from the one before.
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

    async def first(self, topic: str, partition: int) -> int:
        """Return the offset of the first record of a partition that is still there, or will be."""

    async def end(self, topic: str, partition: int) -> int:
        """Return the offset that the next record of a partition will get."""

    async def is_settled(self, topic: str, partition: int) -> bool:
        """Return whether all that was published there can be read: no transaction is open."""

    async def committed(self, group: str, topic: str, partition: int) -> int:
        """Return the offset from which a group reads on; 0 before its first commit."""

    async def waiting(self, group: str, topic: str, partition: int) -> int:
        """Return how many records a group has not committed yet."""

    def open(self, group: str, topic: str, partition: int) -> AbstractAsyncContextManager[Partition]:
        """Take a partition for a group; a reader that had it before commits nothing any more."""

    async def publish(self, outputs: Sequence[Outgoing]) -> None:
        """Publish records, all or none."""

    def iter_from(self, topic: str, partition: int, first: int) -> AsyncIterator[tuple[Received, ...]]:
        """Yield the records from an offset to the end, for no group, part by part."""

    async def close(self) -> None:
        """Let go of files and connections."""

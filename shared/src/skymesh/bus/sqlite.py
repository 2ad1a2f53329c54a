"""The embedded bus: topics as rows of a SQLite file."""

from __future__ import annotations

import itertools
import sqlite3
import zlib
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

from skymesh.bus.bus import Headers, Outgoing, Received, Slice
from skymesh.codecs import wire
from skymesh.errors import BrokerUnavailableError, InvariantError
from skymesh.sqlite_file import SqliteFile

_DEFINITIONS = """
CREATE TABLE topics (
    id INTEGER PRIMARY KEY, name TEXT UNIQUE, partitions INTEGER, is_kept INTEGER
);
CREATE TABLE topic_ends (
    topic INTEGER, partition INTEGER, next INTEGER, PRIMARY KEY (topic, partition)
) WITHOUT ROWID;
CREATE TABLE records (
    topic INTEGER, partition INTEGER, offset INTEGER, key TEXT, value BLOB, headers BLOB,
    UNIQUE (topic, partition, offset)
);
CREATE TABLE committed (
    reader TEXT, topic INTEGER, partition INTEGER, next INTEGER, PRIMARY KEY (reader, topic, partition)
) WITHOUT ROWID;
"""
_FILL_RECORDS = 500
_NO_HEADERS: Headers = ()
_PART_RECORDS, _PART_BYTES = 1000, 64 << 20


class SqliteBus:
    """A bus in one SQLite file; see `skymesh.bus.bus.Bus` for the contract.

    Parameters
    ----------
    file
        The open file.
    """

    def __init__(self, file: SqliteFile) -> None:
        self._file = file
        self._topics: dict[str, tuple[int, int, bool]] = {}
        file.define([statement for statement in _DEFINITIONS.split(";") if statement.strip()])

    async def create(self, topic: str, *, partitions: int = 1, is_kept: bool = True) -> None:
        """Make a topic; nothing happens if it is there."""
        with self._file.transaction() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO topics (name, partitions, is_kept) VALUES (?, ?, ?)",
                (topic, partitions, is_kept),
            )
        if self._topic(topic)[1] != partitions:
            raise InvariantError(f"has {self._topic(topic)[1]} partitions, not {partitions}", where=topic)

    async def partitions(self, topic: str) -> int:
        """Return the number of partitions; 0 if there is no such topic."""
        try:
            return self._topic(topic)[1]
        except InvariantError:
            return 0

    async def first(self, topic: str, partition: int) -> int:
        """Return the offset of the first record that is still there, or will be."""
        row = self._file.connection.execute(
            "SELECT MIN(offset) FROM records WHERE topic = ? AND partition = ?",
            (self._topic(topic)[0], partition),
        ).fetchone()
        return await self.end(topic, partition) if row[0] is None else int(row[0])

    async def end(self, topic: str, partition: int) -> int:
        """Return the offset of the next record."""
        row = self._file.connection.execute(
            "SELECT next FROM topic_ends WHERE topic = ? AND partition = ?",
            (self._topic(topic)[0], partition),
        ).fetchone()
        return 0 if row is None else int(row[0])

    async def is_settled(self, topic: str, partition: int) -> bool:  # noqa: ARG002  # transactions end at once
        """Return True: what is published can be read."""
        return True

    async def committed(self, group: str, topic: str, partition: int) -> int:
        """Return the offset from which a group reads on."""
        row = self._file.connection.execute(
            "SELECT next FROM committed WHERE reader = ? AND topic = ? AND partition = ?",
            (group, self._topic(topic)[0], partition),
        ).fetchone()
        return 0 if row is None else int(row[0])

    async def waiting(self, group: str, topic: str, partition: int) -> int:
        """Return how many records a group has not committed yet: offsets have no gaps here."""
        return await self.end(topic, partition) - await self.committed(group, topic, partition)

    @asynccontextmanager
    async def open(self, group: str, topic: str, partition: int) -> AsyncIterator[SqlitePartition]:
        """Take a partition for a group."""
        yield SqlitePartition(self, group, topic, partition, await self.committed(group, topic, partition))

    async def read_from(
        self, topic: str, partition: int, first: int, *, limit: int, max_bytes: int
    ) -> tuple[Received, ...]:
        """Return the records from an offset on, for no group; see `read` for the limits."""
        received: list[Received] = []
        size = 0
        with self._file.errors():
            for row in self._file.connection.execute(
                "SELECT offset, key, value, headers FROM records"
                " WHERE topic = ? AND partition = ? AND offset >= ? ORDER BY offset LIMIT ?",
                (self._topic(topic)[0], partition, first, limit),
            ):
                offset, key, value, packed = row
                headers = _NO_HEADERS if packed is None else wire.decode(packed, Headers)
                record = Received(offset, key, value, headers)
                size += len(record.value)
                if received and size > max_bytes:
                    break
                received.append(record)
        return tuple(received)

    async def iter_from(self, topic: str, partition: int, first: int) -> AsyncIterator[tuple[Received, ...]]:
        """Yield the records from an offset to the end, for no group, part by part."""
        limits = {"limit": _PART_RECORDS, "max_bytes": _PART_BYTES}
        while records := await self.read_from(topic, partition, first, **limits):
            yield records
            first = records[-1].offset + 1

    async def commit(self, partition: SqlitePartition, read: Slice, outputs: Sequence[Outgoing]) -> None:
        """Publish outputs and move a group's offset behind a slice, all or nothing."""
        group, topic = partition.group, partition.topic
        number, _, is_kept = self._topic(topic)
        with self._file.transaction() as connection:
            if await self.committed(group, topic, partition.number) != read.first:
                raise BrokerUnavailableError("another process reads this topic for the same run", where=topic)
            self._append(connection, outputs)
            connection.execute(
                "INSERT OR REPLACE INTO committed VALUES (?, ?, ?, ?)",
                (group, number, partition.number, read.end),
            )
            if not is_kept:
                connection.execute(
                    "DELETE FROM records WHERE topic = ? AND partition = ? AND offset < ?",
                    (number, partition.number, read.end),
                )

    async def publish(self, outputs: Sequence[Outgoing]) -> None:
        """Publish records, all or none."""
        with self._file.transaction() as connection:
            self._append(connection, outputs)

    async def fill(self, topic: str, records: Iterable[tuple[str, bytes]]) -> None:
        """Publish a finite log to a topic of one partition, going on where an attempt before ended.

        Parameters
        ----------
        topic
            The topic; what it holds already is the beginning of `records`.
        records
            Key and value of each record, in order.
        """
        remaining = itertools.islice(records, await self.end(topic, 0), None)
        while part := list(itertools.islice(remaining, _FILL_RECORDS)):
            await self.publish([Outgoing(topic, key, value) for key, value in part])

    async def close(self) -> None:
        """Do nothing: the file is the store's too."""

    def _append(self, connection: sqlite3.Connection, outputs: Sequence[Outgoing]) -> None:
        ends: dict[tuple[int, int], int] = {}
        rows = []
        for topic, key, value, chosen, headers in outputs:
            number, partitions, _ = self._topic(topic)
            place = number, zlib.crc32(key.encode()) % partitions if chosen is None else chosen
            if place not in ends:
                row = connection.execute(
                    "SELECT next FROM topic_ends WHERE topic = ? AND partition = ?", place
                ).fetchone()
                ends[place] = 0 if row is None else row[0]
            rows.append((*place, ends[place], key, value, wire.encode(headers) if headers else None))
            ends[place] += 1
        connection.executemany("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?)", rows)
        connection.executemany(
            "INSERT OR REPLACE INTO topic_ends VALUES (?, ?, ?)",
            [(*place, end) for place, end in ends.items()],
        )

    def _topic(self, name: str) -> tuple[int, int, bool]:
        if name not in self._topics:
            row = self._file.connection.execute(
                "SELECT id, partitions, is_kept FROM topics WHERE name = ?", (name,)
            ).fetchone()
            if row is None:
                raise InvariantError("there is no such topic", where=name)
            self._topics[name] = (row[0], row[1], bool(row[2]))
        return self._topics[name]


class SqlitePartition:
    """One partition of a topic, as a group reads it; see `skymesh.bus.bus.Partition` for the contract."""

    def __init__(self, bus: SqliteBus, group: str, topic: str, number: int, first: int) -> None:
        self.group = group
        self.topic = topic
        self.number = number
        self._bus = bus
        self._first = first

    async def read(self, *, limit: int, max_bytes: int) -> Slice:
        """Return the records behind the group's offset."""
        records = await self._bus.read_from(
            self.topic, self.number, self._first, limit=limit, max_bytes=max_bytes
        )
        return Slice(self._first, records[-1].offset + 1 if records else self._first, records)

    async def commit(self, read: Slice, outputs: Sequence[Outgoing]) -> None:
        """Publish outputs and move the group's offset behind a slice."""
        await self._bus.commit(self, read, outputs)
        self._first = read.end

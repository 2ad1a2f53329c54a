"""From finite sources to a log: every packet is read once, and the log is in canonical order."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterable
from pathlib import Path

import msgspec

from skymesh.codecs import wire
from skymesh.codecs.confluent import Schemas
from skymesh.model.alert import Alert, AlertHead, Cutouts
from skymesh.model.ids import Digest, digest_sequence
from skymesh.model.run import DeadLetter, Log, Run, SourceCount
from skymesh.runtime.topics import ALERTS, topic_of
from skymesh_ingest.journal import shaping_entry
from skymesh_ingest.reading import Container, Packet, Unreadable, read_packets
from skymesh_ingest.shaping import shape_packets
from skymesh_local.app import Embedded
from skymesh_local.canonical_order import CanonicalOrder, in_place_of, spool_errors

# So few that what is decoded of them stays in the processor's cache.
_PACKETS = 4
_ROWS_AT_ONCE = 128
# Flushes whose image stamps are committed together.
_GROUP_FLUSHES = 32
_ROWS = 1000
_LETTERS = 16
_COUNT = (
    "INSERT INTO counts VALUES (?, ?, ?)"
    " ON CONFLICT DO UPDATE SET published = published + excluded.published, dead = dead + excluded.dead"
)
_NO_RUN = Digest(bytes(16))


class Intake:
    """Reads packets and turns them into a log.

    Parameters
    ----------
    embedded
        Where image stamps, dead letters and the log go.
    folder
        Where the temporary file lies: on the disk that must have room for the log anyway.
    schemas
        What the schema ids of messages stand for.
    """

    def __init__(self, embedded: Embedded, folder: Path, schemas: Schemas) -> None:
        self._store, self._bus, self._file = embedded.store, embedded.bus, embedded.file
        self._schemas = schemas
        self._flushes = 0
        self._order = CanonicalOrder(folder)
        # A database without a name, which goes with the process.
        self._spool = sqlite3.connect("", isolation_level=None)
        self._spool.execute("PRAGMA journal_mode = OFF")
        self._spool.execute("BEGIN")
        self._spool.execute("CREATE TABLE dead (body BLOB)")
        self._spool.execute("CREATE TABLE counts (name TEXT PRIMARY KEY, published INTEGER, dead INTEGER)")
        self._packets: list[Packet | Unreadable] = []
        self._alerts: list[Alert] = []
        self._dead: list[tuple[bytes]] = []
        self._stamps: list[Cutouts] = []
        self._counts: dict[str, list[int]] = {}

    async def read(self, items: Iterable[Container | Unreadable]) -> None:
        """Read the containers and messages of one or several files.

        Raises
        ------
        TransientError, SettingsError
            If a message's schema cannot be looked up.
        """
        for item in items:
            for packet in read_packets(item, self._schemas) if isinstance(item, Container) else (item,):
                self._packets.append(packet)
                if len(self._packets) >= _PACKETS:
                    await self._process()

    async def _process(self) -> None:
        """Shape the packets at hand; their alerts wait for the spool, to be sorted there."""
        # The run is known only when the log is; until then dead letters carry none.
        made = shape_packets(self._packets, _NO_RUN)
        for packet in self._packets:
            self._counts.setdefault(packet.source.name, [0, 0])
        self._packets = []
        for alert in made.alerts:
            self._counts[alert.source.name][0] += 1
        for letter in made.dead:
            self._counts[letter.source][1] += 1
            self._dead.append((wire.encode(letter),))
        self._stamps += made.cutouts
        self._alerts += made.alerts
        if len(self._alerts) + len(self._dead) >= _ROWS_AT_ONCE:
            await self._flush()

    async def _flush(self) -> None:
        # The event loop gets its turn: an interrupt is heard between two writes.
        await asyncio.sleep(0)
        self._order.add(in_place_of(alert, wire.encode(alert)) for alert in self._alerts)
        with spool_errors():
            self._spool.executemany("INSERT INTO dead VALUES (?)", self._dead)
            self._spool.executemany(_COUNT, ((name, *count) for name, count in self._counts.items()))
        await self._store.write(self._stamps)
        if self._flushes % _GROUP_FLUSHES == 0:
            self._file.commit_group()
        self._flushes += 1
        self._alerts, self._dead, self._stamps, self._counts = [], [], [], {}

    async def finish(self) -> Log:
        """Write the log in its order; nothing is written twice.

        Raises
        ------
        StoreUnavailableError
            If the disk is full.
        """
        await self._process()
        await self._flush()
        self._file.end_groups()
        self._order.end()
        log_id = digest_sequence("log", (alert + record for alert, record in self._order.identities()))
        log = Log(log_id, len(self._order))
        topic = topic_of(ALERTS, log_id.hex())
        await self._bus.create(topic)
        await self._bus.fill(topic, self._order)
        await self._store.write([log])
        return log

    def totals(self) -> tuple[int, int]:
        """Return how many records were published, and how many are dead."""
        row = self._spool.execute("SELECT TOTAL(published), TOTAL(dead) FROM counts").fetchone()
        return int(row[0]), int(row[1])

    async def account(self, run: Digest) -> None:
        """Write what was read for a run: a count for each source, and the dead letters."""
        with spool_errors():
            counts = self._spool.execute("SELECT name, published, dead FROM counts ORDER BY name")
            while rows := counts.fetchmany(_ROWS):
                await self._store.write([SourceCount(run, name, p + d, p, d) for name, p, d in rows])
            letters = self._spool.execute("SELECT body FROM dead")
            while bodies := letters.fetchmany(_LETTERS):
                read = [wire.decode(body, DeadLetter) for (body,) in bodies]
                await self._store.write([msgspec.structs.replace(letter, run=run) for letter in read])

    def close(self) -> None:
        """Drop the temporary files."""
        self._spool.close()
        self._order.close()


async def journal_intake(embedded: Embedded, run: Run) -> None:
    """Journal which packet each alert of a run's log came from; nothing is written twice.

    Raises
    ------
    StoreUnavailableError
        If the disk is full.
    """
    dead = [letter async for letter in embedded.store.scan(DeadLetter, run=run.id)]
    topic = topic_of(ALERTS, run.log.hex())
    partitions = await embedded.bus.partitions(topic)
    for partition in range(partitions):
        length = await embedded.bus.end(topic, partition)
        told = dead if partition == partitions - 1 else []
        first = 0
        async for records in embedded.bus.iter_from(topic, partition, first):
            heads = [head for record in records if (head := _head(record.value)) is not None]
            end = records[-1].offset + 1
            place = (partition, first, end)
            await embedded.store.write([shaping_entry(run.id, place, heads, told if end == length else ())])
            first = end
        if not length:
            await embedded.store.write([shaping_entry(run.id, (partition, 0, 0), (), told)])


def _head(value: bytes) -> AlertHead | None:
    """Return the beginning of an alert; None for a marker in a live log, and for what is no record."""
    try:
        return wire.decode(value, AlertHead)
    except msgspec.MsgspecError:
        return None

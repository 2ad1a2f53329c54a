"""From finite sources to a log: every packet is read once, and the log is in canonical order.

The order is time of observation of the triggering point, alert id, digest of the decoded record:
whatever the files are called, and in whatever order they come, the same packets make the same log.
To know it, all must have been read; until then the alerts lie in a temporary file that SQLite sorts.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from skymesh.bus.sqlite import SqliteBus
from skymesh.codecs import wire
from skymesh.errors import StoreUnavailableError
from skymesh.model.ids import Digest, digest_sequence
from skymesh.model.run import DeadLetter, Log, SourceCount
from skymesh.runtime.topics import ALERTS, topic_of
from skymesh.store.sqlite import SqliteStore
from skymesh.surveys.survey import Shaped
from skymesh_ingest.tier import Container, Rejected, process

_CUTOUT_BATCH_BYTES = 16 << 20
_ROWS = 1000
_ORDER = "ORDER BY time, alert, record, source, number"
_NO_LOG = Digest(bytes(16))


@dataclass
class _Count:
    read: int = 0
    published: int = 0
    dead: int = 0


class Intake:
    """Reads packets and turns them into a log.

    Parameters
    ----------
    store, bus
        Where image stamps, dead letters and the log go.
    """

    def __init__(self, store: SqliteStore, bus: SqliteBus) -> None:
        self._store = store
        self._bus = bus
        # An unnamed database lives in a temporary file that goes with the process.
        self._spool = sqlite3.connect("", isolation_level=None)
        self._spool.execute("PRAGMA journal_mode = OFF")
        self._spool.execute("PRAGMA synchronous = OFF")
        self._spool.execute(
            "CREATE TABLE alerts (time REAL, alert BLOB, record BLOB, source TEXT, number INTEGER, stock TEXT, body BLOB)"
        )
        self._spool.execute("CREATE TABLE dead (body BLOB)")
        self._counts: dict[str, _Count] = {}
        self._rows: list[tuple[object, ...]] = []
        self._cutouts: dict[Digest, bytes] = {}
        self._cutout_bytes = 0

    async def read(self, containers: Iterable[Container | Rejected]) -> None:
        """Read containers of one or several files."""
        with _errors():
            for container in containers:
                if isinstance(container, Rejected):
                    self._reject(container)
                    continue
                count = self._count(container.name)
                for item in process(container):
                    count.read += 1
                    if isinstance(item, Rejected):
                        self._reject_counted(count, item)
                    else:
                        count.published += 1
                        self._take(item)
                    if self._cutout_bytes > _CUTOUT_BATCH_BYTES or len(self._rows) >= _ROWS:
                        await self._flush()

    async def finish(self) -> tuple[Log, tuple[SourceCount, ...]]:
        """Write the log in its order and the dead letters beside it; nothing is written twice.

        Raises
        ------
        StoreUnavailableError
            If the disk is full.
        """
        await self._flush()
        with _errors():
            self._spool.execute(f"CREATE INDEX ordered ON alerts ({_ORDER.removeprefix('ORDER BY ')})")
            keys = self._spool.execute(f"SELECT alert, record FROM alerts {_ORDER}")
            log_id = digest_sequence("log", (alert + record for alert, record in keys))
            length = self._spool.execute("SELECT COUNT(*) FROM alerts").fetchone()[0]
        log = Log(log_id, length)
        topic = topic_of(ALERTS, log_id)
        await self._bus.create(topic)
        await self._bus.fill(topic, self._in_order())
        await self._store.write([*self._dead_letters(log_id), log])
        sources = tuple(
            SourceCount(name, count.read, count.published, count.dead)
            for name, count in sorted(self._counts.items())
        )
        return log, sources

    def close(self) -> None:
        """Drop the temporary file."""
        self._spool.close()

    def _count(self, name: str) -> _Count:
        return self._counts.setdefault(name, _Count())

    def _reject(self, item: Rejected) -> None:
        count = self._count(item.source.name)
        count.read += 1
        self._reject_counted(count, item)

    def _reject_counted(self, count: _Count, item: Rejected) -> None:
        count.dead += 1
        letter = DeadLetter(
            _NO_LOG,
            item.source.name,
            item.source.index,
            item.error.code,
            str(item.error),
            bytes(item.payload),
        )
        self._spool.execute("INSERT INTO dead VALUES (?)", (wire.encode(letter),))

    def _take(self, shaped: Shaped) -> None:
        alert, cutouts = shaped
        source = alert.source
        self._rows.append(
            (
                alert.trigger.mjd_tai,
                alert.id,
                alert.record,
                source.name,
                source.index,
                alert.stock,
                wire.encode(alert),
            )
        )
        if cutouts is not None and alert.cutouts is not None:
            self._cutouts[alert.cutouts] = cutouts
            self._cutout_bytes += len(cutouts)

    async def _flush(self) -> None:
        with _errors():
            self._spool.executemany("INSERT INTO alerts VALUES (?, ?, ?, ?, ?, ?, ?)", self._rows)
        self._rows.clear()
        if self._cutouts:
            await self._store.write_cutouts(self._cutouts)
        self._cutouts, self._cutout_bytes = {}, 0

    def _in_order(self) -> Iterator[tuple[str, bytes]]:
        with _errors():
            yield from self._spool.execute(f"SELECT stock, body FROM alerts {_ORDER}")

    def _dead_letters(self, log: Digest) -> Iterator[DeadLetter]:
        for (body,) in self._spool.execute("SELECT body FROM dead"):
            letter = wire.decode(body, DeadLetter)
            yield DeadLetter(log, letter.source, letter.index, letter.code, letter.reason, letter.payload)


@contextmanager
def _errors() -> Iterator[None]:
    """Turn SQLite's errors about the temporary file into the mesh's."""
    try:
        yield
    except sqlite3.Error as error:
        problem = f"{error}; nothing is lost: run the same command again"
        raise StoreUnavailableError(problem, where="temporary file") from error

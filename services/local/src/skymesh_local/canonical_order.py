"""The one order in which finite sources enter a log.

It is time of observation of the triggering point, alert id, digest of the decoded record: whatever the
files are called, and in whatever order they come, the same packets come in the same order. To know it, all
must have been read; until then their bytes lie in a temporary file, and SQLite sorts their keys.
"""

from __future__ import annotations

import math
import os
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from skymesh.errors import StoreUnavailableError
from skymesh.model.alert import Alert, Source
from skymesh.model.ids import digest_bytes

_KEY = "time, alert, record, source, number"
_TABLE = """CREATE TABLE items (
    time REAL, alert BLOB, record BLOB, source TEXT, number INTEGER, stock TEXT, start INTEGER, size INTEGER
)"""


class Ordered(NamedTuple):
    """Something to be put in order.

    Attributes
    ----------
    key
        What it is sorted by.
    stock
        The object; empty where nobody knows.
    body
        Its bytes.
    """

    key: tuple[float, bytes, bytes, str, int]
    stock: str
    body: bytes


def in_place_of(alert: Alert, body: bytes) -> Ordered:
    """Return bytes that stand in an alert's place."""
    source = alert.source
    key = (alert.trigger.mjd_tai, alert.id, alert.record, source.name, source.index)
    return Ordered(key, alert.stock, body)


def at_the_end(source: Source, body: bytes) -> Ordered:
    """Return bytes that are no alert: behind all alerts, in an order that does not depend on their names."""
    return Ordered((math.inf, digest_bytes("digest", body), b"", source.name, source.index), "", body)


class CanonicalOrder:
    """Bytes in a temporary file, to be gone through in order.

    Parameters
    ----------
    folder
        Where the temporary file lies; None for where the system puts them.
    """

    def __init__(self, folder: Path | None = None) -> None:
        # Both have no name and go with the process: the bytes, and a database of what is small.
        with spool_errors():
            self._bodies = tempfile.TemporaryFile(buffering=0, dir=folder)  # noqa: SIM115  # `close` does
        self._end = 0
        self._items = sqlite3.connect("", isolation_level=None)
        self._items.execute("PRAGMA journal_mode = OFF")
        self._items.execute("BEGIN")
        self._items.execute(_TABLE)

    def add(self, items: Iterable[Ordered]) -> None:
        """Take in items.

        Raises
        ------
        StoreUnavailableError
            If the disk is full.
        """
        with spool_errors():
            rows = self._appended(items)
            self._items.executemany("INSERT INTO items VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def end(self) -> None:
        """Sort what was added."""
        with spool_errors():
            self._items.execute(f"CREATE INDEX ordered ON items ({_KEY})")

    def identities(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield alert id and digest of the record of each item, in order."""
        with spool_errors():
            yield from self._items.execute(f"SELECT alert, record FROM items ORDER BY {_KEY}")

    def __len__(self) -> int:
        return int(self._items.execute("SELECT COUNT(*) FROM items").fetchone()[0])

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        """Yield stock and bytes of each item, in order."""
        with spool_errors():
            rows = self._items.execute(f"SELECT stock, start, size FROM items ORDER BY {_KEY}")
            for stock, start, size in rows:
                yield stock, os.pread(self._bodies.fileno(), size, start)

    def close(self) -> None:
        """Drop the temporary files."""
        self._items.close()
        self._bodies.close()

    def _appended(self, items: Iterable[Ordered]) -> list[tuple[object, ...]]:
        """Append bytes to the temporary file; return the row that sorts and finds each."""
        bodies: list[bytes] = []
        rows: list[tuple[object, ...]] = []
        for item in items:
            rows.append((*item.key, item.stock, self._end, len(item.body)))
            bodies.append(item.body)
            self._end += len(item.body)
        left = memoryview(b"".join(bodies))
        while left:
            left = left[self._bodies.write(left) :]
        return rows


@contextmanager
def spool_errors() -> Iterator[None]:
    """Turn errors about temporary files into the mesh's."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        problem = f"{error}; nothing is lost: run the same command again"
        raise StoreUnavailableError(problem, where="temporary file") from error

"""Rows put in order on disk: as many as there are, in the memory of a few."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any

from skymesh.errors import StoreUnavailableError


class SortedRows:
    """Rows that come in any order, some perhaps twice, and go in order of their keys, once.

    Parameters
    ----------
    width
        Number of values that are the key of a row: integers, text or bytes.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self._order = ", ".join(f"k{number}" for number in range(width))
        self._marks = ", ".join("?" * (width + 1))
        # A database without a name lies in a temporary file, which is gone when it is closed.
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute(f"CREATE TABLE rows ({self._order}, body)")
        self._database.execute("BEGIN")

    def add(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Take in rows: the values of the key, then the body.

        Raises
        ------
        StoreUnavailableError
            If there is no room for them.
        """
        try:
            self._database.executemany(f"INSERT INTO rows VALUES ({self._marks})", rows)
        except sqlite3.OperationalError as error:
            raise StoreUnavailableError(f"rows cannot be put in order on this disk: {error}") from error

    def __iter__(self) -> Iterator[bytes]:
        """Yield the bodies in order of the keys.

        Raises
        ------
        StoreUnavailableError
            If there is no room to put them in order.
        """
        before = None
        try:
            for *key, body in self._database.execute(f"SELECT * FROM rows ORDER BY {self._order}"):
                if key != before:
                    yield body
                before = key
        except sqlite3.OperationalError as error:
            raise StoreUnavailableError(f"rows cannot be put in order on this disk: {error}") from error

    def close(self) -> None:
        """Give the disk back."""
        self._database.close()

"""One SQLite file for the embedded store and bus, and its errors in the mesh's terms."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from skymesh.errors import SettingsError, StoreUnavailableError

FORMAT = 1
"""Version of the layout; a file of another one is refused."""

_PAGE_BYTES = 8192
_CACHE_KIB = 64 * 1024
_BUSY_SECONDS = 60.0
# How much log the writer lets grow before it is folded into the file, in pages.
_CHECKPOINT_PAGES = 4096


class SqliteFile:
    """An open file. Store and bus share it, and so its page cache.

    A kill at any moment leaves the last commit in force (write-ahead log). After a loss of power the
    newest commits may be gone, never parts of one.

    Parameters
    ----------
    path
        The file; made if it is not there.
    must_exist
        Refuse to make it.

    Raises
    ------
    SettingsError
        If it cannot be opened, is no SQLite file or has another layout.
    """

    def __init__(self, path: Path, *, must_exist: bool = False) -> None:
        self.path = path
        if must_exist and not path.is_file():
            raise SettingsError("there is no store at this place", where=f"sqlite:{path}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.connection = sqlite3.connect(path, isolation_level=None, timeout=_BUSY_SECONDS)
            self._configure()
        except (sqlite3.Error, OSError) as error:
            raise SettingsError(f"cannot be opened as a store: {error}", where=f"sqlite:{path}") from None

    def _configure(self) -> None:
        run = self.connection.execute
        run(f"PRAGMA page_size = {_PAGE_BYTES}")
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA synchronous = NORMAL")
        run(f"PRAGMA cache_size = -{_CACHE_KIB}")
        run(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        version = run("PRAGMA user_version").fetchone()[0]
        if version not in (0, FORMAT):
            raise sqlite3.DatabaseError(f"its layout is version {version}, this program's is {FORMAT}")
        if version == 0:
            run(f"PRAGMA user_version = {FORMAT}")

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Run statements all or not at all.

        Raises
        ------
        StoreUnavailableError
            If the file cannot be written: a full disk, a lock that is held, a device that fails.
        """
        with self.errors():
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
                self.connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self.connection.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Turn SQLite's errors into the mesh's."""
        try:
            yield
        except (sqlite3.OperationalError, sqlite3.DatabaseError, OSError) as error:
            raise StoreUnavailableError(
                f"{error}; nothing is lost: run the same command again", where=str(self.path)
            ) from error

    def close(self) -> None:
        """Close the file."""
        with self.errors():
            self.connection.close()

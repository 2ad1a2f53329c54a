"""One SQLite file for the embedded store and bus, and its errors in the mesh's terms."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from skymesh.errors import InvariantError, SettingsError, StoreUnavailableError

FORMAT = 8
"""Version of the layout; a file of another one is refused."""

# Marks the file as ours, in the field that SQLite keeps for that: "skym".
_APPLICATION = 0x736B796D
_PAGE_BYTES = 8192
_CACHE_KIB = 32 * 1024
_BUSY_SECONDS = 60.0
# How much log the writer lets grow before it is folded into the file, in pages (128 MiB): pages that many
# batches change are then folded in once.
_CHECKPOINT_PAGES = 16384
# In the texts of errors that say nothing about the file, but about the disk below it.
_DISK_SIGNS = ("disk", "full")


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
        self._is_grouping = False
        self._url = f"sqlite:{path}"
        if must_exist and not path.is_file():
            raise SettingsError("there is no store at this place", where=self._url)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.connection = sqlite3.connect(path, isolation_level=None, timeout=_BUSY_SECONDS)
            if self._is_new() and must_exist:
                raise SettingsError("this file is no store", where=self._url)
            self._configure()
        except OSError as error:
            raise SettingsError(f"cannot be opened: {error.strerror}", where=self._url) from None
        except sqlite3.Error as error:
            if any(sign in str(error) for sign in _DISK_SIGNS):
                raise StoreUnavailableError(str(error), where=self._url) from None
            raise SettingsError(f"cannot be opened as a store: {error}", where=self._url) from None

    def _is_new(self) -> bool:
        """Return whether the file is still empty; refuse what is somebody else's or of another layout."""
        run = self.connection.execute
        owner, version = (run(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
        tables = run("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]
        if owner != _APPLICATION and (tables or owner):
            raise SettingsError("this database belongs to another program", where=self._url)
        if version not in (0, FORMAT):
            raise SettingsError(
                f"its layout is version {version}, this program's is {FORMAT}", where=self._url
            )
        return bool(tables == 0)

    def _configure(self) -> None:
        run = self.connection.execute
        run(f"PRAGMA page_size = {_PAGE_BYTES}")
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA synchronous = NORMAL")
        run(f"PRAGMA cache_size = -{_CACHE_KIB}")
        run(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")

    def define(self, statements: Sequence[str]) -> None:
        """Make tables and indexes, if the first of them is not there yet; all or none."""
        name = statements[0].split("(")[0].split()[-1]
        with self.errors():
            found = self.connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (name,)).fetchone()
        if found is None:
            with self.transaction() as connection:
                connection.execute(f"PRAGMA application_id = {_APPLICATION}")
                connection.execute(f"PRAGMA user_version = {FORMAT}")
                for statement in statements:
                    connection.execute(statement)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Run statements all or not at all.

        Raises
        ------
        StoreUnavailableError
            If the file cannot be written: a full disk, a lock that is held, a device that fails.
        InvariantError
            If the file is damaged.
        """
        with self.errors():
            if not self.connection.in_transaction:
                self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
            except BaseException:
                self._roll_back()
                raise
            if not self._is_grouping:
                self._commit()

    def commit_group(self) -> None:
        """Commit what transactions did since the last call; the next ones wait for the next call.

        Batches change the same pages again and again: together, each page is written once. An error in
        one transaction takes back the whole group, and a kill loses it: both are harmless where the same
        command does the work again.

        Raises
        ------
        StoreUnavailableError
            If the file cannot be written; nothing of the group is kept.
        """
        self._commit()
        self._is_grouping = True

    def end_groups(self) -> None:
        """Commit what is open, and from now on each transaction by itself.

        Raises
        ------
        StoreUnavailableError
            As `commit_group` raises it.
        """
        self._is_grouping = False
        self._commit()

    def _commit(self) -> None:
        if not self.connection.in_transaction:
            return
        with self.errors():
            try:
                self.connection.execute("COMMIT")
            except BaseException:
                self._roll_back()
                raise

    def _roll_back(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            self.connection.execute("ROLLBACK")

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Turn SQLite's errors into the mesh's."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            if not isinstance(error, sqlite3.OperationalError):
                raise InvariantError(f"the store is damaged: {error}", where=self._url) from error
            raise self._unavailable(error) from error
        except OSError as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: Exception) -> StoreUnavailableError:
        return StoreUnavailableError(f"{error}; nothing is lost: run the same command again", where=self._url)

    def close(self) -> None:
        """Close the file."""
        with self.errors():
            self.connection.close()

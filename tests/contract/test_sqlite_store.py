"""The embedded store keeps the contract of every store."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from skymesh.errors import SettingsError
from skymesh.sqlite_file import SqliteFile
from skymesh.testing.documents import STAMPS, cutouts
from skymesh.testing.store_contract import StoreContract


class TestSqliteStore(StoreContract):
    opener = "support.sqlite_mesh:open_store"

    def damage_cutouts(self, address):
        pack = Path(f"{address}.cutouts")
        block = bytearray(pack.read_bytes())
        block[len(block) // 2] ^= 1
        pack.write_bytes(block)

    def test_stamps_lost_behind_the_index_are_refused(self, address):
        async def write(store):
            await store.write([cutouts()])

        async def read(store):
            await store.read_cutouts(cutouts().id)

        self.on(address, write)
        Path(f"{address}.cutouts").write_bytes(STAMPS[:10])
        with pytest.raises(Exception, match="digest"):
            self.on(address, read)

    def test_stamps_that_were_appended_but_not_indexed_are_written_again(self, address):
        Path(f"{address}.cutouts").write_bytes(b"left by a process that was killed")

        async def work(store):
            await store.write([cutouts()])
            return await store.read_cutouts(cutouts().id)

        assert self.on(address, work) == STAMPS

    def test_a_file_of_another_layout_is_refused(self, address):
        async def write(store):
            await store.write([cutouts()])

        self.on(address, write)
        with closing(sqlite3.connect(address)) as file:
            file.execute("PRAGMA user_version = 99")
        with pytest.raises(SettingsError, match="99"):
            self.on(address, write)

    def test_a_file_that_is_no_store_is_refused_and_left_alone(self, tmp_path):
        text = "no database, but long enough to look like one " * 50
        (tmp_path / "store").write_text(text)
        with pytest.raises(SettingsError):
            SqliteFile(tmp_path / "store")
        assert (tmp_path / "store").read_text() == text

    def test_a_database_of_somebody_else_is_refused_and_left_alone(self, address):
        with closing(sqlite3.connect(address)) as file:
            file.execute("CREATE TABLE states (mine INTEGER)")

        async def write(store):
            await store.write([cutouts()])

        with pytest.raises(SettingsError):
            self.on(address, write)
        with closing(sqlite3.connect(address)) as file:
            assert file.execute("SELECT name FROM sqlite_master").fetchall() == [("states",)]

"""Opening the embedded bus and store, in this process and in others."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path

from skymesh.bus.sqlite import SqliteBus
from skymesh.sqlite_file import SqliteFile
from skymesh.store.sqlite import SqliteStore


@asynccontextmanager
async def open_bus(address):
    file = SqliteFile(Path(address))
    yield SqliteBus(file)
    file.close()


@asynccontextmanager
async def open_store(address):
    store = SqliteStore(SqliteFile(Path(address)))
    yield store
    await store.close()

"""Stores on a real Cassandra: made once, emptied for each test, opened in this process and in others."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager, contextmanager

from skymesh.settings.store import CassandraSettings
from skymesh.store.cassandra.connection import Connection, parse_address
from skymesh.store.cassandra.layout import KINDS, layout_of
from skymesh.store.cassandra.schema import init_store
from skymesh.store.cassandra.store import open_store as open_at

# What is made, dropped or emptied under load takes its time.
PATIENT = CassandraSettings(timeout_s=60)
# A table whose rows were all deleted looks empty, and keeps away what is written next.
_deleted_from = set()


@asynccontextmanager
async def open_store(url):
    store = await open_at(url, PATIENT)
    delete = store.delete

    async def noted(kind, partitions, **more):
        _deleted_from.add(layout_of(kind).table.name)
        await delete(kind, partitions, **more)

    store.delete = noted
    yield store
    await store.close()


@asynccontextmanager
async def connected(url):
    connection = await Connection(parse_address(url), PATIENT).open()
    yield connection
    await connection.close()


def run_statements(url, *statements):
    """Run statements behind the store's back; return the rows of the last."""

    async def run():
        async with connected(url) as connection:
            return [await connection.run(*statement) for statement in statements][-1]

    return asyncio.run(run())


@contextmanager
def made_store(server, name="store"):
    """A store of this process on a server, gone at the end."""
    keyspace = f"test_{os.getpid()}_{name}"
    url = f"cassandra://{server}/{keyspace}"
    asyncio.run(init_store(url, PATIENT))
    yield url
    run_statements(url, (f"DROP KEYSPACE IF EXISTS {keyspace}",))


def emptied(url):
    """Return the address of a store from which everything was taken."""

    async def empty(connection, table):
        if table in _deleted_from or await connection.run(f"SELECT * FROM {table} LIMIT 1"):
            await connection.run(f"TRUNCATE {table}")
            _deleted_from.discard(table)

    async def run():
        async with connected(url) as connection:
            await connection.use_keyspace()
            await asyncio.gather(*(empty(connection, layout_of(kind).table.name) for kind in KINDS))

    asyncio.run(run())
    return url

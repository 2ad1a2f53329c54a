"""The live store: every document a row of a table in Cassandra."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import closing
from typing import Any, TypeVar, cast
from uuid import UUID

import msgspec

from skymesh.codecs import wire
from skymesh.errors import InvariantError
from skymesh.model.alert import Arrival, Cutouts
from skymesh.model.ids import Digest, digest_bytes
from skymesh.model.position import Position
from skymesh.settings.store import CassandraSettings
from skymesh.store.cassandra.burst import Request, Rows, run_all
from skymesh.store.cassandra.clock import CLOCK
from skymesh.store.cassandra.connection import Connection, parse_address
from skymesh.store.cassandra.errors import mesh_errors
from skymesh.store.cassandra.layout import Layout, layout_of
from skymesh.store.cassandra.reading import Reading
from skymesh.store.cassandra.scan import iter_pages, over_the_ring
from skymesh.store.cassandra.schema import check_store
from skymesh.store.sorted_rows import SortedRows
from skymesh.store.store import Document, Found, Keys

D = TypeVar("D", bound=Document)


class CassandraStore:
    """A store in one keyspace of Cassandra; see `skymesh.store.store.Store` for the contract.

    Every document is one row, written by one statement to one partition: no transaction, no batch, no
    row that is looked at before it is written. That the first copy of a document stays is a matter of
    timestamps; see `WriteClock`. What is written is durable when the replicas that the consistency asks
    for have it in their commit logs; with a single copy, only if the node syncs its log before it
    acknowledges (``commitlog_sync``): `init_store` warns of it.

    The rows that a tier reads together share a partition. What is asked for otherwise (``scan`` by
    other columns, ``count``, ``arrivals_with_point``) is found by an index or by a walk over the whole
    ring, filtered by the nodes: it is for people and audits, not for tiers.

    Parameters
    ----------
    connection
        An open connection whose keyspace is in use; see `open_store`.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._url = str(connection.address)
        self._prepared: dict[str, Any] = {}

    async def write(self, documents: Sequence[Document]) -> None:
        """Write documents.

        Raises
        ------
        StoreUnavailableError
            If any of them may not have been written: all of them are to be written again.
        """
        requests = [await self._insert(document) for document in documents]
        await self._run(requests)

    async def _insert(self, document: Document) -> Request:
        layout = layout_of(type(document))
        statement = await self._prepare(layout.insert, is_write=True)
        row = layout.row(document)
        return Request(statement, (*row, _timestamp(layout, document)), len(row[-1]))

    async def read(self, log: Digest, keys: Keys) -> Found:
        """Return what a tier needs.

        Raises
        ------
        StoreUnavailableError
            If nodes do not answer.
        """
        reading = Reading(log, keys)
        parts = list(reading.parts())
        requests = [Request(await self._prepare(part.statement), part.values) for part in parts]
        for part, rows in zip(parts, await self._run(requests), strict=True):
            for key, body in rows:
                reading.take(part, key, _document(body, part.ask[0], key))
        return reading.found()

    async def read_cutouts(self, id_: Digest) -> bytes | None:
        """Return image stamps; None if there are none.

        Raises
        ------
        InvariantError
            If their bytes are not what their digest says.
        StoreUnavailableError
            If nodes do not answer.
        """
        found = await self.read(Digest(b""), Keys(cutouts=frozenset({id_})))
        return found.cutouts.get(id_)

    async def get(self, kind: type[D], **key: Any) -> D | None:
        """Return the one document with this key, or None."""
        async for document in self.scan(kind, **key):
            return document
        return None

    async def scan(self, kind: type[D], **key: Any) -> AsyncIterator[D]:
        """Yield documents by some of their columns, in order of the key.

        Raises
        ------
        StoreUnavailableError
            If nodes do not answer, or if there is no room on this disk to put the rows in order.
        """
        layout = layout_of(kind)
        values = layout.values(key)
        if layout.is_in_order and values.keys() >= set(layout.partition):
            async for page in self._pages(layout, values):
                for row in page:
                    yield _document(row[-1], kind)
            return
        with closing(SortedRows(len(layout.table.key))) as rows:
            async for page in self._pages(layout, values):
                rows.add(_sortable(row) for row in page)
            for body in rows:
                yield _document(body, kind)

    async def count(self, kind: type[Document], **key: Any) -> int:
        """Return how many documents `scan` would yield.

        Raises
        ------
        StoreUnavailableError
            If nodes do not answer.
        """
        layout = layout_of(kind)
        pages = self._pages(layout, layout.values(key), what="COUNT(*)")
        return sum([row[0] async for page in pages for row in page])

    async def arrivals_with_point(self, point: Digest) -> list[Arrival]:
        """Return the arrivals that registered a point, in order of position.

        Raises
        ------
        StoreUnavailableError
            If nodes do not answer.
        """
        found: dict[tuple[Digest, Position], Arrival] = {}
        async for page in self._pages(layout_of(Arrival), {}):
            # A point's id stands in the row as its 16 bytes: no index is worth its cost for each point.
            for arrival in (_document(row[-1], Arrival) for row in page if point in row[-1]):
                if any(known.id == point for known in arrival.alert.points):
                    found[arrival.log, arrival.position] = arrival
        return sorted(found.values(), key=lambda arrival: arrival.position)

    async def delete(self, kind: type[Document], partitions: Sequence[tuple[Any, ...]]) -> None:
        """Delete all documents of a class in some partitions.

        Each goes by one statement that covers the partition as a whole: a walk over the ring meets one
        tombstone for it, not one for each row.

        Raises
        ------
        StoreUnavailableError
            If any of them may not have been deleted: the same is to be done again.
        """
        layout = layout_of(kind)
        statement = await self._prepare(layout.delete, is_write=True)
        timestamp = CLOCK.last_stays() if layout.table.may_return else CLOCK.DELETION
        await self._run([Request(statement, (timestamp, *place)) for place in partitions])

    async def close(self) -> None:
        """Let go of the connection."""
        await self._connection.close()

    async def _run(self, requests: Sequence[Request]) -> list[Rows]:
        with mesh_errors(self._url):
            return await run_all(self._connection.session, requests)

    async def _pages(
        self, layout: Layout, values: Mapping[str, Any], *, what: str = ""
    ) -> AsyncIterator[Rows]:
        """Yield the rows with some values: of their partition, by an index, or from the whole ring."""
        known = tuple(values.values())
        is_placed = values.keys() >= set(layout.partition) or not values.keys().isdisjoint(layout.indexed)
        prepared = await self._prepare(layout.select(values, what=what, in_ranges=not is_placed))
        session = self._connection.session
        with mesh_errors(self._url):
            if is_placed:
                pages = iter_pages(session, prepared, known)
            else:
                pages = over_the_ring(lambda low, high: iter_pages(session, prepared, (*known, low, high)))
            async for page in pages:
                yield page

    async def _prepare(self, statement: str, *, is_write: bool = False) -> Any:
        """Return a prepared statement; each is prepared when it is first needed."""
        if statement not in self._prepared:
            settings = self._connection.settings
            consistency = settings.write_consistency if is_write else settings.read_consistency
            self._prepared[statement] = await self._connection.prepare(statement, consistency)
        return self._prepared[statement]


async def open_store(url: str, settings: CassandraSettings) -> CassandraStore:
    """Open a store on Cassandra that `skymesh store init` has made.

    Raises
    ------
    SettingsError
        If the address, the credentials or the consistency will not do, or if there is no store of
        this version.
    StoreUnavailableError
        If nodes do not answer.
    """
    connection = await Connection(parse_address(url), settings).open()
    try:
        await check_store(connection)
    except BaseException:
        await connection.close()
        raise
    return CassandraStore(connection)


def _timestamp(layout: Layout, document: Document) -> int:
    table = layout.table
    if table.may_return or not table.first_stays:
        return CLOCK.last_stays()
    gives_way = table.gives_way and getattr(document, table.gives_way)
    return CLOCK.gives_way() if gives_way else CLOCK.first_stays()


def _sortable(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(value.bytes if isinstance(value, UUID) else value for value in row)


def _document(body: bytes, kind: type[D], id_: Digest | None = None) -> D:
    """Read back a document; image stamps, which lie bare, under their id."""
    if kind is Cutouts and id_ is not None:
        if digest_bytes("cutout", body) != id_:
            where = f"cutout:{id_.hex()}"
            raise InvariantError("the stored image stamps do not have this digest", where=where)
        return cast("D", Cutouts(id_, body))
    try:
        return wire.decode(body, kind)
    except msgspec.MsgspecError as error:
        name = layout_of(kind).table.name
        raise InvariantError(f"a row of {name} cannot be read: {error}") from error

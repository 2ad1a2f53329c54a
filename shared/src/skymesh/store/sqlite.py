"""The embedded store: every document a row of a SQLite file, image stamps in a file beside it."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from skymesh.codecs import wire
from skymesh.errors import InvariantError
from skymesh.model.alert import Arrival, Cutouts
from skymesh.model.deployment import PlacedMarker
from skymesh.model.execution import Result, View
from skymesh.model.ids import Digest, digest_bytes
from skymesh.model.position import Position
from skymesh.model.reaction import Attempt, Held, Intent, Receipt
from skymesh.model.run import Blob
from skymesh.model.state import State, StateLink, Verdict
from skymesh.sqlite_file import SqliteFile
from skymesh.store.store import Document, Found, Keys, RunStock
from skymesh.store.tables import TABLES, Table, column_type, column_value, row_of, table_of

D = TypeVar("D", bound=Document)
_TYPES = {bool: "INTEGER", int: "INTEGER", str: "TEXT", bytes: "BLOB"}
_OF_STOCKS = "log = ? AND stock IN (SELECT value FROM json_each(?)) AND position <= ?"
_CUTOUTS = "CREATE TABLE cutouts (id BLOB PRIMARY KEY, start INTEGER, size INTEGER) WITHOUT ROWID"


class SqliteStore:
    """A store in one SQLite file; see `skymesh.store.store.Store` for the contract.

    Big documents are appended in tables that only grow at their end, and are found through small
    indexes: what is written for an alert does not depend on how much is there. Image stamps are ten
    times the rest and go to ``<file>.cutouts``, appended before they are indexed.

    Parameters
    ----------
    file
        The open file.
    """

    def __init__(self, file: SqliteFile) -> None:
        self._file = file
        self._cutouts = _Pack(file.path.with_name(file.path.name + ".cutouts"))
        file.define([statement for table in TABLES.values() for statement in _definition(table)] + [_CUTOUTS])

    async def write(self, documents: Sequence[Document]) -> None:
        """Write documents; image stamps lie in their file before they can be found."""
        by_kind: dict[type[Any], list[tuple[Any, ...]]] = {}
        stamps: dict[Digest, bytes] = {}
        for document in documents:
            if isinstance(document, Cutouts):
                stamps[document.id] = document.block
            else:
                by_kind.setdefault(type(document), []).append((*row_of(document), wire.encode(document)))
        # In the transaction: nobody else appends between looking for the end and writing there.
        with self._file.transaction() as connection:
            places = self._append(stamps)
            for kind, rows in by_kind.items():
                connection.executemany(_insert(TABLES[kind]), rows)
            connection.executemany("INSERT OR IGNORE INTO cutouts VALUES (?, ?, ?)", places)

    def _append(self, stamps: Mapping[Digest, bytes]) -> list[tuple[Digest, int, int]]:
        """Append image stamps that are not there yet; return id, start and size of each."""
        marks = ", ".join("?" * len(stamps))
        rows = self._file.connection.execute(f"SELECT id FROM cutouts WHERE id IN ({marks})", list(stamps))
        known = {id_ for (id_,) in rows}
        new = [(id_, block) for id_, block in stamps.items() if id_ not in known]
        starts = self._cutouts.append([block for _, block in new])
        return [(id_, start, len(block)) for (id_, block), start in zip(new, starts, strict=True)]

    async def read_cutouts(self, id_: Digest) -> bytes | None:
        """Return image stamps; None if there are none.

        Raises
        ------
        InvariantError
            If their bytes are not what their digest says.
        """
        place = self._place(id_)
        if place is None:
            return None
        block = self._cutouts.read(*place)
        if digest_bytes("cutout", block) != id_:
            raise InvariantError(
                "the stored image stamps do not have this digest", where=f"cutout:{id_.hex()}"
            )
        return block

    def _place(self, id_: Digest) -> tuple[int, int] | None:
        row: tuple[int, int] | None = self._file.connection.execute(
            "SELECT start, size FROM cutouts WHERE id = ?", (id_,)
        ).fetchone()
        return row

    async def read(self, log: Digest, keys: Keys) -> Found:
        """Return what a tier needs."""
        stamps = {id_: await self.read_cutouts(id_) for id_ in keys.cutouts}
        with self._file.errors():
            return Found(
                arrivals=self._arrivals(log, keys.arrivals, keys.until),
                verdicts=self._at_arrivals(Verdict, log, keys.verdicts, keys.until),
                links=self._at_arrivals(StateLink, log, keys.links, keys.until),
                views=self._at_arrivals(View, log, keys.views, keys.until),
                intents=self._intents(keys.intents),
                receipts=self._all_by_id(Receipt, keys.receipts),
                attempts=self._all_by_id(Attempt, keys.attempts),
                held=self._all_by_id(Held, keys.held),
                results=self._by_id(Result, keys.results),
                states=self._by_id(State, keys.states),
                cutouts={id_: block for id_, block in stamps.items() if block is not None},
                blobs={id_: blob.body for id_, blob in self._by_id(Blob, keys.blobs).items()},
                markers={partition: self._markers(log, partition, keys.until) for partition in keys.markers},
            )

    def _arrivals(self, log: Digest, stocks: Iterable[str], until: Position) -> dict[str, list[Arrival]]:
        """Return the arrivals of stocks, in one statement: a visit has thousands, and most are new."""
        rows: dict[str, list[Arrival]] = {stock: [] for stock in stocks}
        found = self._file.connection.execute(
            f"SELECT stock, body FROM arrivals WHERE {_OF_STOCKS} ORDER BY stock, position",
            (log, json.dumps(list(rows)), until.to_bytes()),
        )
        for stock, body in found:
            rows[stock].append(_decoded(body, Arrival))
        return rows

    def _at_arrivals(
        self, kind: type[D], log: Digest, wanted: Iterable[RunStock], until: Position
    ) -> dict[RunStock, list[D]]:
        """Return what runs have at the arrivals of stocks."""
        rows: dict[RunStock, list[D]] = {key: [] for key in wanted}
        for run, stocks in _by_run(rows).items():
            found = self._file.connection.execute(
                f"WITH places AS (SELECT stock, position FROM arrivals WHERE {_OF_STOCKS})"
                f" SELECT places.stock, rows.body FROM places CROSS JOIN {TABLES[kind].name} AS rows"
                " WHERE rows.run = ? AND rows.position = places.position"
                " ORDER BY places.stock, places.position",
                (log, json.dumps(stocks), until.to_bytes(), run),
            )
            for stock, body in found:
                rows[run, stock].append(_decoded(body, kind))
        return rows

    def _intents(self, wanted: Iterable[RunStock]) -> dict[RunStock, list[Intent]]:
        rows: dict[RunStock, list[Intent]] = {key: [] for key in wanted}
        for run, stocks in _by_run(rows).items():
            found = self._file.connection.execute(
                "SELECT stock, body FROM intents"
                " WHERE run = ? AND stock IN (SELECT value FROM json_each(?)) ORDER BY stock, position",
                (run, json.dumps(stocks)),
            )
            for stock, body in found:
                rows[run, stock].append(_decoded(body, Intent))
        return rows

    def _all_by_id(self, kind: type[D], ids: Iterable[Digest]) -> dict[Digest, list[D]]:
        table = TABLES[kind]
        select = f"SELECT body FROM {table.name} WHERE id = ? ORDER BY {', '.join(table.key)}"
        run = self._file.connection.execute
        return {id_: [_decoded(body, kind) for (body,) in run(select, (id_,))] for id_ in ids}

    def _markers(self, log: Digest, partition: int, until: Position) -> list[PlacedMarker]:
        found = self._file.connection.execute(
            "SELECT body FROM markers WHERE log = ? AND partition = ? AND position <= ? ORDER BY position",
            (log, partition, until.to_bytes()),
        )
        return [_decoded(body, PlacedMarker) for (body,) in found]

    def _by_id(self, kind: type[D], ids: Iterable[Digest]) -> dict[Digest, D]:
        run = self._file.connection.execute
        select = f"SELECT body FROM {TABLES[kind].name} WHERE id = ?"
        rows = ((id_, run(select, (id_,)).fetchone()) for id_ in ids)
        return {id_: _decoded(row[0], kind) for id_, row in rows if row is not None}

    async def get(self, kind: type[D], **key: Any) -> D | None:
        """Return the one document with this key, or None."""
        async for document in self.scan(kind, **key):
            return document
        return None

    async def scan(self, kind: type[D], **key: Any) -> AsyncIterator[D]:
        """Yield documents by some of their columns, in order of the key."""
        where, values = _where(key)
        order = ", ".join(f'"{name}"' for name in TABLES[kind].key)
        with self._file.errors():
            cursor = self._file.connection.execute(
                f"SELECT body FROM {TABLES[kind].name}{where} ORDER BY {order}", values
            )
            for (body,) in cursor:
                yield _decoded(body, kind)

    async def count(self, kind: type[Document], **key: Any) -> int:
        """Return how many documents `scan` would yield."""
        where, values = _where(key)
        with self._file.errors():
            row = self._file.connection.execute(
                f"SELECT COUNT(*) FROM {TABLES[kind].name}{where}", values
            ).fetchone()
        return int(row[0])

    async def arrivals_with_point(self, point: Digest) -> list[Arrival]:
        """Return the arrivals that registered a point."""
        with self._file.errors():
            # A point's id stands in the row as its 16 bytes: no index is worth its cost for each point.
            rows = self._file.connection.execute(
                "SELECT body FROM arrivals WHERE instr(body, ?) > 0 ORDER BY position", (point,)
            ).fetchall()
        arrivals = [_decoded(body, Arrival) for (body,) in rows]
        return [arrival for arrival in arrivals if any(p.id == point for p in arrival.alert.points)]

    async def delete(
        self,
        kind: type[Document],
        partitions: Sequence[tuple[Any, ...]],
        *,
        written_before_us: int | None = None,  # noqa: ARG002  # rows have no times
    ) -> None:
        """Delete all documents of a class in some partitions.

        What a row took is used again by later ones. Of image stamps the bytes stay in their file, where
        nothing leads to them any more.
        """
        table = table_of(kind)
        alike: dict[tuple[Any, ...], list[Any]] = {}
        for place in partitions:
            alike.setdefault(place[:-1], []).append(place[-1])
        with self._file.transaction() as connection:
            for same, lasts in alike.items():
                connection.executemany(*_deletion(table, same, lasts))

    async def close(self) -> None:
        """Let go of the files."""
        self._cutouts.close()
        self._file.close()


class _Pack:
    """A file that only grows: blocks one behind the other."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def append(self, blocks: list[bytes]) -> list[int]:
        """Write blocks behind the end; return where each starts."""
        if not blocks:
            return []
        start = os.lseek(self._open(), 0, os.SEEK_END)
        places = []
        for block in blocks:
            places.append(start)
            start += len(block)
            view = memoryview(block)
            while view:
                view = view[os.write(self._open(), view) :]
        return places

    def read(self, start: int, size: int) -> bytes:
        return os.pread(self._open(), size, start)

    def _open(self) -> int:
        if self._descriptor is None:
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        return self._descriptor

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _by_run(keys: Iterable[RunStock]) -> dict[Digest, list[str]]:
    """Return the stocks of each run."""
    stocks: dict[Digest, list[str]] = {}
    for run, stock in keys:
        stocks.setdefault(run, []).append(stock)
    return stocks


def _decoded(body: bytes, kind: type[D]) -> D:
    try:
        return wire.decode(body, kind)
    except msgspec.MsgspecError as error:
        raise InvariantError(f"a row of {TABLES[kind].name} cannot be read: {error}") from error


def _definition(table: Table) -> list[str]:
    columns = ", ".join(f'"{name}" {_TYPES[column_type(name)]} NOT NULL' for name in table.columns)
    key = ", ".join(f'"{name}"' for name in table.place or table.key)
    rowid = " WITHOUT ROWID" if table.place else ""
    statements = [f"CREATE TABLE {table.name} ({columns}, body BLOB NOT NULL, PRIMARY KEY ({key})){rowid}"]
    for number, index in enumerate(table.indexes):
        names = ", ".join(f'"{name}"' for name in index)
        statements.append(f"CREATE INDEX {table.name}_{number} ON {table.name} ({names})")
    return statements


def _insert(table: Table) -> str:
    marks = ", ".join("?" * (len(table.columns) + 1))
    if table.gives_way:
        taken_over = ", ".join(f"{name} = excluded.{name}" for name in (*table.others, "body"))
        condition = f"{table.name}.{table.gives_way}"
        insert = f"INSERT INTO {table.name} VALUES ({marks})"
        return f"{insert} ON CONFLICT DO UPDATE SET {taken_over} WHERE {condition}"
    action = "IGNORE" if table.first_stays else "REPLACE"
    return f"INSERT OR {action} INTO {table.name} VALUES ({marks})"


def _deletion(table: Table, same: tuple[Any, ...], lasts: list[Any]) -> tuple[str, list[tuple[Any, ...]]]:
    """Return what deletes partitions that differ in their last value, if it can be in one pass."""
    places = [f'"{name}"' for name in table.placed_by]
    if table.bucket is not None:
        places.append(f'"{table.bucket[0]}" / {table.bucket[1]}')
    where = "".join(f"{place} = ? AND " for place in places[:-1])
    delete = f"DELETE FROM {table.name} WHERE {where}{places[-1]}"
    if isinstance(lasts[0], bytes):
        return f"{delete} = ?", [(*same, last) for last in lasts]
    return f"{delete} IN (SELECT value FROM json_each(?))", [(*same, json.dumps(lasts))]


def _where(key: Mapping[str, Any]) -> tuple[str, list[Any]]:
    if not key:
        return "", []
    return " WHERE " + " AND ".join(f'"{name}" = ?' for name in key), [column_value(v) for v in key.values()]

"""How each class of documents lies in Cassandra: its table, and the statements about it."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from skymesh.codecs import wire
from skymesh.model.alert import Cutouts
from skymesh.store.tables import STAMPS, TABLES, Table, column_type, column_value, row_of

_TYPES: Mapping[type, str] = {bool: "boolean", int: "bigint", str: "text", bytes: "blob"}
_BUCKET = "bucket"

KINDS: tuple[type[Any], ...] = (*TABLES, Cutouts)
"""Every class that has a table."""


@dataclass(frozen=True)
class Layout:
    """The table of one class of documents.

    Rows of a partition lie in the order of the clustering columns. An id that rows are found by
    without their partition has a storage-attached index (SAI), which takes a UUID where it takes no
    bytes: ids have the same 128 bits.

    Attributes
    ----------
    table
        What the store's tables have in common.
    partition, clustering
        The columns of the primary key; the bucket is among the former.
    indexed
        Columns that have an index.
    """

    table: Table
    partition: tuple[str, ...]
    clustering: tuple[str, ...]
    indexed: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns but the document itself."""
        bucket = (_BUCKET,) if self.table.bucket else ()
        return self.table.columns + bucket

    @property
    def is_in_order(self) -> bool:
        """Whether the rows of a partition lie in order of the key."""
        rest = tuple(name for name in self.table.key if name not in self.partition)
        return rest == self.clustering and not set(rest) & set(self.indexed)

    def row(self, document: Any) -> tuple[Any, ...]:
        """Return the values of a document's row, in the order of `insert`."""
        if isinstance(document, Cutouts):
            return document.id, document.block
        values = row_of(document)
        if self.indexed or self.table.bucket:
            values = tuple(self.values(dict(zip(self.table.columns, values, strict=True))).values())
        return *values, wire.encode(document)

    def values(self, named: Mapping[str, Any]) -> dict[str, Any]:
        """Return column values as they lie in Cassandra, with the bucket if they tell it."""
        values = {name: self._value(name, value) for name, value in named.items()}
        if self.table.bucket and self.table.bucket[0] in values:
            column, size = self.table.bucket
            values[_BUCKET] = values[column] // size
        return values

    def _value(self, name: str, value: Any) -> Any:
        return UUID(bytes=value) if name in self.indexed else column_value(value)

    def create(self) -> list[str]:
        """Return the statements that make the table and its indexes; nothing happens if they are there."""
        types = ", ".join(f"{_quoted(name)} {self._type(name)}" for name in self.columns)
        key = f"({_names(self.partition)})" + "".join(f", {_quoted(name)}" for name in self.clustering)
        # Image stamps are compressed already.
        options = " WITH compression = {'enabled': 'false'}" if self.table is STAMPS else ""
        name = self.table.name
        return [
            f"CREATE TABLE IF NOT EXISTS {name} ({types}, body blob, PRIMARY KEY ({key})){options}",
            *(
                f"CREATE INDEX IF NOT EXISTS {name}_{column} ON {name} ({_quoted(column)}) USING 'sai'"
                for column in self.indexed
            ),
        ]

    def _type(self, name: str) -> str:
        if name in self.indexed:
            return "uuid"
        return _TYPES[int if name == _BUCKET else column_type(name)]

    @functools.cached_property
    def insert(self) -> str:
        """The statement that writes a row at a timestamp, its last value."""
        marks = ", ".join("?" * (len(self.columns) + 1))
        columns = f"{_names(self.columns)}, body"
        return f"INSERT INTO {{keyspace}}.{self.table.name} ({columns}) VALUES ({marks}) USING TIMESTAMP ?"

    @functools.cached_property
    def delete(self) -> str:
        """The statement that deletes a partition at a timestamp, its first value."""
        where = " AND ".join(f"{_quoted(name)} = ?" for name in self.partition)
        return f"DELETE FROM {{keyspace}}.{self.table.name} USING TIMESTAMP ? WHERE {where}"

    def select_many(self, *, until: str = "") -> str:
        """Return the statement that reads the rows of several partitions, alike in all but their last column.

        Parameters
        ----------
        until
            A clustering column, up to a value of which rows are read; empty for all.
        """
        *same, last = self.partition
        where = [f"{_quoted(name)} = ?" for name in same] + [f"{_quoted(last)} IN ?"]
        where += [f"{_quoted(until)} <= ?"] if until else []
        return f"SELECT {_quoted(last)}, body FROM {{keyspace}}.{self.table.name} WHERE {' AND '.join(where)}"

    def select(self, known: Collection[str], *, what: str = "", in_ranges: bool = False) -> str:
        """Return the statement that reads the rows with the values of some columns, wherever they are.

        Parameters
        ----------
        known
            The columns.
        what
            What is read; the key's columns and the body unless it is said.
        in_ranges
            Only rows whose partitions lie in a range of the ring, whose ends are the last two values.
        """
        where = [f"{_quoted(name)} = ?" for name in known]
        token = f"token({_names(self.partition)})"
        where += [f"{token} > ?", f"{token} <= ?"] if in_ranges else []
        condition = f" WHERE {' AND '.join(where)} ALLOW FILTERING" if where else ""
        columns = what or _names(self.table.key) + ", body"
        return f"SELECT {columns} FROM {{keyspace}}.{self.table.name}{condition}"


def layout_of(kind: type[Any]) -> Layout:
    """Return the layout of a class of documents."""
    return _LAYOUTS[kind]


def _layout(table: Table) -> Layout:
    partition = table.placed_by
    clustering = tuple(name for name in table.place or table.key if name not in partition)
    indexed = tuple(index[0] for index in table.indexes if len(index) == 1 and index != partition)
    return Layout(table, partition + ((_BUCKET,) if table.bucket else ()), clustering, indexed)


def _quoted(name: str) -> str:
    return f'"{name}"'


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(_quoted(name) for name in names)


_LAYOUTS: Mapping[type[Any], Layout] = {kind: _layout(table) for kind, table in TABLES.items()} | {
    Cutouts: _layout(STAMPS)
}

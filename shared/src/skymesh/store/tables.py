"""How documents lie in a store: for each class its table, key columns and further columns to find by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from skymesh.model.alert import Alert, Arrival
from skymesh.model.deployment import Deployment, Epoch, PlacedMarker
from skymesh.model.execution import JournalEntry, Result, Settled, View
from skymesh.model.position import Position
from skymesh.model.reaction import Attempt, Held, Intent, Receipt
from skymesh.model.run import (
    Blob,
    ConfigRecord,
    DeadLetter,
    JobRecord,
    Log,
    Product,
    Redrive,
    ResourceRecord,
    Run,
    RunSummary,
    SourceCount,
    UnitRecord,
)
from skymesh.model.state import State, StateLink, Verdict


@dataclass(frozen=True)
class Table:
    """Where the documents of one class lie.

    Attributes
    ----------
    name
        The table.
    key
        Attributes of the document that are its key, in order.
    others
        Further attributes kept in columns of their own.
    indexes
        Further ways to find documents, each as columns.
    first_stays
        Whether a document that is there already is kept, because its key is its content.
    gives_way
        Column that says of a document whether it makes room for another that comes later, and is itself no
        match for one that does not.
    place
        Columns in whose order small rows lie, each in its place. What a run has at a position lies by
        position: such rows are appended, and are found by stock through the log's arrivals. Empty:
        rows lie as they come, and an index leads to them by key.
    partition
        Columns that place a row in a distributed store: rows that are read together have them in
        common. Empty: the first column of the key.
    bucket
        A column of the key, and how many of its values share a partition, where the columns of
        `partition` alone would hold ever more rows.
    """

    name: str
    key: tuple[str, ...]
    others: tuple[str, ...] = ()
    indexes: tuple[tuple[str, ...], ...] = ()
    first_stays: bool = True
    gives_way: str = ""
    place: tuple[str, ...] = ()
    partition: tuple[str, ...] = ()
    bucket: tuple[str, int] | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns but the document itself."""
        return self.key + self.others


TABLES: dict[type[Any], Table] = {
    Arrival: Table(
        "arrivals",
        ("log", "position"),
        ("stock", "alert"),
        (("log", "stock", "position"), ("alert",)),
        partition=("log", "stock"),
    ),
    Verdict: Table(
        "verdicts", ("run", "stock", "position"), place=("run", "position"), partition=("run", "stock")
    ),
    StateLink: Table(
        "state_links", ("run", "stock", "position"), place=("run", "position"), partition=("run", "stock")
    ),
    State: Table("states", ("id",), ("stock",)),
    Settled: Table(
        "settled",
        ("run", "position"),
        ("stock", "is_transient"),
        gives_way="is_transient",
        partition=("run", "stock"),
    ),
    Result: Table("results", ("id",), ("stock", "is_transient"), gives_way="is_transient"),
    View: Table(
        "views",
        ("run", "channel", "stock", "position"),
        place=("run", "position", "channel"),
        partition=("run", "stock"),
    ),
    Intent: Table(
        "intents",
        ("run", "id"),
        ("channel", "stock", "position"),
        (("run", "stock", "position"), ("id",)),
        partition=("run", "stock"),
    ),
    Receipt: Table("receipts", ("run", "id"), indexes=(("id",),), place=("run", "id"), partition=("id",)),
    Attempt: Table(
        "attempts", ("id", "number", "worker"), first_stays=False, place=("id", "number", "worker")
    ),
    Held: Table("held", ("id",), ("run",), first_stays=False),
    JournalEntry: Table(
        "journal",
        ("run", "tier", "channel", "instance", "source", "partition", "first"),
        ("id",),
        (("id",),),
        place=("run", "tier", "channel", "instance", "source", "partition", "first"),
        partition=("run", "tier", "partition"),
        bucket=("first", 8192),
    ),
    ConfigRecord: Table("configs", ("id",)),
    JobRecord: Table("jobs", ("id",), ("name",)),
    Log: Table("logs", ("id",)),
    Run: Table("runs", ("id",), ("job", "log")),
    RunSummary: Table("run_summaries", ("run",)),
    UnitRecord: Table("units", ("unit", "version")),
    ResourceRecord: Table("resources", ("id",), first_stays=False),
    SourceCount: Table("source_counts", ("run", "name")),
    DeadLetter: Table(
        "dead_letters",
        ("run", "source", "index", "tier"),
        partition=("run", "source"),
        bucket=("index", 1024),
    ),
    Redrive: Table(
        "redrives",
        ("run", "source", "index", "tier"),
        first_stays=False,
        partition=("run", "source"),
        bucket=("index", 1024),
    ),
    Product: Table("products", ("run", "name"), first_stays=False),
    PlacedMarker: Table("markers", ("log", "partition", "position"), partition=("log", "partition")),
    Epoch: Table("epochs", ("log", "number")),
    Deployment: Table("deployments", ("log", "name"), first_stays=False),
    Blob: Table("blobs", ("id",)),
    Alert: Table("packets", ("record",), ("id", "stock")),
}

_COLUMN_TYPES: dict[str, type[bool | int | str]] = {
    "is_transient": bool,
    **dict.fromkeys(("partition", "first", "index", "number"), int),
    **dict.fromkeys(
        ("stock", "tier", "channel", "instance", "name", "unit", "version", "source", "worker"), str
    ),
}

_READERS: dict[tuple[type[Any], str], Callable[[Any], Any]] = {
    (Arrival, "alert"): lambda arrival: arrival.alert.id,
}


def column_type(name: str) -> type[bool | int | str | bytes]:
    """Return what the values of a column are; ids and positions are bytes."""
    return _COLUMN_TYPES.get(name, bytes)


def column_value(value: Any) -> Any:
    """Return a key value as it lies in a column: positions as bytes that sort as they do."""
    return value.to_bytes() if isinstance(value, Position) else value


def row_of(document: Any) -> tuple[Any, ...]:
    """Return the column values of a document."""
    kind = type(document)
    return tuple(
        column_value(_READERS[kind, name](document) if (kind, name) in _READERS else getattr(document, name))
        for name in TABLES[kind].columns
    )

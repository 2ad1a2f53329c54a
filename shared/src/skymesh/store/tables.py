"""How documents lie in a store: for each class its table, key columns and further columns to find by.

Every table is of a retention class. Three may expire, by `skymesh store expire`, once nothing that is at
work needs them: ``packets`` (image stamps and whole packets, of a log up to a position), ``decisions``
(what a run that has ended made of each alert) and ``journal`` (of such a run). All others are kept for
ever; `skymesh.settings.retention` says why.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from skymesh.model.alert import Alert, Arrival, Cutouts
from skymesh.model.deployment import Deployment, Epoch, PlacedMarker
from skymesh.model.execution import JournalEntry, Result, Settled, View
from skymesh.model.position import Position
from skymesh.model.reaction import Attempt, Held, Intent, Receipt
from skymesh.model.retention import Expired, Gone, Retention
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
    retention
        Its retention class.
    may_return
        Whether a document may be written again once it was deleted. Its key is its content, so it is the
        same one. Of others a store may keep away what comes again: a zombie wrote it.
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
    retention: Retention = "registry"
    may_return: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns but the document itself."""
        return self.key + self.others

    @property
    def placed_by(self) -> tuple[str, ...]:
        """The columns that say in which partition a row lies, but for its bucket."""
        return self.partition or self.key[:1]


TABLES: dict[type[Any], Table] = {
    Arrival: Table(
        "arrivals",
        ("log", "position"),
        ("stock", "alert"),
        (("log", "stock", "position"), ("alert",)),
        partition=("log", "stock"),
        retention="points",
    ),
    Verdict: Table(
        "verdicts",
        ("run", "stock", "position"),
        place=("run", "position"),
        partition=("run", "stock"),
        retention="decisions",
    ),
    StateLink: Table(
        "state_links",
        ("run", "stock", "position"),
        ("is_transient",),
        gives_way="is_transient",
        place=("run", "position"),
        partition=("run", "stock"),
        retention="decisions",
    ),
    State: Table("states", ("id",), ("stock",), retention="states"),
    Settled: Table(
        "settled",
        ("run", "position"),
        ("stock",),
        partition=("run", "stock"),
        retention="decisions",
    ),
    Result: Table(
        "results", ("id",), ("stock", "is_transient"), gives_way="is_transient", retention="results"
    ),
    View: Table(
        "views",
        ("run", "channel", "stock", "position"),
        place=("run", "position", "channel"),
        partition=("run", "stock"),
        retention="decisions",
    ),
    Intent: Table(
        "intents",
        ("run", "id"),
        ("channel", "stock", "position"),
        (("run", "stock", "position"), ("id",)),
        partition=("run", "stock"),
        retention="reactions",
    ),
    Receipt: Table(
        "receipts",
        ("run", "id"),
        indexes=(("id",),),
        place=("run", "id"),
        partition=("id",),
        retention="reactions",
    ),
    Attempt: Table(
        "attempts",
        ("id", "number", "worker"),
        first_stays=False,
        place=("id", "number", "worker"),
        retention="reactions",
    ),
    Held: Table("held", ("id", "attempts", "status"), ("run",), retention="reactions"),
    JournalEntry: Table(
        "journal",
        ("run", "tier", "channel", "instance", "source", "partition", "first"),
        ("id",),
        (("id",),),
        place=("run", "tier", "channel", "instance", "source", "partition", "first"),
        partition=("run", "tier", "partition"),
        bucket=("first", 8192),
        retention="journal",
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
        retention="letters",
    ),
    Redrive: Table(
        "redrives",
        ("run", "source", "index", "tier"),
        first_stays=False,
        partition=("run", "source"),
        bucket=("index", 1024),
        retention="letters",
    ),
    Product: Table("products", ("run", "name"), first_stays=False),
    PlacedMarker: Table(
        "markers", ("log", "partition", "position"), partition=("log", "partition"), retention="points"
    ),
    Epoch: Table("epochs", ("log", "number", "status")),
    Deployment: Table("deployments", ("log", "name"), first_stays=False),
    Blob: Table("blobs", ("id",), retention="records"),
    Alert: Table("packets", ("record",), ("id", "stock"), retention="packets"),
    Expired: Table("expired", ("owner", "retention", "expired_utc"), first_stays=False),
    Gone: Table("gone", ("id",)),
}

STAMPS = Table("cutouts", ("id",), retention="packets", may_return=True)
"""Where image stamps lie, which are no rows of documents: their bytes are all that there is."""

_COLUMN_TYPES: dict[str, type[bool | int | str]] = {
    "is_transient": bool,
    **dict.fromkeys(("partition", "first", "index", "number", "attempts"), int),
    **dict.fromkeys(
        (
            *("stock", "tier", "channel", "instance", "name", "unit", "version", "source", "worker"),
            *("retention", "expired_utc", "status"),
        ),
        str,
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


def table_of(kind: type[Any]) -> Table:
    """Return where the documents of a class lie, or image stamps."""
    return STAMPS if kind is Cutouts else TABLES[kind]


def partition_of(document: Any) -> tuple[Any, ...]:
    """Return in which partition a document lies: the values of `Table.placed_by`, then the bucket."""
    table = TABLES[type(document)]
    named = dict(zip(table.columns, row_of(document), strict=True))
    place = tuple(named[name] for name in table.placed_by)
    return place if table.bucket is None else (*place, named[table.bucket[0]] // table.bucket[1])

"""What the mesh asks of a store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Protocol, TypeVar

from skymesh.jobs.deployed import Deployed
from skymesh.model.alert import Alert, Arrival, Cutouts
from skymesh.model.deployment import Deployment, Epoch, PlacedMarker
from skymesh.model.execution import JournalEntry, Result, Settled, View
from skymesh.model.ids import Digest
from skymesh.model.position import Position
from skymesh.model.reaction import Attempt, Held, Intent, Receipt
from skymesh.model.retention import Expired, Gone
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

Document = (
    Arrival | Verdict | State | StateLink | Settled | Result | JournalEntry | ConfigRecord | JobRecord
    | ResourceRecord | Log | Product | Run | RunSummary | UnitRecord | DeadLetter | View | SourceCount
    | Cutouts | Intent | Receipt | PlacedMarker | Blob | Alert
    | Epoch | Deployment | Redrive | Attempt | Held | Expired | Gone
)  # fmt: skip
"""Everything that is stored. Each class has its key in the store; see `skymesh.store.tables`."""

D = TypeVar("D", bound=Document)


RunStock = tuple[Digest, str]
"""A run and a stock: what a run has is asked for by both."""

_START = Position(0, 0, 0)


@dataclass(frozen=True)
class Keys:
    """What a tier must know to decide on a batch.

    Attributes
    ----------
    arrivals
        Stocks whose arrivals are wanted, from the beginning up to `until`.
    verdicts, links, views
        Runs and stocks whose rows are wanted, up to `until` too; views by all channels.
    intents
        Runs and stocks whose intents are wanted, wherever their positions: what was completed late comes
        behind what was told already.
    receipts
        Reactions whose receipts are wanted, by whichever run.
    attempts, held
        Reactions of which is wanted who tried to send them, and what was said of holding them back.
    results, states, cutouts, blobs
        What is wanted by id.
    markers
        Partitions of the log whose markers are wanted, up to `until`.
    jobs
        Runs whose jobs are wanted.
    until
        Position of the last record of the batch, inclusive.
    """

    arrivals: frozenset[str] = frozenset()
    verdicts: frozenset[RunStock] = frozenset()
    links: frozenset[RunStock] = frozenset()
    views: frozenset[RunStock] = frozenset()
    intents: frozenset[RunStock] = frozenset()
    receipts: frozenset[Digest] = frozenset()
    attempts: frozenset[Digest] = frozenset()
    held: frozenset[Digest] = frozenset()
    results: frozenset[Digest] = frozenset()
    states: frozenset[Digest] = frozenset()
    cutouts: frozenset[Digest] = frozenset()
    blobs: frozenset[Digest] = frozenset()
    markers: frozenset[int] = frozenset()
    jobs: frozenset[Digest] = frozenset()
    until: Position = _START

    def without(self, asked: Keys) -> Keys:
        """Return what was not asked for already."""
        left = {name: getattr(self, name) - getattr(asked, name) for name in _NAMES}
        return Keys(**left, until=self.until)

    def union(self, other: Keys) -> Keys:
        """Return both together."""
        both = {name: getattr(self, name) | getattr(other, name) for name in _NAMES}
        return Keys(**both, until=max(self.until, other.until))

    def __bool__(self) -> bool:
        return any(getattr(self, name) for name in _NAMES)


_NAMES = tuple(field.name for field in fields(Keys) if field.name != "until")


@dataclass
class Found:
    """What was read for keys, under the names of `Keys`. Rows of a stock come in order of position."""

    arrivals: dict[str, list[Arrival]] = field(default_factory=dict)
    verdicts: dict[RunStock, list[Verdict]] = field(default_factory=dict)
    links: dict[RunStock, list[StateLink]] = field(default_factory=dict)
    views: dict[RunStock, list[View]] = field(default_factory=dict)
    intents: dict[RunStock, list[Intent]] = field(default_factory=dict)
    receipts: dict[Digest, list[Receipt]] = field(default_factory=dict)
    attempts: dict[Digest, list[Attempt]] = field(default_factory=dict)
    held: dict[Digest, list[Held]] = field(default_factory=dict)
    results: dict[Digest, Result] = field(default_factory=dict)
    states: dict[Digest, State] = field(default_factory=dict)
    cutouts: dict[Digest, bytes] = field(default_factory=dict)
    blobs: dict[Digest, bytes] = field(default_factory=dict)
    markers: dict[int, list[PlacedMarker]] = field(default_factory=dict)
    jobs: dict[Digest, Deployed] = field(default_factory=dict)

    def add(self, other: Found) -> None:
        """Take in what another read found."""
        for name in _NAMES:
            getattr(self, name).update(getattr(other, name))


class TierStore(Protocol):
    """What the loop of a tier asks of a store.

    A document is a pure function of its key and what was before it, so writing it again changes
    nothing. For those whose id is their content the first copy stays for ever; of the others, the
    last.
    """

    async def write(self, documents: Sequence[Document]) -> None:
        """Write documents; durable when this returns. One batch may be written in part after a crash."""

    async def read(self, log: Digest, keys: Keys) -> Found:
        """Return what a tier needs: rows of a log, and of runs of it, up to ``keys.until``.

        What a run has of a stock is found at the stock's arrivals, and so only where there are some. Jobs
        are no documents alone: `skymesh.runtime` adds them.
        """


class Store(TierStore, Protocol):
    """Documents under their keys, and all ways to find them again."""

    async def read_cutouts(self, id_: Digest) -> bytes | None:
        """Return image stamps; None if there are none."""

    async def get(self, kind: type[D], **key: Any) -> D | None:
        """Return the one document with these values of its key columns, or None."""

    def scan(self, kind: type[D], **key: Any) -> AsyncIterator[D]:
        """Yield the documents with these values of some key columns, in order of the key."""

    async def count(self, kind: type[Document], **key: Any) -> int:
        """Return how many documents `scan` would yield."""

    async def arrivals_with_point(self, point: Digest) -> list[Arrival]:
        """Return the arrivals that registered a point, in any log. May read the whole store."""

    async def delete(
        self,
        kind: type[Document],
        partitions: Sequence[tuple[Any, ...]],
        *,
        written_before_us: int | None = None,
    ) -> None:
        """Delete all documents of a class in some partitions; nothing happens where there are none.

        What was deleted comes back, if it is written again, only where `Table.may_return` says so: of
        anything else a store may keep it away, and nobody is to write it.

        Parameters
        ----------
        kind
            The class.
        partitions
            Where they lie; see `skymesh.store.tables.partition_of`. Of image stamps, their ids alone.
        written_before_us
            Leave what may return if it was written since then, in µs of Unix time: who wrote it again is
            about to use it. A store that keeps no times, as nobody writes meanwhile, deletes it all.
        """

    async def close(self) -> None:
        """Let go of files and connections."""

"""What the mesh asks of a store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from skymesh.model.alert import Arrival, Cutouts
from skymesh.model.execution import JournalEntry, Result, Settled, View
from skymesh.model.ids import Digest
from skymesh.model.position import Position
from skymesh.model.reaction import Intent, Receipt
from skymesh.model.run import (
    ConfigRecord,
    DeadLetter,
    JobRecord,
    Log,
    Product,
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
    | Cutouts | Intent | Receipt
)  # fmt: skip
"""Everything that is stored. Each class has its key in the store; see `skymesh.store.tables`."""

D = TypeVar("D", bound=Document)


_START = Position(0, 0, 0)


@dataclass(frozen=True)
class Keys:
    """What a tier must know to decide on a batch.

    Attributes
    ----------
    arrivals, verdicts, links
        Stocks whose rows are wanted, from the beginning up to `until`.
    views
        Stocks whose views by all channels are wanted, up to `until` too.
    intents
        Stocks whose intents are wanted, wherever their positions: what was completed late comes behind
        what was told already.
    results, states, cutouts
        Results, states and blocks of image stamps wanted by id.
    until
        Position of the last record of the batch, inclusive.
    """

    arrivals: frozenset[str] = frozenset()
    verdicts: frozenset[str] = frozenset()
    links: frozenset[str] = frozenset()
    views: frozenset[str] = frozenset()
    intents: frozenset[str] = frozenset()
    results: frozenset[Digest] = frozenset()
    states: frozenset[Digest] = frozenset()
    cutouts: frozenset[Digest] = frozenset()
    until: Position = _START

    def without(self, asked: Keys) -> Keys:
        """Return what was not asked for already."""
        return Keys(
            self.arrivals - asked.arrivals,
            self.verdicts - asked.verdicts,
            self.links - asked.links,
            self.views - asked.views,
            self.intents - asked.intents,
            self.results - asked.results,
            self.states - asked.states,
            self.cutouts - asked.cutouts,
            self.until,
        )

    def union(self, other: Keys) -> Keys:
        """Return both together."""
        return Keys(
            self.arrivals | other.arrivals,
            self.verdicts | other.verdicts,
            self.links | other.links,
            self.views | other.views,
            self.intents | other.intents,
            self.results | other.results,
            self.states | other.states,
            self.cutouts | other.cutouts,
            max(self.until, other.until),
        )

    def __bool__(self) -> bool:
        return self != Keys(until=self.until)


@dataclass
class Found:
    """What was read for keys. Rows of a stock come in order of position."""

    arrivals: dict[str, list[Arrival]] = field(default_factory=dict)
    verdicts: dict[str, list[Verdict]] = field(default_factory=dict)
    links: dict[str, list[StateLink]] = field(default_factory=dict)
    views: dict[str, list[View]] = field(default_factory=dict)
    intents: dict[str, list[Intent]] = field(default_factory=dict)
    results: dict[Digest, Result] = field(default_factory=dict)
    states: dict[Digest, State] = field(default_factory=dict)
    cutouts: dict[Digest, bytes] = field(default_factory=dict)

    def add(self, other: Found) -> None:
        """Take in what another read found."""
        self.arrivals |= other.arrivals
        self.verdicts |= other.verdicts
        self.links |= other.links
        self.views |= other.views
        self.intents |= other.intents
        self.results |= other.results
        self.states |= other.states
        self.cutouts |= other.cutouts


class TierStore(Protocol):
    """What the loop of a tier asks of a store.

    A document is a pure function of its key and what was before it, so writing it again changes
    nothing. For those whose id is their content the first copy stays for ever; of the others, the
    last.
    """

    async def write(self, documents: Sequence[Document]) -> None:
        """Write documents; durable when this returns. One batch may be written in part after a crash."""

    async def read(self, log: Digest, run: Digest, keys: Keys) -> Found:
        """Return what a tier needs: rows of a log, and of a run of it, up to ``keys.until``.

        What a run has of a stock is found at the stock's arrivals, and so only where there are some.
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

    async def close(self) -> None:
        """Let go of files and connections."""

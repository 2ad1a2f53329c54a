"""What the dead letters of the mesh's own tiers account for: the records that they could not handle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeVar

from skymesh.model.execution import JournalEntry, service_of
from skymesh.provenance.journal import DEAD

T = TypeVar("T")


class _Burial(NamedTuple):
    tier: str
    partition: int
    offset: int
    stock: str


class Burials:
    """The records that became dead letters, as the journal of batches tells.

    Nothing follows from such a record: what is missing behind it, of its stock, is no hole. One record
    excuses one alert, never more.

    Parameters
    ----------
    batches
        The entries of batches.
    """

    def __init__(self, batches: Iterable[JournalEntry]) -> None:
        self._all = [
            _Burial(entry.tier, entry.partition, int(line.subject.rpartition("#")[2]), line.stock)
            for entry in batches
            for line in entry.lines
            if line.outcome == DEAD
        ]
        self._offsets: dict[tuple[str, int], set[int]] = {}
        for each in self._all:
            self._offsets.setdefault((each.tier, each.partition), set()).add(each.offset)

    def is_dead(self, tier: str, partition: int, offset: int) -> bool:
        """Return whether a tier could not handle a record of its input."""
        return offset in self._offsets.get((tier, partition), ())

    def counts(self) -> dict[str, int]:
        """Return how many records each tier could not handle."""
        return dict(sorted(Counter(each.tier for each in self._all).items()))

    def unexcused(self, tier: str, open_: Iterable[T], stock_of: Callable[[T], str]) -> list[T]:
        """Return what is open although no dead letter of a tier or service accounts for it, in order."""
        left = Counter(each.stock for each in self._all if tier in {each.tier, service_of(each.tier)})
        remaining = []
        for item in open_:
            stock = stock_of(item)
            if left[stock]:
                left[stock] -= 1
            else:
                remaining.append(item)
        return remaining

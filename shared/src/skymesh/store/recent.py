"""The arrivals of the newest batch, kept at hand for the tiers that come next in the same process."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from skymesh.model.alert import Arrival
from skymesh.model.ids import Digest
from skymesh.model.position import Position
from skymesh.store.store import Document, Found, Keys, TierStore

_NO_STOCKS: frozenset[str] = frozenset()


class RecentArrivals:
    """A store before another one, that remembers the arrivals of the stocks that were read last.

    T0, T1 and T2 of one process ask for the same stocks one after the other. A row is a pure function
    of its key, and no tier is asked about positions that T0 has not passed; so what was read up to a
    position, with what was written since, is all that there is up to it.

    Parameters
    ----------
    store
        The store behind, which is read for everything else and where everything is written.
    """

    def __init__(self, store: TierStore) -> None:
        self._store = store
        self._log: Digest | None = None
        self._until = Position(0, 0, 0)
        self._rows: dict[str, list[Arrival]] = {}

    async def write(self, documents: Sequence[Document]) -> None:
        """Write documents, and remember the arrivals among them of the stocks at hand."""
        await self._store.write(documents)
        for document in documents:
            if isinstance(document, Arrival) and document.log == self._log and document.stock in self._rows:
                self._remember(document)

    async def read(self, log: Digest, keys: Keys) -> Found:
        """Return what a tier needs, arrivals from memory if all of them are at hand."""
        if not keys.arrivals:
            return await self._store.read(log, keys)
        if log != self._log or keys.until > self._until or not self._rows.keys() >= keys.arrivals:
            found = await self._store.read(log, keys)
            self._log, self._until = log, keys.until
            self._rows = {stock: list(found.arrivals.get(stock, ())) for stock in keys.arrivals}
            return found
        found = await self._store.read(log, replace(keys, arrivals=_NO_STOCKS))
        found.arrivals.update((stock, self._up_to(stock, keys.until)) for stock in keys.arrivals)
        return found

    def _up_to(self, stock: str, until: Position) -> list[Arrival]:
        return _sorted(row for row in self._rows[stock] if row.position <= until)

    def _remember(self, arrival: Arrival) -> None:
        """Take in a row; one that an attempt before left in its place is the same."""
        rows = self._rows[arrival.stock]
        if all(row.position != arrival.position for row in rows):
            rows.append(arrival)


def _sorted(rows: Iterable[Arrival]) -> list[Arrival]:
    return sorted(rows, key=lambda row: row.position)

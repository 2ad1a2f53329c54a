"""What a tier asks for, as statements that each read a few partitions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple

from skymesh.model.alert import Arrival, Cutouts
from skymesh.model.deployment import PlacedMarker
from skymesh.model.execution import Result, View
from skymesh.model.ids import Digest
from skymesh.model.position import Position
from skymesh.model.reaction import Attempt, Held, Intent, Receipt
from skymesh.model.run import Blob
from skymesh.model.state import State, StateLink, Verdict
from skymesh.store.cassandra.layout import layout_of
from skymesh.store.store import Found, Keys, RunStock

# Partitions that one statement reads. On one node 16 take an eighth of the time that 16 statements take the
# client; in a cluster the node that is asked fetches from others what it does not have, and answers when the
# slowest has.
_TOGETHER = 16
_BLOCKS_TOGETHER = 2

Ask = tuple[type[Any], tuple[Any, ...]]
"""A class of documents, and the columns that its partitions share: all but the last."""


class Part(NamedTuple):
    """One statement of a reading: what it is for, its text and its values."""

    ask: Ask
    statement: str
    values: tuple[Any, ...]


class Reading:
    """What is read for a tier at once.

    Parameters
    ----------
    log
        The log.
    keys
        What is wanted.
    """

    def __init__(self, log: Digest, keys: Keys) -> None:
        self._log = log
        self._keys = keys
        self._found: dict[Ask, dict[Any, list[Any]]] = {}

    def parts(self) -> Iterator[Part]:
        """Yield the statements."""
        keys = self._keys
        yield from self._up_to(Arrival, self._log, keys.arrivals)
        yield from self._up_to(PlacedMarker, self._log, keys.markers)
        of_runs: dict[type[Any], frozenset[RunStock]] = {
            Verdict: keys.verdicts, StateLink: keys.links, View: keys.views,
        }  # fmt: skip
        for kind, wanted in of_runs.items():
            for run, stocks in _by_run(wanted).items():
                yield from self._up_to(kind, run, stocks)
        for run, stocks in _by_run(keys.intents).items():
            yield from self._parts((Intent, (run,)), stocks)
        by_id: dict[type[Any], frozenset[Digest]] = {
            Result: keys.results, State: keys.states, Receipt: keys.receipts, Attempt: keys.attempts,
            Held: keys.held,
        }  # fmt: skip
        for kind, ids in by_id.items():
            yield from self._parts((kind, ()), ids)
        blocks: dict[type[Any], frozenset[Digest]] = {Cutouts: keys.cutouts, Blob: keys.blobs}
        for kind, ids in blocks.items():
            yield from self._parts((kind, ()), ids, together=_BLOCKS_TOGETHER)

    def _up_to(self, kind: type[Any], owner: Digest, wanted: Collection[Any]) -> Iterator[Part]:
        yield from self._parts((kind, (owner,)), wanted, until=self._keys.until)

    def _parts(
        self, ask: Ask, wanted: Collection[Any], *, until: Position | None = None, together: int = _TOGETHER
    ) -> Iterator[Part]:
        kind, same = ask
        self._found[ask] = {key: [] for key in wanted}
        statement = layout_of(kind).select_many(until="" if until is None else "position")
        behind = () if until is None else (until.to_bytes(),)
        left = iter(wanted)
        while some := list(islice(left, together)):
            yield Part(ask, statement, (*same, some, *behind))

    def take(self, part: Part, key: Any, document: Any) -> None:
        """Take in a document that a statement found in one of its partitions."""
        self._found[part.ask][key].append(document)

    def found(self) -> Found:
        """Return all that was found."""
        keys = self._keys
        return Found(
            arrivals=self._found[Arrival, (self._log,)],
            verdicts=self._of_runs(Verdict, keys.verdicts),
            links=self._of_runs(StateLink, keys.links),
            views=self._of_runs(View, keys.views),
            intents={
                key: sorted(intents, key=lambda intent: intent.position)
                for key, intents in self._of_runs(Intent, keys.intents).items()
            },
            receipts=self._found[Receipt, ()],
            attempts=self._found[Attempt, ()],
            held=self._found[Held, ()],
            results=self._only(Result),
            states=self._only(State),
            cutouts={id_: cutouts.block for id_, cutouts in self._only(Cutouts).items()},
            blobs={id_: blob.body for id_, blob in self._only(Blob).items()},
            markers=self._found[PlacedMarker, (self._log,)],
        )

    def _of_runs(self, kind: type[Any], wanted: Iterable[RunStock]) -> dict[RunStock, list[Any]]:
        return {(run, stock): self._found[kind, (run,)][stock] for run, stock in wanted}

    def _only(self, kind: type[Any]) -> dict[Any, Any]:
        return {id_: documents[0] for id_, documents in self._found[kind, ()].items() if documents}


def _by_run(wanted: Iterable[RunStock]) -> dict[Digest, list[str]]:
    """Return the stocks of each run."""
    stocks: dict[Digest, list[str]] = {}
    for run, stock in wanted:
        stocks.setdefault(run, []).append(stock)
    return stocks

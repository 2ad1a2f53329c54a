"""The decisions of T3: a channel's view of an object once a state has its results, and what is told of it."""

from __future__ import annotations

import functools
from collections.abc import Iterator

from skymesh.jobs.deployed import Deployed
from skymesh.jobs.reactions import VIEW
from skymesh.model.execution import JournalEntry, Line, Settled, View
from skymesh.model.ids import Digest, text_id
from skymesh.model.records import Completed, Intended
from skymesh.provenance.journal import Stopwatch, Told, batch_journal
from skymesh.runtime.tier import Batch, Context, Outcome, Publication, Tier
from skymesh.runtime.topics import INTENTS, RESULTS
from skymesh.store.store import Found, Keys
from skymesh_t3.reacting import Reacting
from skymesh_t3.sites import Memory, results_of, sites_of, wanted

VIEWED = "viewed"


class T3(Tier[Completed]):
    """Keeps, for every channel, the states of each stock with their results, and reacts to them.

    Parameters
    ----------
    context
        The log.
    """

    name = "t3"
    reads = RESULTS
    record_type = Completed

    def __init__(self, context: Context) -> None:
        self._context = context

    def needs(self, batch: Batch[Completed], found: Found) -> Keys:
        """Return what conditions look at, and for states that meet them what their reactions ask for."""
        asked = Keys(jobs=frozenset(_runs(batch)), until=max(record.position for record in batch.records))
        if not found.jobs.keys() >= asked.jobs:
            return asked
        sites = sites_of(found.jobs, batch.records)
        return functools.reduce(Keys.union, wanted(sites, found), asked)

    def process(self, batch: Batch[Completed], found: Found) -> Outcome:
        """Write what each run settled, one view per channel and record, and what is to be told."""
        watch = Stopwatch()
        views, viewed = _views(batch)
        sites = sites_of(found.jobs, batch.records)
        reacting = Reacting(found, Memory(sites, found))
        reacting.react(sites)
        records = [
            Publication(
                INTENTS,
                intent.stock,
                Intended(intent.position, intent.stock, intent.run, intent.id, intent.target),
            )
            for intent in reacting.intents
        ]
        return Outcome(
            documents=(*_settled(batch), *views, *reacting.intents),
            records=tuple(records),
            journal=self._journal(batch, found, viewed, reacting, watch),
        )

    def _journal(
        self,
        batch: Batch[Completed],
        found: Found,
        viewed: dict[tuple[Digest, str], list[Line]],
        reacting: Reacting,
        watch: Stopwatch,
    ) -> tuple[JournalEntry, ...]:
        told = {run: _told(found.jobs[run], viewed, reacting, watch) for run in _runs(batch)}
        place = (self.name, batch.partition, batch.first, batch.end)
        return batch_journal(self._context.owner, place, watch, {"records": len(batch.records)}, told)


def _told(
    job: Deployed, viewed: dict[tuple[Digest, str], list[Line]], reacting: Reacting, watch: Stopwatch
) -> Iterator[Told]:
    for channel in job.plan.channels:
        yield Told(channel.name, VIEW, None, viewed.get((job.run, channel.name), []), watch.seconds())
        for reaction in channel.reactions:
            own = reacting.lines.get((job.run, channel.name, reaction.name), [])
            yield Told.line_by_line(channel.name, reaction.name, reaction.ref, own)


def _runs(batch: Batch[Completed]) -> tuple[Digest, ...]:
    return tuple(dict.fromkeys(run for record in batch.records for run in record.results))


def _settled(batch: Batch[Completed]) -> Iterator[Settled]:
    """Yield what each run settled at each record: T3 reads committed records alone, and so it is final."""
    for record in batch.records:
        for run, channels in record.results.items():
            yield Settled(run, record.position, record.stock, record.alert, channels)


def _views(batch: Batch[Completed]) -> tuple[list[View], dict[tuple[Digest, str], list[Line]]]:
    """Return the newest state of each channel at each record, and what the journal says of all."""
    views = []
    lines: dict[tuple[Digest, str], list[Line]] = {}
    for record in batch.records:
        for run, channels in record.results.items():
            for channel, states in channels.items():
                state, results = list(states.items())[-1]
                place = (run, channel, record.stock, record.position)
                views.append(View(*place, record.alert, state, results_of(results)))
                told = lines.setdefault((run, channel), [])
                told += [Line(text_id("state", id_), record.stock, (), VIEWED) for id_ in states]
    return views, lines

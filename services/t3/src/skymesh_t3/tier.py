"""The decisions of T3: a channel's view of an object once a state has its results, and what is told of it."""

from __future__ import annotations

import functools

from skymesh.jobs.plan import JobPlan
from skymesh.jobs.reactions import VIEW
from skymesh.model.execution import JournalEntry, Line, View
from skymesh.model.ids import text_id
from skymesh.model.records import Completed, Intended
from skymesh.provenance.journal import Journalist, Stopwatch
from skymesh.runtime.tier import Batch, Context, Outcome, Publication
from skymesh.runtime.topics import INTENTS, RESULTS
from skymesh.store.store import Found, Keys
from skymesh_t3.reacting import Reacting
from skymesh_t3.sites import Memory, sites_of, wanted

VIEWED = "viewed"


class T3:
    """Keeps, for every channel, the states of each stock with their results, and reacts to them.

    Parameters
    ----------
    context
        The run and its log.
    job
        Its plan.
    """

    name = "t3"
    reads = RESULTS
    record_type = Completed

    def __init__(self, context: Context, job: JobPlan) -> None:
        self._context = context
        self._channels = {channel.name: channel for channel in job.channels}

    def needs(self, batch: Batch[Completed], found: Found) -> Keys:
        """Return what conditions look at, and for states that meet them what their reactions ask for."""
        sites = sites_of(self._channels, batch.records)
        asked = Keys(until=batch.records[-1].position)
        return functools.reduce(Keys.union, wanted(sites, found), asked)

    def process(self, batch: Batch[Completed], found: Found) -> Outcome:
        """Write one view per channel and record, and what is to be told."""
        watch = Stopwatch()
        views, viewed = self._views(batch)
        sites = sites_of(self._channels, batch.records)
        reacting = Reacting(self._context, found, Memory(sites, found))
        reacting.react(sites)
        records = [
            Publication(INTENTS, intent.stock, Intended(intent.position, intent.stock, intent.id))
            for intent in reacting.intents
        ]
        return Outcome(
            documents=(*views, *reacting.intents),
            records=tuple(records),
            journal=self._journal(batch, viewed, reacting, watch),
        )

    def _views(self, batch: Batch[Completed]) -> tuple[list[View], dict[str, list[Line]]]:
        views = []
        lines: dict[str, list[Line]] = {name: [] for name in self._channels}
        for record in batch.records:
            for channel, states in record.results.items():
                state, results = list(states.items())[-1]
                place = (self._context.run, channel, record.stock, record.position)
                views.append(View(*place, record.alert, state, results))
                lines[channel] += [Line(text_id("state", id_), record.stock, (), VIEWED) for id_ in states]
        return views, lines

    def _journal(
        self, batch: Batch[Completed], viewed: dict[str, list[Line]], reacting: Reacting, watch: Stopwatch
    ) -> tuple[JournalEntry, ...]:
        journalist = Journalist(self._context.run, self.name, batch.partition, batch.first, batch.end)
        entries = []
        for name, channel in self._channels.items():
            entries.append(
                journalist.entry(name, VIEW, None, viewed[name], watch.started_utc, watch.seconds())
            )
            for reaction in channel.reactions:
                told = reacting.lines.get((name, reaction.name), [])
                seconds = sum(line.seconds for line in told)
                entries.append(
                    journalist.entry(name, reaction.name, reaction.ref, told, watch.started_utc, seconds)
                )
        return tuple(entries)

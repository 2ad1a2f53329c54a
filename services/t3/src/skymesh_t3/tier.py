"""The decisions of T3: what a channel's view of an object is once a state has all its results."""

from __future__ import annotations

from skymesh.jobs.plan import JobPlan
from skymesh.model.execution import Line, View
from skymesh.model.ids import text_id
from skymesh.model.records import Completed
from skymesh.provenance.journal import Journalist, Stopwatch
from skymesh.runtime.tier import Batch, Context, Outcome
from skymesh.runtime.topics import RESULTS
from skymesh.store.store import Found, Keys

VIEWED = "viewed"


class T3:
    """Keeps, for every channel, the newest state of each stock with its results.

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
        self._channels = tuple(channel.name for channel in job.channels)

    def needs(self, batch: Batch[Completed], found: Found) -> Keys:
        """Return nothing: the records say it all."""
        return Keys()

    def process(self, batch: Batch[Completed], found: Found) -> Outcome:
        """Write one view per channel and record."""
        watch = Stopwatch()
        views = []
        lines: dict[str, list[Line]] = {name: [] for name in self._channels}
        for record in batch.records:
            for channel, states in record.results.items():
                state, results = list(states.items())[-1]
                views.append(
                    View(
                        self._context.run,
                        channel,
                        record.stock,
                        record.position,
                        record.alert,
                        state,
                        results,
                    )
                )
                lines[channel] += [Line(text_id("state", id_), record.stock, (), VIEWED) for id_ in states]
        journalist = Journalist(self._context.run, self.name, batch.partition, batch.first, batch.end)
        journal = tuple(
            journalist.entry(name, "view", None, told, watch.started_utc, watch.seconds())
            for name, told in lines.items()
        )
        return Outcome(documents=tuple(views), journal=journal)

"""The decisions of T0: what each alert adds to its stock, and which channels of which runs keep it."""

from __future__ import annotations

from typing import Any

from skymesh.model.alert import Alert
from skymesh.model.deployment import LogRecord
from skymesh.model.ids import Digest
from skymesh.model.position import Position
from skymesh.model.records import Accepted, Times
from skymesh.provenance.journal import Journalist, Stopwatch
from skymesh.runtime.tier import Batch, Context, Outcome, Publication, Tier
from skymesh.runtime.topics import ACCEPTED, ALERTS
from skymesh.store.store import Found, Keys, RunStock
from skymesh_t0.judging import Judging, Registered
from skymesh_t0.registration import StockRegister
from skymesh_t0.roster import Roster


class T0(Tier[LogRecord]):
    """Registers every readable alert, and lets the runs that are at work there judge it.

    Parameters
    ----------
    context
        The log.
    """

    name = "t0"
    reads = ALERTS
    record_type: Any = LogRecord

    def __init__(self, context: Context) -> None:
        self._context = context

    def needs(self, batch: Batch[LogRecord], found: Found) -> Keys:
        """Return the arrivals of the batch's stocks, who judges them, and what following channels kept."""
        stocks = frozenset(record.stock for record in batch.records if isinstance(record, Alert))
        until = self._context.at(batch.partition, batch.end)
        markers = frozenset({batch.partition} if self._context.is_marked else ())
        if not found.markers.keys() >= markers:
            return Keys(arrivals=stocks, markers=markers, until=until)
        runs = frozenset(self._roster(batch, found).runs)
        followed: set[RunStock] = set()
        for run in runs & found.jobs.keys():
            if any(channel.follow for channel in found.jobs[run].plan.channels):
                followed.update((run, stock) for stock in stocks)
        return Keys(arrivals=stocks, markers=markers, jobs=runs, verdicts=frozenset(followed), until=until)

    def process(self, batch: Batch[LogRecord], found: Found) -> Outcome:
        """Register the batch, judge it for every run, and publish what any channel keeps."""
        watch = Stopwatch()
        roster = self._roster(batch, found)
        registered = self._register(batch, found)
        kept: dict[Position, dict[Digest, tuple[str, ...]]] = {}
        verdicts, journal = [], []
        start = self._context.at(batch.partition, batch.first)
        for run in roster.runs:
            judging = Judging(found.jobs[run], start, found.verdicts)
            for first, end in roster.ranges(run):
                part = [one for one in registered if first <= one.row.position.offset < end]
                journal += judging.judge(part, Journalist(run, self.name, batch.partition, first, end))
            verdicts += judging.verdicts
            for position, names in judging.kept.items():
                kept.setdefault(position, {})[run] = names
        journalist = Journalist(self._context.owner, self.name, batch.partition, batch.first, batch.end)
        counts = {
            "alerts": len(registered),
            "duplicates": sum(one.row.is_duplicate for one in registered),
            "markers": len(batch.records) - len(registered),
            "points": sum(len(one.row.alert.points) for one in registered),
        }
        return Outcome(
            documents=(*roster.placed, *(one.row for one in registered), *verdicts),
            records=tuple(
                _accepted(one, kept[one.row.position]) for one in registered if one.row.position in kept
            ),
            journal=(journalist.batch(roster.runs, watch, counts), *journal),
        )

    def _roster(self, batch: Batch[LogRecord], found: Found) -> Roster:
        return Roster(self._context, batch, found.markers.get(batch.partition, ()))

    def _register(self, batch: Batch[LogRecord], found: Found) -> list[Registered]:
        """Return every alert with its row: what it adds to the rows of its stock below it."""
        start = self._context.at(batch.partition, batch.first)
        registers: dict[str, StockRegister] = {}
        registered = []
        for offset, time_ms, alert in zip(batch.offsets, batch.times_ms, batch.records, strict=True):
            if not isinstance(alert, Alert):
                continue
            if alert.stock not in registers:
                earlier = (row for row in found.arrivals.get(alert.stock, ()) if row.position < start)
                registers[alert.stock] = StockRegister(earlier)
            position = self._context.at(batch.partition, offset)
            row = registers[alert.stock].register(self._context.log, position, alert)
            registered.append(Registered(alert, row, time_ms))
        return registered


def _accepted(one: Registered, channels: dict[Digest, tuple[str, ...]]) -> Publication:
    row = one.row
    times = Times(one.arrived_ms, one.alert.trigger.mjd_tai)
    return Publication(ACCEPTED, row.stock, Accepted(row.position, row.stock, row.alert.id, channels, times))

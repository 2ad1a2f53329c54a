"""The decisions of T0: what each alert adds to its stock, and which channels keep it."""

from __future__ import annotations

from skymesh.jobs.plan import ChannelPlan, JobPlan
from skymesh.model.alert import Alert, Arrival
from skymesh.model.execution import JournalEntry, Line
from skymesh.model.ids import text_id
from skymesh.model.position import Position
from skymesh.model.records import Accepted
from skymesh.model.state import Verdict as VerdictRow
from skymesh.provenance.journal import Journalist, Stopwatch
from skymesh.runtime.tier import Batch, Context, Outcome, Publication
from skymesh.runtime.topics import ACCEPTED, ALERTS
from skymesh.store.store import Found, Keys
from skymesh.units.filter import Verdict
from skymesh_t0.registration import StockRegister
from skymesh_t0.verdicts import FOLLOWED, judge

ACCEPT, REJECT, DUPLICATE = "accepted", "rejected", "duplicate"
REGISTER = "register"


class T0:
    """Registers every readable alert and judges those that are no duplicates.

    Parameters
    ----------
    context
        The run and its log.
    job
        Its plan.
    """

    name = "t0"
    reads = ALERTS
    record_type = Alert

    def __init__(self, context: Context, job: JobPlan) -> None:
        self._context = context
        self._channels = job.channels

    def needs(self, batch: Batch[Alert], found: Found) -> Keys:
        """Return the stocks of the batch: their arrivals, and where a channel follows, their verdicts."""
        stocks = frozenset(alert.stock for alert in batch.records)
        follows = any(channel.follow for channel in self._channels)
        return Keys(
            arrivals=stocks, verdicts=stocks if follows else frozenset(), until=self._at(batch, batch.end)
        )

    def process(self, batch: Batch[Alert], found: Found) -> Outcome:
        """Register the batch, judge it, and publish what any channel keeps."""
        journalist = Journalist(self._context.run, self.name, batch.partition, batch.first, batch.end)
        arrivals = self._register(batch, found)
        judged = [
            (alert, row) for alert, row in zip(batch.records, arrivals, strict=True) if not row.is_duplicate
        ]
        kept: list[list[str]] = [[] for _ in judged]
        by_filter: list[list[str]] = [[] for _ in judged]
        journal = []
        for channel in self._channels:
            watch = Stopwatch()
            said = judge(channel, [alert for alert, _ in judged])
            final = self._followed(channel, judged, said, batch, found) if channel.follow else said
            for index, (verdict, decision) in enumerate(zip(said, final, strict=True)):
                if verdict.is_accepted:
                    by_filter[index].append(channel.name)
                if decision.is_accepted:
                    kept[index].append(channel.name)
            lines = [_line(alert, decision) for (alert, _), decision in zip(judged, final, strict=True)]
            ref = channel.filter.ref
            journal.append(
                journalist.entry(channel.name, "filter", ref, lines, watch.started_utc, watch.seconds())
            )
        channels_of = {row.position: names for (_, row), names in zip(judged, kept, strict=True)}
        journal.append(_registration(journalist, arrivals, channels_of))
        rows = [row for _, row in judged]
        return Outcome(
            documents=(*arrivals, *self._verdict_rows(rows, by_filter)),
            records=tuple(_accepted(row, names) for row, names in zip(rows, kept, strict=True) if names),
            journal=tuple(journal),
        )

    def _at(self, batch: Batch[Alert], offset: int) -> Position:
        return Position(self._context.epoch, batch.partition, offset)

    def _register(self, batch: Batch[Alert], found: Found) -> list[Arrival]:
        """Return one row per alert, blind to rows of the batch itself that an attempt before left."""
        start = self._at(batch, batch.first)
        registers: dict[str, StockRegister] = {}
        rows = []
        for offset, alert in zip(batch.offsets, batch.records, strict=True):
            if alert.stock not in registers:
                earlier = (row for row in found.arrivals.get(alert.stock, ()) if row.position < start)
                registers[alert.stock] = StockRegister(earlier)
            rows.append(registers[alert.stock].register(self._context.log, self._at(batch, offset), alert))
        return rows

    def _followed(
        self,
        channel: ChannelPlan,
        judged: list[tuple[Alert, Arrival]],
        said: list[Verdict],
        batch: Batch[Alert],
        found: Found,
    ) -> list[Verdict]:
        """Keep what belongs to stocks that the filter accepted before; a hidden alert stays hidden."""
        start = self._at(batch, batch.first)
        known = {
            stock
            for stock, rows in found.verdicts.items()
            if any(channel.name in row.channels and row.position < start for row in rows)
        }
        final = []
        for (alert, _), verdict in zip(judged, said, strict=True):
            is_hidden = verdict.reason == "not_visible"
            follows = alert.stock in known and not verdict.is_accepted and not is_hidden
            final.append(FOLLOWED if follows else verdict)
            if verdict.is_accepted:
                known.add(alert.stock)
        return final

    def _verdict_rows(self, rows: list[Arrival], by_filter: list[list[str]]) -> list[VerdictRow]:
        return [
            VerdictRow(self._context.run, row.stock, row.position, tuple(names))
            for row, names in zip(rows, by_filter, strict=True)
            if names
        ]


def _accepted(row: Arrival, channels: list[str]) -> Publication:
    return Publication(ACCEPTED, row.stock, Accepted(row.position, row.stock, row.alert.id, tuple(channels)))


def _line(alert: Alert, verdict: Verdict) -> Line:
    return Line(
        text_id("alert", alert.id), alert.stock, (), ACCEPT if verdict.is_accepted else REJECT, verdict.reason
    )


def _registration(
    journalist: Journalist, arrivals: list[Arrival], channels_of: dict[Position, list[str]]
) -> JournalEntry:
    """Return the entry that accounts for every alert of the batch once."""
    lines = []
    for row in arrivals:
        kept = ACCEPT if channels_of.get(row.position) else REJECT
        lines.append(
            Line(text_id("alert", row.alert.id), row.stock, (), DUPLICATE if row.is_duplicate else kept)
        )
    points = {"points": sum(len(row.alert.points) for row in arrivals)}
    return journalist.entry("", REGISTER, None, lines, Stopwatch().started_utc, 0.0, points)

"""What the channels of one run make of a range of alerts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from skymesh.jobs.deployed import Deployed
from skymesh.jobs.plan import ChannelPlan
from skymesh.model.alert import Alert, Arrival
from skymesh.model.execution import JournalEntry, Line
from skymesh.model.ids import text_id
from skymesh.model.position import Position
from skymesh.model.state import Verdict as VerdictRow
from skymesh.provenance.journal import Journalist, Stopwatch
from skymesh.store.store import RunStock
from skymesh.units.filter import Verdict
from skymesh_t0.verdicts import FOLLOWED, judge

ACCEPT, REJECT, DUPLICATE = "accepted", "rejected", "duplicate"
REGISTER = "register"


class Registered(NamedTuple):
    """An alert, the row that says what it added to its stock, and when it arrived (ms of Unix time)."""

    alert: Alert
    row: Arrival
    arrived_ms: int


class Judging:
    """Judges ranges of one batch for one run.

    Parameters
    ----------
    deployed
        The run.
    start
        Where the batch begins: what an attempt before left behind it is not looked at.
    known
        Verdicts on the batch's stocks, for channels that follow.

    Attributes
    ----------
    verdicts
        The rows of what filters accepted.
    kept
        position → names of the channels that keep the alert there.
    """

    def __init__(
        self, deployed: Deployed, start: Position, known: Mapping[RunStock, Sequence[VerdictRow]]
    ) -> None:
        self._run, self._plan = deployed.run, deployed.plan
        self.verdicts: list[VerdictRow] = []
        self.kept: dict[Position, tuple[str, ...]] = {}
        self._followed = {
            channel.name: {
                stock
                for (run, stock), rows in known.items()
                if run == deployed.run
                and any(channel.name in row.channels and row.position < start for row in rows)
            }
            for channel in deployed.plan.channels
            if channel.follow
        }

    def judge(self, registered: Sequence[Registered], journalist: Journalist) -> list[JournalEntry]:
        """Judge a range; return its journal."""
        judged = [one for one in registered if not one.row.is_duplicate]
        by_filter: list[list[str]] = [[] for _ in judged]
        kept: list[list[str]] = [[] for _ in judged]
        journal = []
        for channel in self._plan.channels:
            watch = Stopwatch()
            said = judge(channel, [one.alert for one in judged])
            final = self._with_followed(channel, judged, said)
            for index, (verdict, decision) in enumerate(zip(said, final, strict=True)):
                if verdict.is_accepted:
                    by_filter[index].append(channel.name)
                if decision.is_accepted:
                    kept[index].append(channel.name)
            lines = [_line(one.alert, decision) for one, decision in zip(judged, final, strict=True)]
            ref = channel.filter.ref
            seconds, cpu_s = watch.seconds(), watch.cpu_s()
            journal.append(
                journalist.entry(channel.name, "filter", ref, lines, watch.started_utc, seconds, cpu_s=cpu_s)
            )
        places = [one.row.position for one in judged]
        self.kept.update({place: tuple(names) for place, names in zip(places, kept, strict=True) if names})
        self.verdicts += [
            VerdictRow(self._run, one.row.stock, one.row.position, tuple(names))
            for one, names in zip(judged, by_filter, strict=True)
            if names
        ]
        return [*journal, self._registration(journalist, registered)]

    def _with_followed(
        self, channel: ChannelPlan, judged: Sequence[Registered], said: list[Verdict]
    ) -> list[Verdict]:
        """Keep what belongs to stocks that the filter accepted before; a hidden alert stays hidden."""
        if not channel.follow:
            return said
        known = self._followed[channel.name]
        final = []
        for (alert, _, _), verdict in zip(judged, said, strict=True):
            is_hidden = verdict.reason == "not_visible"
            follows = alert.stock in known and not verdict.is_accepted and not is_hidden
            final.append(FOLLOWED if follows else verdict)
            if verdict.is_accepted:
                known.add(alert.stock)
        return final

    def _registration(self, journalist: Journalist, registered: Sequence[Registered]) -> JournalEntry:
        """Return the entry that accounts for every alert of the range once."""
        lines = []
        for _, row, _ in registered:
            outcome = DUPLICATE if row.is_duplicate else ACCEPT if row.position in self.kept else REJECT
            lines.append(Line(text_id("alert", row.alert.id), row.stock, (), outcome))
        points = {"points": sum(len(row.alert.points) for _, row, _ in registered)}
        return journalist.entry("", REGISTER, None, lines, Stopwatch().started_utc, 0.0, points)


def _line(alert: Alert, verdict: Verdict) -> Line:
    outcome = ACCEPT if verdict.is_accepted else REJECT
    return Line(text_id("alert", alert.id), alert.stock, (), outcome, verdict.reason)

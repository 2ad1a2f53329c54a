"""Writing journal entries that tile the offsets of a tier's input."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from skymesh.model.execution import JournalEntry, Line, UnitRef, count_lines, journal_id
from skymesh.model.ids import Digest, text_id
from skymesh.model.run import DeadLetter, letter_id

BATCH = "batch"
"""Instance of the entries that tile a tier's input and name the runs at work in each batch."""

RAN = "ran"
DEAD = "dead"

_NO_COUNTS: Mapping[str, int] = {}

CpuClock = Callable[[], float]


class Stopwatch:
    """Wall time and CPU time since it was made, and the time of day when that was.

    Parameters
    ----------
    cpu_clock
        Tells the CPU time spent so far, in seconds: of this thread, where others are at something else.
    """

    def __init__(self, cpu_clock: CpuClock = time.thread_time) -> None:
        self._start = datetime.now(UTC)
        self._start_s = time.perf_counter()
        self._cpu_clock = cpu_clock
        self._start_cpu_s = cpu_clock()

    @property
    def started_utc(self) -> str:
        """ISO 8601 time of the start."""
        return self._start.isoformat(timespec="milliseconds")

    def seconds(self) -> float:
        """Return the seconds since the start."""
        return time.perf_counter() - self._start_s

    def cpu_s(self) -> float:
        """Return the CPU time spent since the start, in seconds; by default in the thread that asks."""
        return self._cpu_clock() - self._start_cpu_s


class Told(NamedTuple):
    """What one unit did for one channel over a batch; see `JournalEntry`."""

    channel: str
    instance: str
    ref: UnitRef | None
    lines: Sequence[Line]
    seconds: float
    cpu_s: float = 0.0

    @classmethod
    def line_by_line(cls, channel: str, instance: str, ref: UnitRef | None, lines: Sequence[Line]) -> Told:
        """Return what a unit did whose executions were timed alone: it took what they took together."""
        seconds, cpu_s = sum(line.seconds for line in lines), sum(line.cpu_s for line in lines)
        return cls(channel, instance, ref, lines, seconds, cpu_s)


class Journalist:
    """Writes the entries of one tier for one batch.

    Parameters
    ----------
    run, tier
        Who acts.
    partition, first, end
        The offsets that the batch covers.
    source
        The topic that was read, by a tier that reads several.
    """

    def __init__(
        self, run: Digest, tier: str, partition: int, first: int, end: int, source: str = ""
    ) -> None:
        self._who = (run, tier)
        self._place = (partition, first, end)
        self._source = source

    def entry(
        self,
        channel: str,
        instance: str,
        ref: UnitRef | None,
        lines: Sequence[Line],
        started_utc: str,
        seconds: float,
        further_counts: Mapping[str, int] = _NO_COUNTS,
        cpu_s: float = 0.0,
    ) -> JournalEntry:
        """Return what one unit did for one channel over the batch, even if that was nothing."""
        run, tier = self._who
        told = tuple(lines)
        return JournalEntry(
            id=journal_id(run, tier, channel, instance, *self._place, self._source),
            run=run,
            tier=tier,
            channel=channel,
            instance=instance,
            ref=ref,
            partition=self._place[0],
            first=self._place[1],
            end=self._place[2],
            started_utc=started_utc,
            seconds=seconds,
            counts={**count_lines(told), **further_counts},
            lines=told,
            source=self._source,
            cpu_s=cpu_s,
        )

    def batch(self, runs: Sequence[Digest], watch: Stopwatch, counts: Mapping[str, int]) -> JournalEntry:
        """Return the entry of the batch itself: which runs it was done for.

        Only these entries tile the whole input; those of a run's units stand where the run had something.
        """
        lines = [Line(text_id("run", run), "", (), RAN) for run in runs]
        return self.entry(
            "", BATCH, None, lines, watch.started_utc, watch.seconds(), counts, cpu_s=watch.cpu_s()
        )

    def burial(self, letter: DeadLetter, watch: Stopwatch) -> JournalEntry:
        """Return the entry of a batch that was one record, on which the tier failed."""
        stock = "" if letter.original is None else letter.original.stock
        line = Line(letter.place, stock, (text_id("letter", letter_id(letter)),), DEAD, letter.reason)
        return self.entry("", BATCH, None, [line], watch.started_utc, watch.seconds(), {"records": 1})


def batch_journal(
    owner: Digest,
    place: tuple[str, int, int, int],
    watch: Stopwatch,
    records: Mapping[str, int],
    told: Mapping[Digest, Iterable[Told]],
) -> tuple[JournalEntry, ...]:
    """Return the entry of a batch, and those of the units of every run that was at work in it.

    Parameters
    ----------
    owner
        Whose the entries of batches are.
    place
        The tier, and the partition and offsets that the batch covers.
    watch
        When the work began.
    records
        What the batch counts.
    told
        run → what its units did.
    """
    entries = [Journalist(owner, *place).batch(tuple(told), watch, records)]
    for run, units in told.items():
        journalist = Journalist(run, *place)
        entries += [
            journalist.entry(
                unit.channel,
                unit.instance,
                unit.ref,
                unit.lines,
                watch.started_utc,
                unit.seconds,
                cpu_s=unit.cpu_s,
            )
            for unit in units
        ]
    return tuple(entries)

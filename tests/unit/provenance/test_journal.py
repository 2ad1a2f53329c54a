"""What the journal says that units took: wall time, and CPU time of whoever computed."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

from skymesh.model.execution import Line, UnitRef
from skymesh.model.ids import digest_of
from skymesh.provenance.journal import BATCH, Stopwatch, Told, batch_journal

LOG, RUN = digest_of("log", 1), digest_of("run", 1)
REF = UnitRef("FastDecliner", "1", digest_of("config", {}), digest_of("code", 1))
SPENT_S = 0.05


def burn():
    """Compute in this thread until it has spent so much more."""
    start = time.thread_time()
    while time.thread_time() - start < SPENT_S:
        """Go on."""


def lines(*spent):
    return [
        Line("state:00", "ztf:ZTF18a", (), "ok", seconds=seconds, cpu_s=cpu_s) for seconds, cpu_s in spent
    ]


def test_cpu_time_is_that_of_the_thread_that_asks():
    watch = Stopwatch()
    other = threading.Thread(target=burn)
    other.start()
    other.join()
    assert watch.cpu_s() < SPENT_S / 2
    assert watch.seconds() >= SPENT_S
    burn()
    assert watch.cpu_s() >= SPENT_S


def test_another_clock_may_tell_the_cpu_time():
    spent_s = iter((7.0, 9.5))
    assert Stopwatch(lambda: next(spent_s)).cpu_s() == 2.5


def test_the_start_stays_the_start():
    before = datetime.now(UTC)
    watch = Stopwatch()
    after = datetime.now(UTC)
    burn()
    started = datetime.fromisoformat(watch.started_utc)
    assert before - timedelta(milliseconds=1) <= started <= after
    assert datetime.fromisoformat(watch.started_utc) == started


def test_what_was_timed_line_by_line_is_added_up():
    told = Told.line_by_line("job/a", "decline", REF, lines((0.5, 0.25), (2.0, 1.0), (0.0, 0.0)))
    assert (told.seconds, told.cpu_s) == (2.5, 1.25)
    assert Told.line_by_line("job/a", "decline", REF, []).cpu_s == 0


def test_entries_have_the_cpu_time_of_their_unit_and_that_of_the_batch_its_own():
    watch = Stopwatch()
    burn()
    told = [Told("job/a", "decline", REF, lines((3.0, 2.0)), 3.0, 2.0), Told("job/a", "view", None, [], 9.0)]
    entries = batch_journal(LOG, ("t2", 0, 5, 8), watch, {"records": 3}, {RUN: told})
    spent = {entry.instance: (entry.seconds, entry.cpu_s) for entry in entries}
    seconds, cpu_s = spent.pop(BATCH)
    assert spent == {"decline": (3.0, 2.0), "view": (9.0, 0.0)}
    assert SPENT_S <= cpu_s < seconds + 0.01

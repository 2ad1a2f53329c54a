"""Deadlines ring, in a row and inside each other's alarms, and leave no trace behind."""

from __future__ import annotations

import signal
import threading

import pytest

from skymesh.errors import UnitTimeoutError
from skymesh.runtime.guard import alarms, deadline, guarded


def forever():
    while True:
        pass


def test_each_deadline_within_one_set_of_alarms_rings_with_its_own_time():
    before = signal.getsignal(signal.SIGALRM)
    with alarms():
        for seconds in (0.02, 0.01):
            with pytest.raises(UnitTimeoutError, match=f"{seconds:g} s"), deadline(seconds):
                forever()
        with deadline(60):
            pass
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_the_handler_that_was_there_is_back_after_a_failure():
    seen = []
    before = signal.signal(signal.SIGALRM, lambda *_: seen.append(1))
    try:
        assert guarded(lambda: 1 / 0, 5.0)[1].startswith("ZeroDivisionError")
        signal.raise_signal(signal.SIGALRM)
        assert seen == [1]
    finally:
        signal.signal(signal.SIGALRM, before)


def test_in_another_thread_the_call_is_made_without_alarm():
    answers = []
    thread = threading.Thread(target=lambda: answers.append(guarded(lambda: 7, 0.01)))
    thread.start()
    thread.join()
    assert answers == [(7, "")]

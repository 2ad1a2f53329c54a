"""Deadlines ring, in a row and inside each other's alarms, and leave no trace behind."""

from __future__ import annotations

import gc
import signal
import sys
import threading
import weakref
from contextlib import nullcontext

import pytest

from skymesh.errors import UnitTimeoutError
from skymesh.runtime.execute import Task, execute
from skymesh.runtime.guard import alarms, call_within, guarded
from support.bad_units import Answer, Fine


def forever():
    while True:
        pass


def test_each_deadline_within_one_set_of_alarms_rings_with_its_own_time():
    before = signal.getsignal(signal.SIGALRM)
    with alarms():
        for seconds in (0.02, 0.01):
            with pytest.raises(UnitTimeoutError, match=f"{seconds:g} s"):
                call_within(seconds, forever)
        assert call_within(60, lambda: 7) == 7
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


def rung_at(step, kept):
    """Make a call and have the alarm ring at one step of the interpreter; return whether there was one.

    Who keeps the error keeps all that it came through.
    """
    left = step

    def count(*_):
        nonlocal left
        left -= 1
        if left < 0:
            sys.setprofile(None)
            signal.raise_signal(signal.SIGALRM)

    sys.setprofile(count)
    try:
        assert call_within(60.0, lambda: 7) == 7
    except UnitTimeoutError as error:
        kept.append(error)
    finally:
        sys.setprofile(None)
    return left < 0


@pytest.mark.parametrize("within", [nullcontext, alarms], ids=["alone", "within others"])
def test_wherever_the_alarm_rings_it_is_off_behind_the_unit(within):
    # Before and behind the unit it is heard here.
    before = signal.signal(signal.SIGALRM, ours := lambda *_: None)
    try:
        step, rang, kept = 0, True, []
        while rang:
            with within():
                rang = rung_at(step, kept)
                assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
                # Nobody else is hit by one that comes late.
                if within is alarms:
                    signal.raise_signal(signal.SIGALRM)
            assert signal.getsignal(signal.SIGALRM) is ours
            step += 1
        assert kept
    finally:
        signal.signal(signal.SIGALRM, before)


class Held:
    """Something that a unit has at hand when it fails."""


HELD = []


class Fails(Fine):
    def run(self, curve):
        own = Held()
        HELD.append(weakref.ref(own))
        raise ValueError("no such thing")


def test_what_a_unit_had_that_failed_is_let_go_of_at_once():
    gc.disable()
    try:
        ended = execute(Task(b"\0" * 16, Fails(), Answer, {"curve": ()}))
        assert (ended.outcome, [held() for held in HELD]) == ("failed", [None])
    finally:
        gc.enable()


def test_in_another_thread_the_call_is_made_without_alarm():
    answers = []
    thread = threading.Thread(target=lambda: answers.append(guarded(lambda: 7, 0.01)))
    thread.start()
    thread.join()
    assert answers == [(7, "")]

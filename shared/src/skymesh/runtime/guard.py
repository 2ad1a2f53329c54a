"""Calling a unit's code: whatever it raises becomes a line, and it ends at its deadline."""

from __future__ import annotations

import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import TypeVar

from skymesh.errors import InvariantError, TransientError, UnitTimeoutError, one_line
from skymesh.runtime.interrupts import is_interrupt

T = TypeVar("T")
_REPEAT_S = 1.0
_LONGEST_TEXT = 300


def guarded(call: Callable[[], T], deadline_s: float | None = None) -> tuple[T | None, str]:
    """Call a unit; return what it gave, or None and the problem in one line.

    Parameters
    ----------
    call
        The call.
    deadline_s
        After so many seconds it is given up; None for never.

    Raises
    ------
    TransientError, InvariantError
        As they are: they are not the unit's outcome.
    """
    try:
        return (call() if deadline_s is None else call_within(deadline_s, call)), ""
    except (TransientError, InvariantError):
        raise
    except BaseException as error:  # science code may fail in any way, sys.exit among them
        if is_interrupt(error):
            raise
        return None, problem_of(error)


def problem_of(error: BaseException) -> str:
    """Return an error as one line: its class, its text and the line of the unit that raised it."""
    text = _text(error)
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({frames[-1].name}:{frames[-1].lineno})" if frames else ""
    name = type(error).__name__
    return one_line(f"{name}: {text}{place}" if text else f"{name}{place}")


def text_of(error: BaseException) -> str:
    """Return what an error says, in one line; if that is nothing, which one it is and where it comes from."""
    return _text(error) or problem_of(error)


def _text(error: BaseException) -> str:
    """Return what an error says, in one line of at most 300 characters; empty if it cannot say it."""
    try:
        return one_line(str(error))[:_LONGEST_TEXT]
    except Exception:  # a class of the unit's own may fail there too
        return ""


def call_within(seconds: float, call: Callable[[], T]) -> T:
    """Return what a call gives, or raise `UnitTimeoutError` inside of it when the time is up.

    Works in the main thread, between Python's instructions: native code that never comes back is
    ended only where units run in processes of their own.
    """
    if threading.current_thread() is not threading.main_thread():
        return call()
    # No context manager does this: the alarm could ring where one is left, before it is turned off.
    with alarms():
        _alarm.seconds = seconds
        try:
            # It rings again in case the unit swallows the first one.
            signal.setitimer(signal.ITIMER_REAL, seconds, _REPEAT_S)
            return call()
        finally:
            # Python hears no signal before this is done: what rings from here on is not meant for anybody.
            _alarm.seconds = None
            signal.setitimer(signal.ITIMER_REAL, 0)


@contextmanager
def alarms() -> Iterator[None]:
    """Have the alarm of `call_within` at hand inside; around many calls it saves time.

    Other threads, which no deadline reaches, pass.
    """
    if _alarm.is_set or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGALRM, _ring)
    _alarm.is_set = True
    try:
        yield
    finally:
        _alarm.is_set = False
        signal.signal(signal.SIGALRM, before)


@dataclass
class _Alarm:
    is_set: bool = False
    # The deadline of the call that is being made; None between calls.
    seconds: float | None = None


_alarm = _Alarm()


def _ring(_signal: int, _frame: FrameType | None) -> None:
    if _alarm.seconds is not None:
        raise UnitTimeoutError(f"longer than its deadline of {_alarm.seconds:g} s")

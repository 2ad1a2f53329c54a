"""Calling a unit's code: whatever it raises becomes a line, and it ends at its deadline."""

from __future__ import annotations

import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
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
        with deadline(deadline_s) if deadline_s is not None else nullcontext():
            return call(), ""
    except (TransientError, InvariantError):
        raise
    except BaseException as error:  # science code may fail in any way, sys.exit among them
        if is_interrupt(error):
            raise
        return None, problem_of(error)


def problem_of(error: BaseException) -> str:
    """Return an error as one line: its class, its text and the line of the unit that raised it."""
    text = text_of(error)
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({frames[-1].name}:{frames[-1].lineno})" if frames else ""
    name = type(error).__name__
    return one_line(f"{name}: {text}{place}" if text else f"{name}{place}")


def text_of(error: BaseException) -> str:
    """Return what an error says, in one line of at most 300 characters; empty if it cannot say it."""
    try:
        return one_line(str(error))[:_LONGEST_TEXT]
    except Exception:  # a class of the unit's own may fail there too
        return ""


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Raise `UnitTimeoutError` inside when the time is up.

    Works in the main thread, between Python's instructions: native code that never comes back is
    ended only where units run in processes of their own.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with alarms():
        _alarm.seconds = seconds
        # It rings again in case the unit swallows the first one.
        signal.setitimer(signal.ITIMER_REAL, seconds, _REPEAT_S)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)


@contextmanager
def alarms() -> Iterator[None]:
    """Have the alarm of `deadline` at hand inside; around many deadlines it saves time.

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
    seconds: float = 0.0


_alarm = _Alarm()


def _ring(_signal: int, _frame: FrameType | None) -> None:
    raise UnitTimeoutError(f"longer than its deadline of {_alarm.seconds:g} s")

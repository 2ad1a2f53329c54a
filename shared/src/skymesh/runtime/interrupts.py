"""Interrupts from the terminal: who hears them, and none lost around the start of a process."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from types import FrameType


class GivenUpError(KeyboardInterrupt):
    """Nobody waits any more for what is being computed: raised into it when a service ends."""


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Hold interrupts back inside; a process that is started there holds them back from its first moment.

    They are heard behind it: one in the middle would leave a process that was told half of what to do.
    """
    # Its own start lets interrupts through again.
    resource_tracker.ensure_running()
    with _noted():
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def interrupts_ignored() -> None:
    """Ignore interrupts from now on, those that were held back among them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _heard.as_errors = False
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def interrupts_told(stop: Callable[[int, FrameType | None], None]) -> None:
    """Call a function at interrupts and at requests to stop, from now on."""
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, stop)
    _heard.as_errors = False


def is_interrupt(error: BaseException) -> bool:
    """Return whether an error means that all is to end, and not only the unit that it comes out of.

    Where interrupts are ignored, or told to a function, a `KeyboardInterrupt` can only be a unit's own.
    """
    return isinstance(error, GivenUpError) or (_heard.as_errors and isinstance(error, KeyboardInterrupt))


@dataclass
class _Heard:
    as_errors: bool = True


_heard = _Heard()


@contextmanager
def _noted() -> Iterator[None]:
    """Note interrupts inside, and hear them behind it.

    Holding them back is a matter of one thread: for the main one, any other may take them meanwhile.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    noted: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: noted.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        for number in noted:
            signal.raise_signal(number)

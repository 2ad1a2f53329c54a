"""Interrupts from the terminal around the start of a process: neither lost here nor heard there."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker


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
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


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

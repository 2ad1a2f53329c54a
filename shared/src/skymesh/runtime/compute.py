"""Computing in the main thread for an event loop in another one.

Science code may run long, hang or hold a lock. Deadlines end it by a signal, which only the main thread
hears; and heartbeats must go on meanwhile, or the group gives the partitions to others. So a service has
its event loop in a second thread, and the main thread computes what it is handed.
"""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, NamedTuple, Protocol, TypeVar

from skymesh.runtime.interrupts import GivenUpError

T = TypeVar("T")


class Compute(Protocol):
    """Somewhere that pure functions are called."""

    async def __call__(self, function: Callable[..., T], *arguments: Any) -> T:
        """Return what a function returns, or raise what it raises."""


async def compute_here(function: Callable[..., T], *arguments: Any) -> T:
    """Call a function where the event loop is."""
    return function(*arguments)


class _Call(NamedTuple):
    future: Future[Any]
    function: Callable[..., Any]
    arguments: tuple[Any, ...]


class MainThread:
    """Calls what the event loop of another thread asks for, one call after the other.

    Attributes
    ----------
    is_busy
        Whether it is calling something now.
    """

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self.is_busy = False

    async def __call__(self, function: Callable[..., T], *arguments: Any) -> T:
        """Return what a function returns in the main thread, or raise what it raises."""
        future: Future[T] = Future()
        self._calls.put(_Call(future, function, arguments))
        return await asyncio.wrap_future(future)

    def work(self) -> None:
        """Call what is asked for until told to end; signals are heard between and within.

        Raises
        ------
        GivenUpError
            If what is being computed is given up; any other error is that of who asked for it.
        """
        while (call := self._calls.get()) is not None:
            if not call.future.set_running_or_notify_cancel():
                continue
            self.is_busy = True
            try:
                made = call.function(*call.arguments)
            except GivenUpError:
                raise
            except BaseException as error:
                self.is_busy = False
                call.future.set_exception(error)
            else:
                self.is_busy = False
                call.future.set_result(made)

    def end(self) -> None:
        """Let `work` return once it has nothing left to call."""
        self._calls.put(None)

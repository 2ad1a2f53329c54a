"""Many statements at once, a bounded number under way, and one wake-up of the event loop for all."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from cassandra.cluster import NoHostAvailable
from cassandra.connection import ConnectionBusy
from cassandra.pool import NoConnectionsAvailable

UNDER_WAY = 128
BYTES_UNDER_WAY = 4 << 20
LONGEST_WAIT_S = 10.0
"""How long connections may take nothing before that is an error."""

_PAUSE_S = 0.005


class Request(NamedTuple):
    """A prepared statement with its values, and how many bytes it sends at least."""

    statement: Any
    values: tuple[Any, ...]
    size_bytes: int = 0


Rows = list[tuple[Any, ...]]


async def run_all(session: Any, requests: Sequence[Request]) -> list[Rows]:
    """Run statements; return the rows of each, in their order.

    Statements are sent on by the driver's own thread as others return, so the event loop is woken
    once. What a full socket does not take waits until others have returned. After an error no more
    are sent, and those under way are waited for.

    Raises
    ------
    Exception
        The driver's first error, as it is.
    """
    if not requests:
        return []
    burst = _Burst(session, requests)
    burst.send()
    await burst.done
    return burst.rows


class _Burst:
    """The statements, what came of them, and what is under way; all of it changes under the lock alone."""

    def __init__(self, session: Any, requests: Sequence[Request]) -> None:
        self.rows: list[Rows] = [[] for _ in requests]
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._session = session
        self._requests = requests
        self._lock = threading.Lock()
        self._next = 0
        self._again: list[int] = []
        self._under_way = 0
        self._bytes_under_way = 0
        self._is_held = False
        self._busy_since: float | None = None
        self._error: Exception | None = None

    def send(self) -> None:
        """Send as many as may be under way; called by the event loop, then by the driver's thread."""
        while (number := self._take()) is not None:
            request = self._requests[number]
            try:
                future = self._session.execute_async(request.statement, request.values)
                future.add_callbacks(self._received, self._finished, (number, future), errback_args=(number,))
            except Exception as error:  # noqa: BLE001  # it must reach the one who waits, from whichever thread
                self._finished(error, number)

    def _take(self) -> int | None:
        """Return the next request to send; None if it has to wait, or if there is none."""
        with self._lock:
            if self._is_over or self._is_held or not self._left:
                return None
            number = self._again[-1] if self._again else self._next
            if self._under_way and self._is_full(self._requests[number].size_bytes):
                return None
            if self._again:
                self._again.pop()
            else:
                self._next += 1
            self._under_way += 1
            self._bytes_under_way += self._requests[number].size_bytes
            return number

    @property
    def _is_over(self) -> bool:
        return self._error is not None or self.done.cancelled()

    @property
    def _left(self) -> int:
        return len(self._requests) - self._next + len(self._again)

    def _is_full(self, size_bytes: int) -> bool:
        return self._under_way >= UNDER_WAY or self._bytes_under_way + size_bytes > BYTES_UNDER_WAY

    def _received(self, rows: Rows | None, number: int, future: Any) -> None:
        if rows:
            self.rows[number] += rows
        if future.has_more_pages:
            fetch_next_page(future)
        else:
            self._finished(None, number)

    def _finished(self, error: Exception | None, number: int) -> None:
        """Go on with what is left, after a pause if nothing is under way that would tell when."""
        with self._lock:
            is_held = self._is_held = error is not None and _is_busy(error) and self._may_wait()
            if is_held:
                self.rows[number] = []
                self._again.append(number)
            elif error is not None:
                self._error = self._error or error
            else:
                self._busy_since = None
            self._under_way -= 1
            self._bytes_under_way -= self._requests[number].size_bytes
            is_idle = not self._under_way
            # Decided here: as soon as the lock is open, another thread may take the last one and send it.
            is_through = is_idle and (self._is_over or not self._left)
        if is_through:
            self._call(self._wake)
        elif is_idle and is_held:
            self._call(self.done.get_loop().call_later, _PAUSE_S, self._resume)
        else:
            self.send()

    def _may_wait(self) -> bool:
        self._busy_since = self._busy_since or time.monotonic()
        return time.monotonic() - self._busy_since < LONGEST_WAIT_S

    def _call(self, function: Callable[..., Any], *arguments: Any) -> None:
        # The loop is closed if nobody waits any more.
        with contextlib.suppress(RuntimeError):
            self.done.get_loop().call_soon_threadsafe(function, *arguments)

    def _resume(self) -> None:
        with self._lock:
            self._is_held = False
        self.send()

    def _wake(self) -> None:
        if self.done.done():
            return
        if self._error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(self._error)


def fetch_next_page(future: Any) -> None:
    """Ask for the next page, with the time that the first one had: of itself, the driver sets no limit."""
    future._timer = None  # noqa: SLF001  # there is no public way
    future._start_time = time.time()  # noqa: SLF001
    future.start_fetching_next_page()


def _is_busy(error: Exception) -> bool:
    """Whether nothing was sent, because connections could not take it just then."""
    return isinstance(error, NoHostAvailable) and any(
        isinstance(cause, ConnectionBusy | NoConnectionsAvailable)
        for cause in (error.errors.values() if isinstance(error.errors, dict) else ())
    )

"""Many statements at once, a bounded number under way, and one wake-up of the event loop for all."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

UNDER_WAY = 128
BYTES_UNDER_WAY = 16 << 20


class Request(NamedTuple):
    """A prepared statement with its values, and how many bytes it sends at least."""

    statement: Any
    values: tuple[Any, ...]
    size_bytes: int = 0


Rows = list[tuple[Any, ...]]


async def run_all(session: Any, requests: Sequence[Request]) -> list[Rows]:
    """Run statements; return the rows of each, in their order.

    Statements are sent on by the driver's own thread as others return, so the event loop is woken
    once. After an error no more are sent, and those under way are waited for.

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
    def __init__(self, session: Any, requests: Sequence[Request]) -> None:
        self.rows: list[Rows] = [[] for _ in requests]
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._session = session
        self._requests = requests
        self._lock = threading.Lock()
        self._next = 0
        self._under_way = 0
        self._bytes_under_way = 0
        self._error: Exception | None = None

    def send(self) -> None:
        """Send as many as may be under way; called by the event loop, then by the driver's thread."""
        while (number := self._take()) is not None:
            request = self._requests[number]
            try:
                future = self._session.execute_async(request.statement, request.values)
                future.add_callbacks(self._received, self._failed, (number, future), errback_args=(number,))
            except Exception as error:  # noqa: BLE001  # it must reach the one who waits, from whichever thread
                self._failed(error, number)

    def _take(self) -> int | None:
        with self._lock:
            number = self._next
            is_over = self._error is not None or self.done.cancelled() or number == len(self._requests)
            if is_over or self._under_way >= UNDER_WAY or self._is_full(self._requests[number].size_bytes):
                return None
            self._next += 1
            self._under_way += 1
            self._bytes_under_way += self._requests[number].size_bytes
            return number

    def _is_full(self, size_bytes: int) -> bool:
        return self._under_way > 0 and self._bytes_under_way + size_bytes > BYTES_UNDER_WAY

    def _received(self, rows: Rows | None, number: int, future: Any) -> None:
        if rows:
            self.rows[number] += rows
        if future.has_more_pages:
            future.start_fetching_next_page()
        else:
            self._finished(number)

    def _failed(self, error: Exception, number: int) -> None:
        with self._lock:
            self._error = self._error or error
        self._finished(number)

    def _finished(self, number: int) -> None:
        with self._lock:
            self._under_way -= 1
            self._bytes_under_way -= self._requests[number].size_bytes
            is_last = not self._under_way and (
                self._error is not None or self._next == len(self._requests) or self.done.cancelled()
            )
        if is_last:
            # The loop is closed if nobody waits any more.
            with contextlib.suppress(RuntimeError):
                self.done.get_loop().call_soon_threadsafe(self._wake)
        else:
            self.send()

    def _wake(self) -> None:
        if self.done.done():
            return
        if self._error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(self._error)

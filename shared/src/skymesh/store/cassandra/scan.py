"""Reading many rows page by page: one partition, or the whole ring in ranges."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from skymesh.store.cassandra.burst import Rows, fetch_next_page
from skymesh.store.cassandra.errors import TIMED_OUT

_LOWEST, _HIGHEST = -(2**63), 2**63 - 1
_SMALLEST_RANGE = 2**44


async def iter_pages(session: Any, statement: Any, values: tuple[Any, ...]) -> AsyncIterator[Rows]:
    """Yield the rows of a statement, a page at a time; the next one is asked for when it is wanted.

    Raises
    ------
    Exception
        The driver's error, as it is.
    """
    loop = asyncio.get_running_loop()
    pages: asyncio.Queue[Rows | Exception] = asyncio.Queue()

    def put(page: Rows | Exception) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(pages.put_nowait, page)

    future = session.execute_async(statement, values)
    future.add_callbacks(put, put)
    while True:
        page = await pages.get()
        if isinstance(page, Exception):
            raise page
        yield page
        if not future.has_more_pages:
            return
        fetch_next_page(future)


async def over_the_ring(pages_of: Callable[[int, int], AsyncIterator[Rows]]) -> AsyncIterator[Rows]:
    """Yield rows of all partitions, read in one go, or in ranges of tokens if that takes too long.

    Rows of a range that took too long may come again.

    Parameters
    ----------
    pages_of
        Reads the partitions behind a token, up to another one.

    Raises
    ------
    Exception
        The driver's error, as it is; one of time only if the smallest range takes too long too.
    """
    # No partition has the lowest token: a range that begins behind it leaves nothing out.
    low, step = _LOWEST, _HIGHEST - _LOWEST
    while low < _HIGHEST:
        high = min(low + step, _HIGHEST)
        try:
            async for page in pages_of(low, high):
                yield page
        except TIMED_OUT:
            if step <= _SMALLEST_RANGE:
                raise
            step //= 2
        else:
            low = high

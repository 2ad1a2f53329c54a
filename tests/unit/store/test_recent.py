"""A store that remembers arrivals answers as the store behind it does."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from skymesh.sqlite_file import SqliteFile
from skymesh.store.recent import RecentArrivals
from skymesh.store.sqlite import SqliteStore
from skymesh.store.store import Keys
from skymesh.testing.documents import LOG, OTHER_LOG, RUN, STOCKS, arrival, link, place, result

MOST = 30


def keys(stocks, until, **further):
    return Keys(arrivals=frozenset(stocks), until=place(until), **further)


def on_both(work):
    """Run work with a plain store and one that remembers, over the same file."""

    async def run():
        with tempfile.TemporaryDirectory() as folder:
            plain = SqliteStore(SqliteFile(Path(folder) / "store.db"))
            await work(plain, RecentArrivals(plain))
            await plain.close()

    asyncio.run(run())


@st.composite
def batches(draw):
    """Ranges of a log with the stocks that T1 and T2 ask for behind T0."""
    ends = sorted(draw(st.sets(st.integers(1, MOST), min_size=1, max_size=5)))
    asked = st.sets(st.sampled_from(STOCKS), min_size=1)
    return [(first, end, draw(asked)) for first, end in zip([0, *ends], ends, strict=False)]


@settings(deadline=None)
@given(batches(), st.booleans())
def test_the_tiers_of_a_process_find_what_is_stored(parts, is_again):
    async def work(plain, recent):
        for first, end, asked in parts:
            rows = [arrival(number) for number in range(first, end)]
            for _ in range(1 + is_again):  # a batch that failed behind its documents is decided again
                stocks = {row.stock for row in rows}
                of_t0 = keys(stocks, end)
                assert await recent.read(LOG, of_t0) == await plain.read(LOG, of_t0)
                await recent.write(rows)
            for until in range(first, end):
                wanted = keys(asked & stocks or stocks, until)
                assert await recent.read(LOG, wanted) == await plain.read(LOG, wanted)

    on_both(work)


def test_other_logs_stocks_and_later_positions_are_read_from_the_store():
    async def work(plain, recent):
        await plain.write([arrival(number, log=log) for log in (LOG, OTHER_LOG) for number in range(9)])
        asked = [(LOG, 1, 3), (OTHER_LOG, 1, 3), (LOG, 1, 3), (LOG, 2, 3), (LOG, 2, 8), (LOG, 3, 5)]
        for log, stocks, until in asked:
            wanted = keys(STOCKS[:stocks], until)
            assert await recent.read(log, wanted) == await plain.read(log, wanted)

    on_both(work)


def test_everything_but_arrivals_comes_from_the_store_each_time():
    async def work(plain, recent):
        wanted = keys(
            STOCKS, 9, links=frozenset((RUN, stock) for stock in STOCKS), results=frozenset({result(1).id})
        )
        await recent.read(LOG, wanted)
        await plain.write([link(1), result(1)])
        found = await recent.read(LOG, wanted)
        assert found == await plain.read(LOG, wanted)
        assert result(1).id in found.results

    on_both(work)


def test_arrivals_at_hand_are_not_read_again():
    async def work(plain, recent):
        await recent.read(LOG, keys(STOCKS, 9))
        await recent.write([arrival(1)])
        (row,) = (await recent.read(LOG, keys(STOCKS, 5))).arrivals[arrival(1).stock]
        (again,) = (await recent.read(LOG, keys(STOCKS, 5))).arrivals[arrival(1).stock]
        assert row is again

    on_both(work)

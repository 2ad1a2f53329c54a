"""The contract of a store, as tests. Subclass it and say how the store is opened."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skymesh.errors import InvariantError
from skymesh.model.alert import Arrival
from skymesh.model.execution import Result
from skymesh.model.ids import Digest
from skymesh.model.run import Product
from skymesh.model.state import StateLink
from skymesh.store.store import Document, Store
from skymesh.store.tables import TABLES, row_of
from skymesh.testing import documents as made
from skymesh.testing.opening import start_child
from skymesh.testing.store_deleting import StoreDeleting
from skymesh.testing.store_reading import StoreReading

MIXED: tuple[Document, ...] = (
    *made.one_of_each(),
    *(
        kind(number)
        for number in range(1, 5)
        for kind in (made.arrival, made.verdict, made.link, made.settled)
    ),
    *(made.result(number, is_transient=number == 3) for number in range(1, 5)),
    *(made.entry(number, tier=tier) for number in range(1, 3) for tier in ("t0", "t2")),
    *(made.view(number, channel=channel) for number in range(1, 3) for channel in ("a/b", "a/c")),
    *(kind(number) for number in range(1, 3) for kind in (made.intent, made.receipt)),
)


async def rows(store: Store) -> dict[str, list[Document]]:
    """Return every document of a store, by kind, in order of the key."""
    return {table.name: [document async for document in store.scan(kind)] for kind, table in TABLES.items()}


class StoreContract(StoreReading, StoreDeleting):
    """What holds for every store: what was written once is there, whatever is written again."""

    def damage_cutouts(self, address: str) -> None:
        """Change a byte of the stored image stamps behind the store's back."""
        raise NotImplementedError  # each store keeps them its own way

    @pytest.mark.parametrize("document", made.one_of_each(), ids=lambda d: type(d).__name__)
    def test_a_document_comes_back_equal_under_its_key(self, address: str, document: Document) -> None:
        """Every field, of every kind, also when the store was closed between."""

        async def read(store: Store) -> None:
            kind = type(document)
            key = {name: getattr(document, name) for name in TABLES[kind].key}
            assert await store.get(kind, **key) == document
            assert [found async for found in store.scan(kind)] == [document]
            assert await store.count(kind) == 1

        async def work(store: Store) -> None:
            assert await store.count(type(document)) == 0
            await store.write([document])
            await read(store)

        self.on(address, work)
        self.on(address, read)

    def test_every_kind_is_tried(self) -> None:
        """A new kind of document needs an example here."""
        assert {type(document) for document in made.one_of_each()} == set(TABLES)

    def test_writing_again_changes_nothing(self, address: str) -> None:
        """In one batch, in a second one, and after opening again."""

        async def write(store: Store) -> dict[str, list[Document]]:
            await store.write(MIXED)
            await store.write([*MIXED, *MIXED[:5]])
            return await rows(store)

        first = self.on(address, write)
        assert sum(map(len, first.values())) == len(MIXED)
        assert self.on(address, write) == first

    @pytest.mark.parametrize("number", range(len(made.with_changes())))
    def test_the_first_copy_stays_where_the_key_is_the_content(self, address: str, number: int) -> None:
        """A second document under the key is not taken, in the same batch or later."""
        first, second = made.with_changes()[number]

        async def work(store: Store) -> None:
            await store.write([first, second])
            await store.write([second])
            assert [found async for found in store.scan(type(first))] == [first]

        self.on(address, work)

    def test_the_last_copy_stays_of_the_others(self, address: str) -> None:
        """A product that is made again replaces the first."""

        async def work(store: Store) -> None:
            for size in (1, 2):
                await store.write([Product(made.RUN, "t.csv", made.JOB, size, ())])
            assert [found.size_bytes async for found in store.scan(Product)] == [2]

        self.on(address, work)

    def test_a_transient_result_gives_way_and_is_found_by_that(self, address: str) -> None:
        """What was ended from outside makes room for a real outcome, which then stays."""
        ended, real, other = made.result(1, is_transient=True), made.result(1), made.result(1, value=9.0)

        async def work(store: Store) -> None:
            await store.write([ended])
            assert await store.count(Result, is_transient=True) == 1
            for result in (real, other, ended):
                await store.write([result])
                assert await store.get(Result, id=real.id) == real
            assert await store.count(Result, is_transient=True) == 0
            assert await store.count(Result) == 1

        self.on(address, work)

    def test_what_was_linked_in_time_stays_whoever_is_late_later(self, address: str) -> None:
        """A worker that was stopped in a combiner wakes beyond its deadline: what others linked stays."""
        first, second, final = made.link(1, ended=1), made.link(1, ended=2), made.link(1)

        async def work(store: Store) -> None:
            place = {"run": final.run, "stock": final.stock, "position": final.position}
            for written, kept in ((first, first), (second, second), (final, final), (first, final)):
                await store.write([written])
                assert await store.get(StateLink, **place) == kept
            assert await store.count(StateLink) == 1

        self.on(address, work)

    def test_image_stamps_come_back_under_their_digest(self, address: str) -> None:
        """Written twice, in one batch or in two, they are kept; unknown ones are None."""
        stamps = [made.cutouts(block) for block in (made.STAMPS, b"", b"\x00" * 100_000)]

        async def work(store: Store) -> None:
            await store.write([stamps[0], made.arrival(0), *stamps])
            await store.write([*stamps, made.arrival(0)])
            await check(store)

        async def check(store: Store) -> None:
            for cutouts in stamps:
                assert await store.read_cutouts(cutouts.id) == cutouts.block
            assert await store.read_cutouts(Digest(bytes(16))) is None
            assert await store.count(Arrival) == 1

        self.on(address, work)
        self.on(address, check)

    def test_damaged_image_stamps_are_refused(self, address: str) -> None:
        """Bytes that are not what the digest says are never given out."""
        cutouts = made.cutouts()

        async def work(store: Store) -> None:
            await store.write([cutouts])

        async def read(store: Store) -> None:
            with pytest.raises(InvariantError, match=cutouts.id.hex()):
                await store.read_cutouts(cutouts.id)

        self.on(address, work)
        self.damage_cutouts(address)
        self.on(address, read)

    def test_what_was_written_survives_a_kill(self, address: str) -> None:
        """Durable when `write` returns."""
        child = start_child("store_child", self.opener, address)
        assert child.communicate()[0] == "written\n"
        assert child.returncode == 9

        async def read(store: Store) -> None:
            found = await rows(store)
            for document in made.one_of_each():
                assert found[TABLES[type(document)].name] == [document]
            assert await store.read_cutouts(made.cutouts().id) == made.STAMPS

        self.on(address, read)

    # Every store runs it, and they may well run in one session.
    @settings(max_examples=25, suppress_health_check=[HealthCheck.differing_executors])
    @given(data=st.data())
    def test_any_order_of_writes_with_any_repetitions_makes_the_same_rows(self, data: st.DataObject) -> None:
        """Redelivery and zombies write what is there."""
        order = data.draw(st.permutations(MIXED))
        repeated = data.draw(st.lists(st.sampled_from(MIXED), max_size=10))
        writes = [*order, *repeated]
        cuts = sorted(data.draw(st.lists(st.integers(0, len(writes)), max_size=4)))

        async def work(store: Store) -> dict[str, list[Document]]:
            for start, end in zip([0, *cuts], [*cuts, len(writes)], strict=True):
                await store.write(writes[start:end])
            return await rows(store)

        with tempfile.TemporaryDirectory() as folder:
            found = self.on(self.fresh_address(Path(folder)), work)
        expected: dict[str, list[Document]] = {table.name: [] for table in TABLES.values()}
        for document in sorted(MIXED, key=_key):
            expected[TABLES[type(document)].name].append(document)
        assert found == expected


def _key(document: Document) -> tuple[Any, ...]:
    table = TABLES[type(document)]
    return (table.name, *row_of(document)[: len(table.key)])

"""The part of a store's contract that is about deleting documents."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skymesh.model.alert import Cutouts
from skymesh.model.execution import JournalEntry, Settled
from skymesh.model.ids import Digest
from skymesh.model.state import Verdict
from skymesh.store.store import Document, Keys, Store
from skymesh.store.tables import TABLES, partition_of, row_of
from skymesh.testing import documents as made
from skymesh.testing.contract import Contract

FAR = made.place(9000)
_BUCKET = 8192 // 10
"""As many entries of the journal lie in one bucket."""

MANY: tuple[Document, ...] = (
    *(
        kind(number, run=run)
        for number in range(7)
        for run in (made.RUN, made.OTHER_RUN)
        for kind in (made.verdict, made.link, made.settled, made.view)
    ),
    *(
        made.entry(number, run=run, tier=tier)
        for number in (0, 1, _BUCKET, _BUCKET + 1, 3 * _BUCKET)
        for run in (made.RUN, made.OTHER_RUN)
        for tier in ("t0", "t2")
    ),
    *(made.arrival(number).alert for number in range(4)),
)


class StoreDeleting(Contract):
    """What holds for deleting in every store; see `StoreContract`."""

    def test_every_kind_can_be_deleted(self, address: str) -> None:
        """Then it is not there any more; deleting what is not there is no error."""

        async def work(store: Store) -> None:
            await store.write(made.one_of_each())
            for document in made.one_of_each():
                for _ in range(2):
                    await store.delete(type(document), [partition_of(document)])
                assert await store.count(type(document)) == 0

        self.on(address, work)

    def test_what_a_tier_reads_is_gone_too(self, address: str) -> None:
        """Of the one run; the other keeps its own."""

        async def work(store: Store) -> None:
            rows = [made.verdict(1, run=run) for run in (made.RUN, made.OTHER_RUN)]
            await store.write([made.arrival(1), *rows])
            await store.delete(Verdict, [partition_of(rows[0])])
            wanted = frozenset((row.run, row.stock) for row in rows)
            found = await store.read(made.LOG, Keys(verdicts=wanted, until=FAR))
            assert found.verdicts == {
                (rows[0].run, rows[0].stock): [],
                (rows[1].run, rows[1].stock): [rows[1]],
            }

        self.on(address, work)

    def test_the_last_copy_is_deleted_with_those_before(self, address: str) -> None:
        """However often it was written."""

        async def work(store: Store) -> None:
            row = made.settled(1)
            await store.write([row])
            await store.write([row])
            await store.delete(Settled, [partition_of(row)])
            assert await store.count(Settled) == 0

        self.on(address, work)

    def test_image_stamps_are_deleted_by_id_and_may_return(self, address: str) -> None:
        """Their key is their content: the same ones come back."""
        gone, kept = made.cutouts(), made.cutouts(b"others")

        async def work(store: Store) -> None:
            await store.write([gone, kept])
            for _ in range(2):
                await store.delete(Cutouts, [(gone.id,), (Digest(bytes(16)),)])
                assert await store.read_cutouts(gone.id) is None
                assert await store.read_cutouts(kept.id) == kept.block
                await store.write([gone])
                assert await store.read_cutouts(gone.id) == gone.block

        self.on(address, work)

    def test_deletions_stay_when_the_store_is_opened_again(self, address: str) -> None:
        """As writes do."""
        entry = made.entry(1)

        async def work(store: Store) -> None:
            await store.write([entry, made.cutouts()])
            await store.delete(JournalEntry, [partition_of(entry)])
            await store.delete(Cutouts, [(made.cutouts().id,)])

        async def look(store: Store) -> None:
            assert await store.count(JournalEntry, id=entry.id) == 0
            assert await store.read_cutouts(made.cutouts().id) is None

        self.on(address, work)
        self.on(address, look)

    @settings(max_examples=15, suppress_health_check=[HealthCheck.differing_executors])
    @given(chosen=st.sets(st.sampled_from(range(len(MANY)))))
    def test_a_partition_goes_as_a_whole_and_no_other_does(self, chosen: set[int]) -> None:
        """Whatever is left is what lies elsewhere, in order of its key."""
        doomed: dict[type[Any], set[tuple[Any, ...]]] = {}
        for document in (MANY[number] for number in sorted(chosen)):
            doomed.setdefault(type(document), set()).add(partition_of(document))

        async def work(store: Store) -> None:
            await store.write(MANY)
            for kind, places in doomed.items():
                await store.delete(kind, sorted(places))
            for kind in {type(document) for document in MANY}:
                left = [d for d in MANY if type(d) is kind and partition_of(d) not in doomed.get(kind, ())]
                width = len(TABLES[kind].key)
                left.sort(key=lambda document: row_of(document)[:width])
                assert [document async for document in store.scan(kind)] == left

        with tempfile.TemporaryDirectory() as folder:
            self.on(self.fresh_address(Path(folder)), work)

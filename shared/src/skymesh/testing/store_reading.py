"""The half of a store's contract that is about finding documents."""

from __future__ import annotations

from itertools import permutations

from msgspec import structs

from skymesh.model.alert import Arrival
from skymesh.model.execution import JournalEntry, Settled, View
from skymesh.model.ids import Digest, digest_of
from skymesh.model.position import Position
from skymesh.model.reaction import Held, HeldStatus, Intent
from skymesh.model.run import Blob, JobRecord
from skymesh.model.state import State, StateLink, Verdict, make_state
from skymesh.store.store import Keys, Store
from skymesh.store.tables import TABLES, row_of
from skymesh.testing import documents as made
from skymesh.testing.contract import Contract

STOCK = made.STOCKS[1]
FAR = Position(9, 9, 9)


class StoreReading(Contract):
    """What holds for reading from every store; see `StoreContract`."""

    def test_reading_for_a_tier_stops_at_the_position_inclusive(self, address: str) -> None:
        """Rows of the asked stocks, of this log and run, up to a position, in its order."""

        async def work(store: Store) -> None:
            for number in (7, 1, 10, 4, 1000, 13, 3):
                await store.write([made.arrival(number), made.verdict(number), made.link(number)])
                await store.write([made.arrival(number, log=made.OTHER_LOG)])
                await store.write([made.verdict(number, run=made.OTHER_RUN)])
                await store.write([made.link(number, run=made.OTHER_RUN)])
            asked = frozenset({STOCK, "ztf:nothing"})
            of_run = frozenset((made.RUN, stock) for stock in asked)
            here, there = (made.RUN, STOCK), (made.RUN, "ztf:nothing")
            for until, numbers in ((made.place(10), [1, 4, 7, 10]), (FAR, [1, 4, 7, 10, 13, 1000])):
                keys = Keys(arrivals=asked, verdicts=of_run, links=of_run, until=until)
                found = await store.read(made.LOG, keys)
                assert found.arrivals == {STOCK: [made.arrival(n) for n in numbers], "ztf:nothing": []}
                assert found.verdicts == {here: [made.verdict(n) for n in numbers], there: []}
                assert found.links == {here: [made.link(n) for n in numbers], there: []}
            before = Position(0, 0, made.place(4).offset - 1)
            found = await store.read(made.LOG, Keys(arrivals=asked, until=before))
            assert found.arrivals[STOCK] == [made.arrival(1)]
            assert not found.verdicts
            assert not found.links

        self.on(address, work)

    def test_views_are_read_by_stock_up_to_the_position(self, address: str) -> None:
        """Those of all channels of this run, in order of position."""

        async def work(store: Store) -> None:
            for number in (7, 1, 10, 4):
                await store.write([made.arrival(number), made.view(number)])
                await store.write([made.view(number, run=made.OTHER_RUN)])
            await store.write([made.view(4, channel="a/b")])
            here, there = (made.RUN, STOCK), (made.RUN, "ztf:nothing")
            found = await store.read(made.LOG, Keys(views=frozenset({here, there}), until=made.place(7)))
            assert found.views.keys() == {here, there}
            assert found.views[there] == []
            assert [view.position for view in found.views[here]] == [made.place(n) for n in (1, 4, 4, 7)]
            assert {(view.position, view.channel) for view in found.views[here]} == {
                *((made.place(n), made.CHANNEL) for n in (1, 4, 7)), (made.place(4), "a/b"),
            }  # fmt: skip
            assert made.view(4) in found.views[here]

        self.on(address, work)

    def test_intents_are_read_by_stock_wherever_they_are(self, address: str) -> None:
        """Those behind the position too; in order of position, of this run alone."""

        async def work(store: Store) -> None:
            for number in (7, 1, 1000, 3):
                await store.write([made.intent(number), made.intent(number, run=made.OTHER_RUN)])
            asked = frozenset(
                (run, stock) for run in (made.RUN, made.JOB) for stock in (STOCK, "ztf:nothing")
            )
            found = await store.read(made.LOG, Keys(intents=asked, until=made.place(1)))
            wanted: dict[tuple[Digest, str], list[Intent]] = {key: [] for key in asked}
            assert found.intents == wanted | {(made.RUN, STOCK): [made.intent(n) for n in (1, 7, 1000)]}

        self.on(address, work)

    def test_what_several_runs_have_is_read_at_once(self, address: str) -> None:
        """Each under its run."""

        async def work(store: Store) -> None:
            runs = (made.RUN, made.OTHER_RUN)
            await store.write([made.arrival(1), *(made.link(1, run=run) for run in runs)])
            asked = frozenset((run, STOCK) for run in runs)
            found = await store.read(made.LOG, Keys(links=asked, until=FAR))
            assert found.links == {(run, STOCK): [made.link(1, run=run)] for run in runs}

        self.on(address, work)

    def test_receipts_are_read_by_reaction_whichever_run_wrote_them(self, address: str) -> None:
        """An outlet asks what it was given, not by whom."""

        async def work(store: Store) -> None:
            both = [made.receipt(1), made.receipt(1, run=made.OTHER_RUN)]
            await store.write([*both, made.receipt(2)])
            unknown = digest_of("reaction", "none")
            found = await store.read(made.LOG, Keys(receipts=frozenset({both[0].id, unknown})))
            assert found.receipts == {both[0].id: sorted(both, key=lambda row: row.run), unknown: []}

        self.on(address, work)

    def test_attempts_are_read_by_reaction_in_their_order(self, address: str) -> None:
        """Those of every worker; the last word of each counts."""

        async def work(store: Store) -> None:
            mine = [made.attempt(1, which=n, worker=w) for n, w in ((2, "b"), (1, "b"), (1, "a"), (10, "a"))]
            await store.write([*mine, made.attempt(2)])
            ended = structs.replace(mine[0], status="unclear")
            await store.write([ended])
            found = await store.read(made.LOG, Keys(attempts=frozenset({mine[0].id, made.JOB})))
            assert found.attempts == {mine[0].id: [mine[2], mine[1], ended, mine[3]], made.JOB: []}

        self.on(address, work)

    def test_all_that_was_said_of_a_held_reaction_stays(self, address: str) -> None:
        """In whatever order: who holds it once more, as a sleeper does that wakes, takes nothing away."""

        async def work(store: Store) -> None:
            statuses: tuple[HeldStatus, ...] = ("dropped", "held", "held", "released")
            said = list(zip(statuses, (2, 2, 10, 10), strict=True))
            for number, order in enumerate(permutations(range(len(said)))):
                rows = [made.held(number, status=status, attempts=attempts) for status, attempts in said]
                for place in order:
                    await store.write([rows[place]])
                await store.write([structs.replace(rows[1], reason="woke up")])
                found = await store.read(made.LOG, Keys(held=frozenset({rows[0].id, made.JOB})))
                assert found.held == {rows[0].id: rows, made.JOB: []}
                assert [row async for row in store.scan(Held, id=rows[0].id)] == rows

        self.on(address, work)

    def test_markers_are_read_by_partition_up_to_the_position(self, address: str) -> None:
        """In order, of this log."""

        async def work(store: Store) -> None:
            for number in (900, 3, 20):
                await store.write([made.marker(number), made.marker(number, log=made.OTHER_LOG)])
            await store.write([made.marker(4, partition=1)])
            found = await store.read(made.LOG, Keys(markers=frozenset({0, 2}), until=made.place(30)))
            assert found.markers == {0: [made.marker(3), made.marker(20)], 2: []}

        self.on(address, work)

    def test_blobs_are_read_by_id(self, address: str) -> None:
        """The unknown are left out."""

        async def work(store: Store) -> None:
            await store.write([Blob(made.JOB, b"\xc1" * 5000)])
            found = await store.read(made.LOG, Keys(blobs=frozenset({made.JOB, made.LOG})))
            assert found.blobs == {made.JOB: b"\xc1" * 5000}

        self.on(address, work)

    def test_states_are_read_by_id_and_the_unknown_left_out(self, address: str) -> None:
        """As results are."""

        async def work(store: Store) -> None:
            states = {s.id: s for s in (make_state(STOCK, [made.point(n).id]) for n in range(5))}
            await store.write([*states.values()])
            asked = frozenset([*list(states)[:3], digest_of("state", "none")])
            found = await store.read(made.LOG, Keys(states=asked))
            assert found.states == {id_: state for id_, state in states.items() if id_ in asked}

        self.on(address, work)

    def test_results_are_read_by_id_and_the_unknown_left_out(self, address: str) -> None:
        """However many are asked for."""

        async def work(store: Store) -> None:
            results = {made.result(n).id: made.result(n) for n in range(300)}
            await store.write([*results.values()])
            asked = frozenset([*list(results)[:250], digest_of("result", "none")])
            found = await store.read(made.LOG, Keys(results=asked))
            assert found.results == {id_: result for id_, result in results.items() if id_ in asked}

        self.on(address, work)

    def test_scanning_goes_in_order_of_the_key(self, address: str) -> None:
        """Positions as positions, not as text; every column that is kept may choose rows."""
        numbers = [9, 1000, 2, 10, 999, 0, 1001, 1]

        async def work(store: Store) -> None:
            await store.write([kind(n) for n in numbers for kind in (made.arrival, made.settled, made.view)])
            await store.write([made.arrival(3, log=made.OTHER_LOG), made.settled(3, run=made.OTHER_RUN)])
            scanned = [row async for row in store.scan(Arrival, log=made.LOG)]
            assert scanned == [made.arrival(number) for number in sorted(numbers)]
            assert [row.position async for row in store.scan(Settled, run=made.RUN)] == [
                made.place(number) for number in sorted(numbers)
            ]
            of_stock = [row async for row in store.scan(Arrival, log=made.LOG, stock=STOCK)]
            assert of_stock == [made.arrival(n) for n in sorted(numbers) if n % len(made.STOCKS) == 1]
            keys = [row_of(row)[:4] async for row in store.scan(View, run=made.RUN)]
            assert keys == sorted(keys)
            assert await store.count(Arrival, log=made.LOG) == len(numbers)
            assert await store.count(Arrival, log=made.OTHER_LOG) == 1
            assert await store.get(Arrival, log=made.LOG, position=made.place(3)) is None

        self.on(address, work)

    def test_the_journal_is_found_by_id_and_by_tier(self, address: str) -> None:
        """And comes in order of its offsets."""

        async def work(store: Store) -> None:
            entries = [made.entry(n, tier=tier) for n in (12, 2, 1, 0) for tier in ("t2", "t0")]
            await store.write(entries)
            assert [e async for e in store.scan(JournalEntry, id=entries[3].id)] == [entries[3]]
            told = [e.first async for e in store.scan(JournalEntry, run=made.RUN, tier="t0")]
            assert told == [0, 10, 20, 120]

        self.on(address, work)

    def test_arrivals_are_found_by_a_point_that_they_registered(self, address: str) -> None:
        """In any log; an alert that only names the id elsewhere is none."""

        async def work(store: Store) -> None:
            await store.write([made.arrival(n) for n in range(5)])
            await store.write([made.arrival(2, log=made.OTHER_LOG)])
            wanted = made.arrival(2).alert.points[1].id
            found = await store.arrivals_with_point(wanted)
            assert sorted(row.log for row in found) == sorted([made.LOG, made.OTHER_LOG])
            assert {row.position for row in found} == {made.place(2)}
            assert await store.arrivals_with_point(made.arrival(4).trigger) == []
            assert await store.arrivals_with_point(digest_of("point", "none")) == []

        self.on(address, work)

    def test_an_empty_store_has_nothing(self, address: str) -> None:
        """And says so without an error."""

        async def work(store: Store) -> None:
            await store.write([])
            assert [await store.count(kind) for kind in TABLES] == [0] * len(TABLES)
            for kind in (State, JobRecord):
                assert await store.get(kind, id=made.JOB) is None
            keys = Keys(
                arrivals=frozenset({STOCK}),
                links=frozenset({(made.RUN, STOCK)}),
                results=frozenset({made.JOB}),
                until=FAR,
            )
            found = await store.read(made.LOG, keys)
            assert (found.arrivals, found.links, found.results) == ({STOCK: []}, {(made.RUN, STOCK): []}, {})
            assert await store.count(Verdict) == await store.count(StateLink, run=made.RUN) == 0

        self.on(address, work)

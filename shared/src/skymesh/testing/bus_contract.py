"""The contract of a bus, as tests. Subclass it and say how the bus is opened."""

from __future__ import annotations

import random

import pytest

from skymesh.bus.bus import Bus, Outgoing
from skymesh.errors import BrokerUnavailableError, InvariantError
from skymesh.testing.bus_records import ENOUGH, KEYS, everything, look, outgoing, take
from skymesh.testing.contract import Contract
from skymesh.testing.opening import start_child


class BusContract(Contract):
    """What holds for every bus."""

    def test_records_of_a_key_stay_in_order_in_one_partition(self, address: str) -> None:
        """A partition is a function of the key, and keeps the order of publishing."""

        async def work(bus: Bus) -> None:
            await bus.create("t", partitions=4)
            await bus.publish(outgoing("t", 100))
            await bus.publish(outgoing("t", 100))
            found = [await everything(bus, "t", partition) for partition in range(4)]
            assert sum(map(len, found)) == 200
            homes = [{record.key for record in records} for records in found]
            assert sum(map(len, homes)) == len(set.union(*homes)) == len(KEYS)
            assert min(map(len, homes)) > 0
            for records in found:
                offsets = [record.offset for record in records]
                assert offsets == sorted(set(offsets))
                for key in {record.key for record in records}:
                    numbers = [int(record.value) for record in records if record.key == key]
                    start = KEYS.index(key)
                    assert numbers == [*range(start, 100, len(KEYS))] * 2

        self.on(address, work)

    def test_a_key_keeps_its_partition_when_the_bus_is_opened_again(self, address: str) -> None:
        """The partition knows nothing of the process: hashes of text differ between processes."""

        async def work(bus: Bus) -> list[set[str]]:
            await bus.create("t", partitions=4)
            await bus.publish(outgoing("t", len(KEYS)))
            return [
                {record.key for record in await everything(bus, "t", partition)} for partition in range(4)
            ]

        assert self.on(address, work) == self.on(address, work)

    def test_reading_goes_on_from_the_committed_offset(self, address: str) -> None:
        """What was read is read again until it is committed, also after opening again."""

        async def work(bus: Bus) -> None:
            await bus.create("t")
            await bus.publish(outgoing("t", 10, key="k"))
            async with bus.open("g", "t", 0) as partition:
                read = await partition.read(limit=4, max_bytes=ENOUGH)
                assert [int(record.value) for record in read.records] == [0, 1, 2, 3]
                assert await partition.read(limit=4, max_bytes=ENOUGH) == read
                await partition.commit(read, [])
                assert await bus.committed("g", "t", 0) == read.end == read.records[-1].offset + 1
                after = await partition.read(limit=2, max_bytes=ENOUGH)
                assert after.first == read.end
                assert [int(record.value) for record in after.records] == [4, 5]

        async def again(bus: Bus) -> None:
            async with bus.open("g", "t", 0) as partition:
                read = await partition.read(limit=100, max_bytes=ENOUGH)
                assert [int(record.value) for record in read.records] == [4, 5, 6, 7, 8, 9]
                await partition.commit(read, [])
                rest = await partition.read(limit=100, max_bytes=ENOUGH)
                assert rest.records == ()
                assert rest.first == rest.end >= read.end

        self.on(address, work)
        self.on(address, again)

    @pytest.mark.parametrize(
        "limit,max_bytes,count",
        [
            (1, ENOUGH, 1),
            (7, ENOUGH, 7),
            (100, ENOUGH, 20),
            (100, 1000, 10),
            (100, 1099, 10),
            (100, 1, 1),
            (5, 1000, 5),
        ],
    )
    def test_a_batch_keeps_its_limits_but_is_never_empty(
        self, address: str, limit: int, max_bytes: int, count: int
    ) -> None:
        """Count and bytes bound a batch; one record comes always, however big."""

        async def work(bus: Bus) -> int:
            await bus.create("t")
            await bus.publish(outgoing("t", 20, key="k", size=100))
            return len(await look(bus, "g", "t", limit=limit, max_bytes=max_bytes))

        assert self.on(address, work) == count

    def test_a_commit_publishes_its_outputs_and_moves_the_offset(self, address: str) -> None:
        """Both are there after it, and neither before."""

        async def work(bus: Bus) -> None:
            await bus.create("in")
            await bus.create("out", partitions=2)
            await bus.publish(outgoing("in", 3, key="k"))
            assert await bus.committed("g", "in", 0) == 0
            read = await take(bus, "g", "in", 2, outgoing("out", 8))
            published = [*await everything(bus, "out", 0), *await everything(bus, "out", 1)]
            assert sorted(int(record.value) for record in published) == [*range(8)]
            assert await bus.committed("g", "in", 0) == read.records[-1].offset + 1

        self.on(address, work)

    def test_a_reader_whose_offsets_moved_is_refused_and_publishes_nothing(self, address: str) -> None:
        """A zombie does no harm: another reader of its group has been here."""

        async def work(bus: Bus) -> None:
            await bus.create("in")
            await bus.create("out")
            await bus.publish(outgoing("in", 4, key="k"))
            async with bus.open("g", "in", 0) as stale:
                read = await stale.read(limit=3, max_bytes=ENOUGH)
                newer = await take(bus, "g", "in", 2, outgoing("out", 1))
                for _ in range(2):
                    with pytest.raises(BrokerUnavailableError):
                        await stale.commit(read, outgoing("out", 5))
            assert await bus.committed("g", "in", 0) == newer.end
            assert len(await everything(bus, "out", 0)) == 1

        self.on(address, work)

    def test_an_output_to_an_unknown_topic_takes_the_whole_commit_back(self, address: str) -> None:
        """All or nothing, also where one output is wrong."""

        async def work(bus: Bus) -> None:
            await bus.create("in")
            await bus.create("out")
            await bus.publish(outgoing("in", 1, key="k"))
            with pytest.raises(InvariantError):
                await take(bus, "g", "in", 1, [*outgoing("out", 2), *outgoing("nowhere", 1)])
            assert await bus.committed("g", "in", 0) == 0
            assert await everything(bus, "out", 0) == []

        self.on(address, work)

    def test_an_output_goes_to_the_partition_that_it_names_with_its_headers(self, address: str) -> None:
        """Whatever its key says."""

        async def work(bus: Bus) -> None:
            await bus.create("t", partitions=3)
            headers = (("why", b"because"), ("why", b""))
            await bus.publish([Outgoing("t", "k", b"%d" % n, partition=n, headers=headers) for n in range(3)])
            for number in range(3):
                (record,) = await everything(bus, "t", number)
                assert (record.key, int(record.value), record.headers) == ("k", number, headers)

        self.on(address, work)

    def test_records_that_wait_are_counted_and_gone_through(self, address: str) -> None:
        """As records, whatever offsets lie between; reading for no group changes nothing."""

        async def work(bus: Bus) -> None:
            await bus.create("in")
            await bus.create("t")
            assert await bus.waiting("g", "t", 0) == 0
            await bus.publish(outgoing("in", 5, key="k"))
            for count in range(5):
                await take(bus, "copy", "in", 1, outgoing("t", 2, key="k"))
                assert await bus.waiting("g", "t", 0) == 2 * count + 2
            told = [record async for part in bus.iter_from("t", 0, 0) for record in part]
            assert [int(record.value) for record in told] == [0, 1] * 5
            later = [record async for part in bus.iter_from("t", 0, told[4].offset) for record in part]
            assert later == told[4:]
            await take(bus, "g", "t", 3)
            assert await bus.waiting("g", "t", 0) == 7
            await take(bus, "g", "t", 100)
            assert await bus.waiting("g", "t", 0) == 0

        self.on(address, work)

    def test_what_was_published_is_settled(self, address: str) -> None:
        """All of it can be read: no transaction is open once publishing has returned."""

        async def work(bus: Bus) -> None:
            await bus.create("t", partitions=2)
            assert await bus.is_settled("t", 1)
            await bus.publish([Outgoing("t", "k", b"1", partition=1)])
            assert await bus.is_settled("t", 1)
            assert len(await everything(bus, "t", 1)) == 1

        self.on(address, work)

    def test_creating_again_changes_nothing_and_another_partition_count_is_refused(
        self, address: str
    ) -> None:
        """A topic keeps its records, and its number of partitions for ever."""

        async def work(bus: Bus) -> None:
            assert await bus.partitions("t") == 0
            await bus.create("t", partitions=3)
            await bus.publish(outgoing("t", 5, key="k"))
            await bus.create("t", partitions=3)
            assert await bus.partitions("t") == 3
            with pytest.raises(InvariantError):
                await bus.create("t", partitions=4)
            assert await bus.partitions("t") == 3
            assert sum([len(await everything(bus, "t", partition)) for partition in range(3)]) == 5

        self.on(address, work)

    def test_the_end_grows_with_each_record_and_commits_begin_at_none(self, address: str) -> None:
        """`end` is the next offset; `committed` is 0 before the first commit."""

        async def work(bus: Bus) -> None:
            await bus.create("t")
            assert (await bus.end("t", 0), await bus.committed("g", "t", 0)) == (0, 0)
            await bus.publish(outgoing("t", 3, key="k"))
            records = await everything(bus, "t", 0)
            assert await bus.end("t", 0) >= records[-1].offset + 1
            await bus.publish(outgoing("t", 1, key="k"))
            (record,) = await look(bus, "reader", "t")
            assert record.offset >= records[-1].offset + 1

        self.on(address, work)

    def test_groups_know_nothing_of_each_other(self, address: str) -> None:
        """Each reads everything at its own pace."""

        async def work(bus: Bus) -> None:
            await bus.create("t")
            await bus.publish(outgoing("t", 7, key="k"))
            assert len(await everything(bus, "t", 0, "quick")) == 7
            assert await bus.committed("slow", "t", 0) == 0
            assert len(await everything(bus, "t", 0, "slow")) == 7

        self.on(address, work)

    def test_a_topic_that_is_not_kept_gives_every_record_to_its_group_once(self, address: str) -> None:
        """Records may go behind the commit, never before; offsets are not given twice."""

        async def work(bus: Bus) -> None:
            await bus.create("t", is_kept=False)
            await bus.publish(outgoing("t", 7, key="k"))
            found = await everything(bus, "t", 0)
            await bus.publish(outgoing("t", 7, key="k"))
            found += await everything(bus, "t", 0)
            assert [int(record.value) for record in found] == [*range(7), *range(7)]
            offsets = [record.offset for record in found]
            assert offsets == sorted(set(offsets))
            assert await bus.end("t", 0) >= offsets[-1] + 1

        self.on(address, work)

    @pytest.mark.parametrize("seed", [1, 2, 3])
    def test_a_reader_killed_at_any_moment_has_published_exactly_what_it_committed(
        self, address: str, seed: int
    ) -> None:
        """Outputs and offset lie on one side of a kill."""
        count = 4000

        async def fill(bus: Bus) -> None:
            await bus.create("in")
            await bus.create("out")
            await bus.publish(outgoing("in", count, key="k"))

        async def count_both(bus: Bus) -> tuple[int, int]:
            outputs = [record async for part in bus.iter_from("out", 0, 0) for record in part]
            told = [(int(record.value[:-1]), record.value[-1:]) for record in outputs]
            assert told == [(n, half) for n in range(len(told) // 2) for half in (b"a", b"b")]
            return count - await bus.waiting("g", "in", 0), len(outputs)

        self.on(address, fill)
        child = start_child("bus_child", self.opener, address, "g", "in", "out")
        with child:
            assert child.stdout is not None
            for _ in range(random.Random(seed).randrange(1, 200)):
                assert child.stdout.readline()
            child.kill()
        done, outputs = self.on(address, count_both)
        assert 0 < done < count
        assert outputs == 2 * done

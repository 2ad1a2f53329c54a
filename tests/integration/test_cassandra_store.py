"""The store on a real Cassandra: made, refused, with many writers, much in it, and a node that goes away."""

from __future__ import annotations

import asyncio
import itertools
import time

import pytest

from skymesh.errors import InvariantError, SettingsError, StoreUnavailableError
from skymesh.model.alert import Arrival
from skymesh.model.execution import Result
from skymesh.model.run import ConfigRecord
from skymesh.settings.store import CassandraSettings
from skymesh.store.cassandra.clock import WriteClock
from skymesh.store.cassandra.schema import VERSION, init_store
from skymesh.store.cassandra.store import open_store as open_at
from skymesh.store.store import Keys
from skymesh.testing import documents as made
from support.cassandra_server import DURABLE
from support.cassandra_store import emptied, made_store, open_store, run_statements

LIMIT_S = 60


@pytest.fixture(scope="module")
def made_url(cassandra_address):
    with made_store(cassandra_address, "integration") as url:
        yield url


@pytest.fixture
def url(made_url):
    return emptied(made_url)


def refusal(action):
    """Return the one line with which something is refused."""
    with pytest.raises(SettingsError) as caught:
        asyncio.run(action)
    assert "\n" not in str(caught.value)
    return str(caught.value)


async def opened_and_closed(url, settings=None):
    await (await open_at(url, settings or CassandraSettings())).close()


def test_a_store_is_made_by_many_at_once_and_again(cassandra_address):
    with made_store(cassandra_address, "many") as url:
        run_statements(url, (f"DROP KEYSPACE {url.rpartition('/')[2]}",))

        async def init():
            await asyncio.gather(*(init_store(url, CassandraSettings()) for _ in range(4)))
            await init_store(url, CassandraSettings())
            async with open_store(url) as store:
                await store.write(made.one_of_each())
            await init_store(url, CassandraSettings())
            async with open_store(url) as store:
                assert await store.count(Arrival) == 1

        asyncio.run(init())


def test_a_keyspace_that_is_not_there_is_refused_with_how_to_make_it(cassandra_address):
    said = refusal(opened_and_closed(f"cassandra://{cassandra_address}/nothing_here"))
    assert "nothing_here" in said
    assert "`skymesh store init` makes it" in said


def test_a_keyspace_that_was_begun_and_not_finished_is_refused_until_it_is(url):
    keyspace = url.rpartition("/")[2]
    run_statements(url, (f"TRUNCATE {keyspace}.layout",))
    assert "`skymesh store init` makes it" in refusal(opened_and_closed(url))
    asyncio.run(init_store(url, CassandraSettings()))
    asyncio.run(opened_and_closed(url))


@pytest.mark.parametrize(
    "column,value,said",
    [
        ("version", VERSION + 1, f"its layout is version {VERSION + 1}, this program's is {VERSION}"),
        ("fingerprint", "other", f"its tables are not those of version {VERSION}"),
    ],
)
def test_a_store_of_another_version_is_refused_and_left_alone(url, column, value, said):
    table = f"{url.rpartition('/')[2]}.layout"
    ((before,),) = run_statements(url, (f"SELECT {column} FROM {table}",))
    change = f"UPDATE {table} SET {column} = %s WHERE id = 'store'"
    run_statements(url, (change, (value,)))
    assert said in refusal(opened_and_closed(url))
    assert said in refusal(init_store(url, CassandraSettings()))
    ((after,),) = run_statements(
        url,
        (f"SELECT {column} FROM {table}",),
    )
    assert after == value
    run_statements(url, (change, (before,)))
    asyncio.run(opened_and_closed(url))


@pytest.mark.parametrize(
    "settings,said",
    [
        ({"write_consistency": "ANY"}, "may miss what was written at ANY, with copies: 1 in datacenter1"),
        ({"local_datacentre": "mars"}, "SKYMESH_STORE_LOCAL_DATACENTRE: the cluster has no datacentre mars"),
    ],
)
def test_what_would_lose_writes_is_refused_at_the_start(url, settings, said):
    assert said in refusal(opened_and_closed(url, CassandraSettings(**settings)))
    assert said in refusal(init_store(url, CassandraSettings(**settings)))


@pytest.mark.parametrize(
    "replication,said",
    [
        ("3", "3 copies are asked for in datacenter1, which has 1"),
        ("mars=1", "1 copies are asked for in mars"),
    ],
)
def test_more_copies_than_there_are_nodes_are_refused(url, replication, said):
    other = CassandraSettings(replication=replication)
    assert said in refusal(init_store(f"{url}_more", other))


def test_a_place_where_nobody_answers_is_unavailable():
    with pytest.raises(StoreUnavailableError, match=r"127\.0\.0\.1:1/sky: Cassandra does not answer"):
        asyncio.run(opened_and_closed("cassandra://127.0.0.1:1/sky"))


def test_the_first_of_two_sessions_to_write_wins(url):
    """Whichever writes again, and however often; what is final wins over what gives way."""
    pairs = made.with_changes()

    async def work():
        async with open_store(url) as first, open_store(url) as second:
            await first.write([pair[0] for pair in pairs])
            for _ in range(2):
                await second.write([pair[1] for pair in pairs])
                await first.write([pair[1] for pair in pairs])
            for store, (kept, other) in itertools.product((first, second), pairs):
                assert [found async for found in store.scan(type(kept)) if found == other] == []
            ended, real = made.result(7, is_transient=True), made.result(7)
            await first.write([ended])
            await second.write([real])
            await first.write([ended])
            assert await second.get(Result, id=real.id) == real
            assert await second.count(Result, is_transient=True) == 0

    asyncio.run(work())


def test_a_writer_whose_clock_is_ahead_does_not_replace_what_is_there(url, monkeypatch):
    first, second = made.with_changes()[1]
    clock = WriteClock()

    async def write(document):
        async with open_store(url) as store:
            await store.write([document])
            return [found async for found in store.scan(ConfigRecord)]

    assert asyncio.run(write(first)) == [first]
    now_ns = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now_ns() + 3600 * 10**9)
    monkeypatch.setattr("skymesh.store.cassandra.store.CLOCK", clock)
    assert asyncio.run(write(second)) == [first]


def test_much_is_scanned_in_order_page_by_page(url):
    numbers = list(range(0, 6000, 3))

    async def work():
        async with open_store(url) as store:
            await store.write([made.arrival(number) for number in reversed(numbers)])
            everywhere = [row.position async for row in store.scan(Arrival, log=made.LOG)]
            of_stock = [row.position async for row in store.scan(Arrival, log=made.LOG, stock=made.STOCKS[0])]
            assert everywhere == of_stock == [made.place(number) for number in numbers]
            assert await store.count(Arrival, log=made.LOG) == len(numbers)
            keys = Keys(arrivals=frozenset(made.STOCKS), until=made.place(numbers[-1]))
            found = (await store.read(made.LOG, keys)).arrivals
            assert [row.position for row in found[made.STOCKS[0]]] == of_stock

    asyncio.run(work())


def test_blocks_of_megabytes_come_back(url):
    blocks = [made.cutouts(bytes([number]) * (4 << 20)) for number in range(6)]

    async def work():
        async with open_store(url) as store:
            await store.write(blocks)
            found = await store.read(made.LOG, Keys(cutouts=frozenset(block.id for block in blocks)))
            assert found.cutouts == {block.id: block.block for block in blocks}

    asyncio.run(work())


def test_more_at_once_than_connections_take_waits_its_turn(url):
    """A full socket is no error, as long as the other side takes something from it."""
    blocks = [made.cutouts(number.to_bytes(4) * 15_000) for number in range(400)]

    async def work():
        async with open_store(url) as store:
            await asyncio.gather(*(store.write(blocks) for _ in range(6)))
            found = await store.read(made.LOG, Keys(cutouts=frozenset(block.id for block in blocks)))
            assert found.cutouts == {block.id: block.block for block in blocks}

    asyncio.run(work())


def test_a_table_that_was_taken_away_is_a_broken_law_and_nobody_waits_for_ever(cassandra_address):
    with made_store(cassandra_address, "broken") as url:

        async def work():
            async with open_store(url) as store:
                await store.write([made.result(0)])
                run = store._connection.run
                await run("DROP TABLE results")
                with pytest.raises(InvariantError, match="Cassandra refuses a statement"):
                    await store.write([made.result(number) for number in range(500)])
                # The session is as good as before.
                await store.write([made.arrival(0)])
                assert await store.count(Arrival) == 1

        asyncio.run(asyncio.wait_for(work(), 3 * LIMIT_S))


async def failure(store, number):
    """Write a batch; return the error with which that failed."""
    try:
        await store.write([made.result(number * 50 + offset) for offset in range(50)])
    except StoreUnavailableError as error:
        return str(error)


async def written(store, number, coming=None):
    """Write a batch, however often that fails while a node is coming back."""
    error, end = "", time.monotonic() + 3 * LIMIT_S
    while time.monotonic() < end:
        if (error := await failure(store, number)) is None:
            return
        if coming is not None and coming.done():
            coming.result()
        await asyncio.sleep(0.1)
    pytest.fail(f"the store does not come back: {error}")


async def suffered(store, number, away, back):
    """Take a node away while a batch is written again and again, bring it back; return the first error."""
    going = asyncio.create_task(asyncio.to_thread(away))
    while (error := await failure(store, number)) is None:
        pass
    await going
    coming = asyncio.create_task(asyncio.to_thread(back))
    await written(store, number, coming)
    await coming
    return error


@pytest.mark.slow
@pytest.mark.parametrize("own_cassandra", [DURABLE], indirect=True, ids=["durable"])
def test_a_node_that_goes_away_under_load_loses_nothing(own_cassandra):
    """Writes say that the store is away, go on by themselves when it is back, and all is there."""
    url = f"cassandra://{own_cassandra.address}/sky"
    settings = CassandraSettings(timeout_s=10.0)
    outages = {10: ("kill", "start"), 20: ("suspend", "resume"), 30: ("stop", "start")}
    errors = []

    async def work():
        await init_store(url, CassandraSettings())
        store = await open_at(url, settings)
        for number in range(40):
            if number in outages:
                away, back = (getattr(own_cassandra, name) for name in outages[number])
                errors.append(await suffered(store, number, away, back))
            await written(store, number)
        await store.close()
        async with open_store(url) as patient:
            assert await patient.count(Result) == 2000
            found = await patient.read(made.LOG, Keys(results=frozenset({made.result(1050).id})))
            assert list(found.results.values()) == [made.result(1050)]

    asyncio.run(asyncio.wait_for(work(), 10 * LIMIT_S))
    assert len(errors) == len(outages)
    assert not any("\n" in error for error in errors)


@pytest.mark.slow
@pytest.mark.parametrize(
    "own_cassandra", [{"authenticator": "PasswordAuthenticator"}], indirect=True, ids=["guarded"]
)
def test_credentials_that_are_wrong_are_refused_without_being_told(own_cassandra, tmp_path):
    url = f"cassandra://{own_cassandra.address}/sky"
    (tmp_path / "password").write_text("cassandra\n")
    right = CassandraSettings(user="cassandra", password_file=tmp_path / "password")

    async def made_when_the_user_is_there():
        end = time.monotonic() + LIMIT_S
        while True:
            try:
                return await init_store(url, right)
            except (SettingsError, StoreUnavailableError):
                assert time.monotonic() < end
                await asyncio.sleep(0.2)

    asyncio.run(made_when_the_user_is_there())
    asyncio.run(opened_and_closed(url, right))
    for wrong in (CassandraSettings(user="cassandra", password="hidden"), CassandraSettings()):
        said = refusal(opened_and_closed(url, wrong))
        assert "refuses the user or the password" in said
        assert "hidden" not in said

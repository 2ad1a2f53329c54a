"""What the store on Cassandra is made of, as far as it needs no server."""

from __future__ import annotations

import asyncio
import itertools
import time

import pytest
from cassandra import AuthenticationFailed, OperationTimedOut
from cassandra.cluster import NoHostAvailable
from cassandra.connection import ConnectionBusy, ConnectionShutdown
from cassandra.pool import NoConnectionsAvailable
from cassandra.protocol import OverloadedErrorMessage
from hypothesis import given
from hypothesis import strategies as st

from skymesh.errors import SettingsError, StoreUnavailableError
from skymesh.model.alert import Alert, Arrival, Cutouts
from skymesh.model.deployment import PlacedMarker
from skymesh.model.execution import JournalEntry, Result, Settled, View
from skymesh.model.reaction import Intent, Receipt
from skymesh.model.run import DeadLetter
from skymesh.model.state import StateLink, Verdict
from skymesh.store.cassandra.clock import WriteClock
from skymesh.store.cassandra.connection import parse_address
from skymesh.store.cassandra.errors import mesh_errors
from skymesh.store.cassandra.layout import KINDS, layout_of
from skymesh.store.cassandra.scan import over_the_ring
from skymesh.testing import documents as made

LOWEST, HIGHEST = -(2**63), 2**63 - 1


@pytest.mark.parametrize(
    "url,nodes,keyspace",
    [
        ("cassandra://a:19042/sky", (("a", 19042),), "sky"),
        ("cassandra://a.b,c:2/sky_2", (("a.b", 9042), ("c", 2)), "sky_2"),
        ("cassandra://[::1]:3,[fe80::2]/s", (("::1", 3), ("fe80::2", 9042)), "s"),
    ],
)
def test_an_address_names_nodes_and_a_keyspace(url, nodes, keyspace):
    assert parse_address(url) == (nodes, keyspace)


@pytest.mark.parametrize(
    "url,problem",
    [
        ("sqlite:here", "is given as cassandra://"),
        ("cassandra://", "is given as"),
        ("cassandra://a:1", "is given as"),
        ("cassandra:///sky", "is given as"),
        ("cassandra://a:1,/sky", "is given as"),
        ("cassandra://a:b/sky", "is given as"),
        ("cassandra://a:0/sky", "a port is"),
        ("cassandra://a:99999/sky", "a port is"),
        ("cassandra://a:1/", "a keyspace is"),
        ("cassandra://a:1/Sky", "a keyspace is"),
        ("cassandra://a:1/sky/more", "a keyspace is"),
        ("cassandra://a:1/sky;drop", "a keyspace is"),
        (f"cassandra://a:1/{'s' * 49}", "a keyspace is"),
    ],
)
def test_what_is_no_address_is_refused_in_one_line(url, problem):
    with pytest.raises(SettingsError, match=problem) as caught:
        parse_address(url)
    assert "\n" not in str(caught.value)


def test_a_password_in_an_address_is_refused_and_not_repeated():
    with pytest.raises(SettingsError, match="SKYMESH_STORE_PASSWORD_FILE") as caught:
        parse_address("cassandra://me:hidden@a:1/sky")
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    "kind,key",
    [
        (Arrival, '("log", "stock"), "position"'),
        (Verdict, '("run", "stock"), "position"'),
        (StateLink, '("run", "stock"), "position"'),
        (Settled, '("run", "stock"), "position"'),
        (View, '("run", "stock"), "position", "channel"'),
        (Intent, '("run", "stock"), "id"'),
        (Receipt, '("id"), "run"'),
        (Result, '("id")'),
        (Cutouts, '("id")'),
        (Alert, '("record")'),
        (PlacedMarker, '("log", "partition"), "position"'),
        (DeadLetter, '("run", "source", "bucket"), "index", "tier"'),
        (
            JournalEntry,
            '("run", "tier", "partition", "bucket"), "channel", "instance", "source", "first"',
        ),
    ],
)
def test_rows_that_are_read_together_share_a_partition(kind, key):
    assert f"PRIMARY KEY ({key})" in layout_of(kind).create()[0]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_rows_are_told_apart_by_the_key_of_the_document(kind):
    layout = layout_of(kind)
    # What else is in the primary key is a function of the key: a bucket, or the stock at a position.
    others = {"bucket", *layout.table.others}
    assert {*layout.partition, *layout.clustering} - others == set(layout.table.key)


def test_ever_growing_partitions_are_cut_into_buckets():
    layout = layout_of(JournalEntry)
    bucket = layout.columns.index("bucket")
    rows = [layout.row(made.entry(number)) for number in (0, 819, 820)]
    assert [row[bucket] for row in rows] == [0, 0, 1]


def test_timestamps_fall_where_the_first_copy_stays_and_rise_where_the_last_does(monkeypatch):
    clock, now_ns = WriteClock(), itertools.cycle([5000_000, 3000_000, 9000_000, 9000_001])
    monkeypatch.setattr(time, "time_ns", lambda: next(now_ns))
    first = [clock.first_stays() for _ in range(9)]
    transient = [clock.gives_way() for _ in range(9)]
    last = [clock.last_stays() for _ in range(9)]
    assert all(later < earlier for earlier, later in itertools.pairwise(first))
    assert all(
        later > earlier
        for timestamps in (transient, last)
        for earlier, later in itertools.pairwise(timestamps)
    )


def test_what_is_final_wins_over_what_gives_way_whenever_it_is_written(monkeypatch):
    clocks = []
    for seconds in (0, 4_100_000_000):  # from 1970 to 2099
        monkeypatch.setattr(time, "time_ns", lambda seconds=seconds: seconds * 10**9)
        clocks.append(WriteClock())
        clocks[-1].range = (clocks[-1].gives_way(), clocks[-1].first_stays(), clocks[-1].last_stays())
    early, late = (clock.range for clock in clocks)
    assert max(early[0], late[0]) < min(early[1], late[1]) <= WriteClock.DELETION < 2**63
    assert max(early[2], late[2]) < min(early[0], late[0])


@given(
    tokens=st.sets(st.integers(LOWEST + 1, HIGHEST) | st.sampled_from([LOWEST + 1, 0, HIGHEST]), max_size=40),
    at_once=st.integers(1, 41),
)
def test_a_walk_over_the_ring_leaves_nothing_out_however_little_can_be_read_at_once(tokens, at_once):
    async def pages_of(low, high):
        found = sorted(token for token in tokens if low < token <= high)
        for number, token in enumerate(found):
            if number == at_once and high - low > 2**45:
                raise OperationTimedOut
            yield [token]

    async def walk():
        return [token async for page in over_the_ring(pages_of) for token in page]

    found = asyncio.run(walk())
    assert set(found) == tokens


def test_a_walk_over_the_ring_ends_if_the_smallest_range_takes_too_long():
    async def pages_of(low, high):
        raise OperationTimedOut
        yield []

    async def walk():
        return [page async for page in over_the_ring(pages_of)]

    with pytest.raises(OperationTimedOut):
        asyncio.run(walk())


@pytest.mark.parametrize(
    "error",
    [
        OverloadedErrorMessage(0x1001, "busy", None),
        ConnectionShutdown("the connection is closed"),
        ConnectionBusy("full"),
        NoConnectionsAvailable("none"),
        OperationTimedOut(),
        NoHostAvailable("nobody", {"a": AuthenticationFailed("Unable to perform authentication: no answer")}),
    ],
)
def test_a_node_that_cannot_answer_now_is_away_whatever_the_driver_calls_it(error):
    with pytest.raises(StoreUnavailableError, match="sky: Cassandra does not answer"), mesh_errors("sky"):
        raise error

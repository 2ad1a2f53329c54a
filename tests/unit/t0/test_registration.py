"""What an alert adds to its stock: new points once, and nothing that nobody would see."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from skymesh.model.position import Position
from skymesh_t0.registration import StockRegister
from support.packets import JD, alert, as_history, candidate, detection, forced, limit

LOG = bytes(16)
TRIGGERS = [candidate(jd_utc=JD + day, programid=1 + day % 3) for day in range(5)]


def growing():
    """Five alerts of one object; each repeats the detections before it, and a limit and forced photometry."""
    return [
        alert(
            trigger=trigger,
            history=[limit(jd_utc=JD - 5), *map(as_history, TRIGGERS[:number])],
            forced=[forced(jd_utc=JD - 4)],
        )
        for number, trigger in enumerate(TRIGGERS)
    ]


GROWING = growing()


def register(alerts, arrivals=()):
    stock = StockRegister(arrivals)
    first = len(arrivals)
    return [stock.register(LOG, Position(0, 0, first + i), each) for i, each in enumerate(alerts)]


def natives(arrival):
    return [point.native for point in arrival.alert.points]


def test_an_alert_registers_only_what_is_new():
    rows = register(GROWING)
    assert len(rows[0].alert.points) == 3
    assert [natives(row) for row in rows[1:]] == [[trigger["candid"]] for trigger in TRIGGERS[1:]]


def test_a_rounded_copy_below_its_triggering_version_is_left_out():
    rows = register(GROWING[:2])
    assert all(point.is_triggering for row in rows for point in row.alert.points if point.kind == "detection")


def test_a_triggering_version_that_comes_after_its_copy_is_registered_beside_it():
    late, early = register([GROWING[1], GROWING[0]])
    assert TRIGGERS[0]["candid"] in natives(late)
    assert natives(early) == [TRIGGERS[0]["candid"]]
    assert early.alert.points[0].is_triggering


def test_an_outranked_copy_with_other_labels_is_kept_for_those_who_may_see_only_it():
    trigger = candidate(programid=2)
    first = alert(trigger=trigger)
    copy = as_history(trigger) | {"programid": 1}
    second = alert(jd_utc=JD + 1, history=[copy])
    rows = register([first, second])
    assert natives(rows[1]) == [second.native, first.native]


def test_a_duplicate_registers_nothing_whatever_it_carries():
    first = alert(history=[detection()])
    second = alert(history=[detection(), detection(jd_utc=JD - 8), limit(jd_utc=JD - 9)])
    assert first.id == second.id
    rows = register([first, second])
    assert [row.is_duplicate for row in rows] == [False, True]
    assert natives(rows[1]) == []
    assert rows[1].trigger == first.trigger.id
    third = register([alert(jd_utc=JD + 1, history=[detection(jd_utc=JD - 8)])], rows)[0]
    assert len(natives(third)) == 2


def test_a_point_that_stands_twice_in_one_packet_is_registered_once():
    twice = alert(history=[limit(), limit(), detection(), detection()])
    (row,) = register([twice])
    assert len(row.alert.points) == 3


def test_a_row_says_where_and_what():
    (row,) = register([GROWING[1]])
    assert (row.log, row.stock, row.position) == (LOG, GROWING[1].stock, Position(0, 0, 0))
    assert row.trigger == GROWING[1].trigger.id
    assert row.trigger_labels == ("ztf_private",)
    assert replace(row.alert, points=GROWING[1].points) == GROWING[1]


@given(st.lists(st.sampled_from(GROWING), max_size=8), st.integers(0, 8))
def test_going_on_from_stored_rows_gives_the_same_rows(alerts, cut):
    whole = register(alerts)
    assert register(alerts[cut:], whole[:cut]) == whole[cut:]


@given(st.permutations(GROWING))
def test_in_any_order_every_version_that_counts_is_registered_exactly_once(alerts):
    rows = register(alerts)
    ids = [point.id for row in rows for point in row.alert.points]
    assert len(ids) == len(set(ids))
    assert {each.trigger.id for each in GROWING} <= set(ids)
    assert sum(row.is_duplicate for row in rows) == 0

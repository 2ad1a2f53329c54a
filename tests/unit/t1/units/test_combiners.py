"""Combiners: everything visible, or what would have been known detection by detection."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from skymesh.model.position import Position
from skymesh.model.state import make_state
from skymesh_t0.registration import StockRegister
from skymesh_t1.muxing import known_points, mux
from skymesh_t1.units.retro_states import RetroStates
from skymesh_t1.units.visible_points import VisiblePoints
from support.packets import JD, PUBLIC, alert, as_history, candidate, detection, forced, limit, points

DAYS = [0.0, 1.0, 1.5, 4.0, 9.0]
LIMITS = [limit(jd_utc=JD - 0.5), limit(jd_utc=JD + 2.0), limit(jd_utc=JD + 3.0, fid=2)]
TRIGGERS = [candidate(jd_utc=JD + day, fid=1 + number % 2) for number, day in enumerate(DAYS)]


def states_of(unit, muxed):
    return [make_state("ztf:x", (point.id for point in members)).id for members in unit.combine(muxed)]


def test_visible_points_make_one_state_and_none_without_points():
    muxed = mux(points(history=[detection(), limit()]), PUBLIC)
    assert list(VisiblePoints().combine(muxed)) == [muxed]
    assert list(VisiblePoints().combine(())) == []


def one_by_one():
    """The states of the alerts one by one; each packet repeats what was before it."""
    register, rows, states = StockRegister(), [], []
    for number, trigger in enumerate(TRIGGERS):
        history = [*map(as_history, TRIGGERS[:number]), *(e for e in LIMITS if e["jd"] < trigger["jd"])]
        each = alert(trigger=trigger, history=history)
        rows.append(register.register(bytes(16), Position(0, 0, number), each))
        states += states_of(VisiblePoints(), mux(known_points(rows, rows[-1].position), PUBLIC))
    return rows, states


def test_the_states_of_a_long_history_are_those_of_the_alerts_one_by_one():
    rows, states = one_by_one()
    whole = mux(known_points(rows, rows[-1].position), PUBLIC)
    assert states_of(RetroStates(), whole) == states
    assert len(set(states)) == len(DAYS)


def test_upper_limits_and_forced_photometry_are_carried_along_and_open_no_state():
    history = [limit(jd_utc=JD - 9), detection(jd_utc=JD - 5), limit(jd_utc=JD - 3)]
    muxed = mux(points(history=history, forced=[forced(jd_utc=JD - 4)]), PUBLIC)
    kinds = [[point.kind for point in members] for members in RetroStates().combine(muxed)]
    assert kinds == [["limit", "detection"], ["limit", "detection", "forced", "limit", "detection"]]


def test_a_history_of_limits_alone_has_no_state():
    muxed = mux(points(history=[limit(), limit(jd_utc=JD - 9)])[1:], PUBLIC)
    assert list(RetroStates().combine(muxed)) == []


def test_detections_of_one_moment_open_one_state():
    muxed = mux(points(history=[detection(rcid=10), detection(rcid=11)]), PUBLIC)
    assert [len(members) for members in RetroStates().combine(muxed)] == [2, 3]


@given(st.permutations(range(5)))
def test_states_follow_time_whatever_the_order_given(order):
    muxed = mux(points(history=[detection(jd_utc=JD - day) for day in (1, 2, 3, 4)]), PUBLIC)
    found = [
        {point.id for point in members}
        for members in RetroStates().combine([muxed[index] for index in order])
    ]
    assert found == [{point.id for point in muxed[: size + 1]} for size in range(5)]

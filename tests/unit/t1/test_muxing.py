"""What a channel's states may be made of: a set, whatever the order of what came."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from skymesh.model.alert import Arrival
from skymesh.model.ids import digest_bytes
from skymesh.model.point import DataPoint
from skymesh.model.position import Position
from skymesh_t1.muxing import known_points, mux
from support.packets import (
    EVERYTHING,
    JD,
    PUBLIC,
    alert,
    as_history,
    candid_of,
    candidate,
    detection,
    forced,
    limit,
    points,
)

LABELS = sorted(EVERYTHING)
GRANTS = st.frozensets(st.sampled_from(LABELS))


@st.composite
def versions(draw):
    """Versions of a few measurements in a few exposures; the id follows from the content."""
    kind = draw(st.sampled_from(["detection", "detection", "limit", "forced"]))
    native = draw(st.integers(1, 6))
    exposure = (2459500.5 + native // 3, 28) if kind == "detection" and native != 6 else None
    label = draw(st.sampled_from(LABELS))
    rank = (draw(st.booleans()), draw(st.booleans()), float(draw(st.integers(0, 2))))
    id_ = digest_bytes("point", repr((kind, native, label, rank)).encode())
    return DataPoint(id_, "ztf", kind, native, *rank, (label,), exposure, 59500.0 + native // 3, id_)


VERSIONS = st.lists(versions(), max_size=14)


def ids(found):
    return [point.id for point in found]


@given(VERSIONS, GRANTS, st.randoms(use_true_random=False))
def test_the_order_of_the_points_does_not_matter(given_points, grants, random):
    shuffled = list(given_points)
    random.shuffle(shuffled)
    assert mux(shuffled, grants) == mux(given_points, grants)


@given(VERSIONS, GRANTS)
def test_muxing_again_changes_nothing(given_points, grants):
    once = mux(given_points, grants)
    assert mux(once, grants) == once
    assert mux([*given_points, *given_points], grants) == once


@given(VERSIONS, GRANTS)
def test_one_version_per_measurement_the_highest_visible_and_none_if_that_is_withdrawn(given_points, grants):
    found = mux(given_points, grants)
    assert max(Counter(point.key for point in found).values(), default=0) <= 1
    for point in found:
        rivals = [p for p in given_points if p.key == point.key and grants.issuperset(p.labels)]
        assert point.rank == max(rival.rank for rival in rivals)
        assert not point.is_withdrawn


@given(VERSIONS, GRANTS)
def test_one_detection_per_exposure_that_with_the_largest_candid_and_nothing_else_is_lost(
    given_points, grants
):
    in_force = {}
    for point in given_points:
        if grants.issuperset(point.labels) and (
            point.key not in in_force or point.rank > in_force[point.key].rank
        ):
            in_force[point.key] = point
    alive = [point for point in in_force.values() if not point.is_withdrawn]
    expected = {
        point.id
        for point in alive
        if point.exposure is None
        or point.native
        == max(p.native for p in alive if p.kind == "detection" and p.exposure == point.exposure)
    }
    assert set(ids(mux(given_points, grants))) == expected


@given(VERSIONS, GRANTS, GRANTS)
def test_hidden_points_have_no_influence(given_points, grants, more):
    visible_ones = [point for point in given_points if grants.issuperset(point.labels)]
    assert mux(given_points, grants) == mux(visible_ones, grants | more) == mux(visible_ones, grants)


@given(VERSIONS)
def test_without_grants_there_is_nothing(given_points):
    assert mux(given_points, frozenset()) == ()


@given(VERSIONS, GRANTS)
def test_the_result_is_in_order_of_time(given_points, grants):
    times = [(point.mjd_tai, point.id) for point in mux(given_points, grants)]
    assert times == sorted(times)


def test_reprocessing_makes_a_new_detection_that_replaces_the_old_one():
    old, new = candid_of(JD - 3, 28, 15001), candid_of(JD - 3, 28, 15002)
    found = points(history=[detection(candid=new), detection(candid=old), detection(candid=old + 9, rcid=29)])
    assert sorted(p.native for p in mux(found[1:], PUBLIC)) == sorted([new, old + 9])


def test_the_triggering_version_is_in_force_before_its_copies():
    trigger = candidate()
    first = points(trigger=trigger)[0]
    copies = [points(jd_utc=JD + 2, history=[as_history(trigger) | {"rb": rb}])[1] for rb in (0.1, 0.2, 0.3)]
    assert mux([*copies, first, *copies], PUBLIC) == (first,)


def test_limits_and_forced_photometry_of_one_exposure_all_stay():
    found = points(history=[limit(jd_utc=JD - 4)], forced=[forced(jd_utc=JD - 4)])
    assert len(mux(found, PUBLIC)) == 3


def test_points_known_at_a_position_are_those_of_the_rows_up_to_it():
    rows = []
    for offset in range(3):
        each = alert(jd_utc=JD + offset)
        rows.append(
            Arrival(bytes(16), each.stock, Position(0, 0, offset * 10), each, each.trigger.id, (), False)
        )
    assert [len(known_points(rows, Position(0, 0, offset))) for offset in (0, 9, 10, 20, 99)] == [
        1,
        1,
        2,
        3,
        3,
    ]
    assert known_points(rows, Position(0, 0, 10))[1] == rows[1].alert.trigger


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 3)), min_size=1, unique_by=lambda item: item[0]))
def test_of_one_exposure_the_point_that_was_processed_last_stays(natives):
    """Without a time of processing the largest native id stands for it."""
    made = [
        DataPoint(digest_bytes("point", bytes([native])), "lsst", kind, native, False, False,
                  float(processed), ("lsst_public",), (2026030900027.0, 42), 61109.0, bytes([native]))
        for native, processed in natives
        for kind in ("detection", "forced")
    ]  # fmt: skip
    latest = max(natives, key=lambda item: (item[1], item[0]))[0]
    found = mux(made, frozenset({"lsst_public"}))
    assert sorted((point.kind, point.native) for point in found) == [
        ("detection", latest),
        ("forced", latest),
    ]

"""SN 2021rhu: 34 real alerts over 22 nights make 34 detections, however often each is told again."""

from __future__ import annotations

from itertools import pairwise

import pytest

from skymesh.model.state import make_state
from skymesh_t1.muxing import known_points, mux
from skymesh_t2.units.difference_flux import DifferenceFlux
from support.packets import PUBLIC
from support.supernova import STOCK, alerts_of, register

pytestmark = pytest.mark.shared_data


@pytest.fixture
def alerts(shared_data):
    return alerts_of(shared_data)


@pytest.fixture
def arrivals(alerts):
    return register(alerts)


def detections(points):
    return [point for point in points if point.kind == "detection"]


def test_34_alerts_make_34_detections(alerts, arrivals):
    assert len(alerts) == 34
    assert {alert.stock for alert in alerts} == {STOCK}
    muxed = mux(known_points(arrivals, arrivals[-1].position), PUBLIC)
    assert len(detections(muxed)) == 34
    assert {point.native for point in detections(muxed)} == {alert.native for alert in alerts}
    assert all(point.is_triggering for point in detections(muxed))
    assert len({point.native for alert in alerts for point in detections(alert.points)}) == 34


def test_whoever_takes_content_for_identity_counts_many_of_them_twice(alerts):
    assert len({point.id for alert in alerts for point in detections(alert.points)}) > 60


def test_each_alert_adds_one_detection_and_a_new_state(arrivals):
    states = [mux(known_points(arrivals, row.position), PUBLIC) for row in arrivals]
    assert [len(detections(state)) for state in states] == list(range(1, 35))
    assert len({make_state(STOCK, (p.id for p in state)).id for state in states}) == 34
    for earlier, later in pairwise(states):
        assert set(detections(earlier)) < set(detections(later))


def test_another_order_of_the_alerts_leads_to_the_same_last_state(alerts, arrivals):
    backwards = register(alerts[::-1])
    last = mux(known_points(arrivals, arrivals[-1].position), PUBLIC)
    assert mux(known_points(backwards, backwards[-1].position), PUBLIC) == last


def test_the_light_curve_has_one_row_per_exposure_and_band(arrivals):
    muxed = mux(known_points(arrivals, arrivals[-1].position), PUBLIC)
    curve = DifferenceFlux().tabulate(muxed)
    assert (curve.kind[curve.is_good] == "detection").sum() == 34
    assert sorted(curve.mjd_tai) == curve.mjd_tai.tolist()
    assert curve.bands == ("ztfg", "ztfr")
    assert 11.5 < curve.good.mag_ab.min() < 13

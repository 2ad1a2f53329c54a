"""A sieve keeps what passes every cut, and says of everything else which cut it failed first."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skymesh.model.point import raw_values
from skymesh.surveys import registry
from skymesh.units import AlertTable, Sieve, Verdict, values_at
from support.packets import JD, PUBLIC, detection, limit
from support.views import view


def table(*scores):
    return AlertTable(tuple(view(rb=score, candid=n) for n, score in enumerate(scores, 1)))


def verdicts(scores, cuts):
    sieve = Sieve(table(*scores), "ztf")
    for name, is_low, bound in cuts:
        (sieve.at_least if is_low else sieve.at_most)(name, sieve.column("rb"), bound)
    return sieve.verdicts()


def test_the_reason_is_name_and_value_of_the_cut():
    assert verdicts([0.25, 0.5, 0.75], [("min_rb", True, 0.5), ("max_rb", False, 0.5)]) == [
        Verdict(False, "min_rb: 0.25"), Verdict(True), Verdict(False, "max_rb: 0.75"),
    ]  # fmt: skip


def test_an_absent_value_fails_every_cut_and_is_called_absent():
    assert verdicts([None], [("min_rb", True, -1.0)]) == [Verdict(False, "min_rb: absent")]
    assert verdicts([None], [("max_rb", False, 2.0)]) == [Verdict(False, "max_rb: absent")]


def test_a_value_is_written_as_the_survey_wrote_it():
    assert verdicts([0.12], [("min_rb", True, 0.5)]) == [Verdict(False, "min_rb: 0.12")]


def test_in_single_precision_a_packets_limit_is_the_limit():
    # As doubles the packet's 0.7 is below 0.7 and its 0.4 above 0.4.
    sieve = Sieve(table(0.7), "ztf")
    assert sieve.column("rb")[0] < 0.7
    sieve.at_least("min_rb", sieve.single("rb"), 0.7)
    sieve.at_most("max_rb", sieve.single("rb"), 0.7)
    assert sieve.verdicts() == [Verdict(True)]


def test_alerts_of_another_survey_are_not_for_it():
    sieve = Sieve(table(0.5), "lsst")
    sieve.at_least("min_rb", sieve.column("rb"), 0.1)
    assert sieve.verdicts() == [Verdict(False, "not_for_this_survey")]
    assert len(sieve.table) == 0


@given(
    st.lists(st.sampled_from([None, 0.0, 0.25, 0.5, 0.75, 1.0]), max_size=6),
    st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.sampled_from([0.0, 0.5, 1.0])), max_size=4),
)
def test_the_first_cut_that_fails_is_named(scores, cuts):
    found = verdicts(scores, cuts)
    for score, verdict in zip(scores, found, strict=True):
        value = np.nan if score is None else score
        failed = [cut for cut, low, bound in cuts if not (value >= bound if low else value <= bound)]
        expected = f"{failed[0]}: {'absent' if score is None else f'{score:g}'}" if failed else ""
        assert verdict == Verdict(not failed, expected)


def test_detections_count_an_exposure_once_and_no_limits():
    twice = [detection(jd_utc=JD - 3, candid=7), detection(jd_utc=JD - 3, candid=8), limit(jd_utc=JD - 4)]
    alerts = AlertTable((view(history=twice), view(history=[detection(jd_utc=JD - 3), *twice[2:]])))
    assert alerts.detection_counts().tolist() == [2, 2]
    assert alerts.detection_spans_days().tolist() == [3, 3]
    assert [point.kind for point in alerts.alerts[0].detections] == ["detection"] * 2
    assert alerts.alerts[0].detections[0] is alerts.alerts[0].points[0]


def test_detections_are_those_that_the_channel_may_see():
    history = [detection(jd_utc=JD - 3), detection(jd_utc=JD - 9, programid=2)]
    seen = AlertTable((view(history=history), view(history=history, grants=PUBLIC)))
    assert seen.detection_counts().tolist() == [3, 2]
    assert seen.detection_spans_days().tolist() == [9, 3]


@pytest.mark.parametrize("names", [("rb",), ("rb", "magpsf", "ssdistnr")])
def test_values_at_are_the_raw_values_under_these_names(names):
    points = view(history=[detection(jd_utc=JD - 3, rb=0.5), detection(jd_utc=JD - 2, rb=None)]).detections
    expected = [registry.values_of(point, raw_values(point)) for point in points]
    assert values_at(points, names) == [tuple(map(values.get, names)) for values in expected]
    assert values_at([], names) == []

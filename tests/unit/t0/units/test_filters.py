"""Filters that know nothing of science: everything, or the same sample in every run."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from skymesh.model.alert import alert_id
from skymesh.units import AlertTable, AlertView, Verdict
from skymesh_t0.units.accept_all import AcceptAll
from skymesh_t0.units.sample_filter import SampleFilter


def table(size, first=0):
    ids = [alert_id("ztf", first + number) for number in range(1, size + 1)]
    return AlertTable(tuple(AlertView(id_, "ztf", "ztf:x", (), {}, {}) for id_ in ids))


def chosen(rate, alerts):
    return [verdict.is_accepted for verdict in SampleFilter(rate=rate).accept_table(alerts)]


def test_accept_all_accepts_all():
    assert AcceptAll().accept_table(table(3)) == [Verdict(True)] * 3
    assert list(AcceptAll().accept_table(table(0))) == []
    assert AcceptAll().accept(table(1).alerts[0]) == Verdict(True)


def test_rate_0_takes_none_and_rate_1_takes_all():
    assert not any(chosen(0, table(2000)))
    assert all(chosen(1, table(2000)))


@pytest.mark.parametrize("rate", [0.01, 0.1, 0.5, 0.9])
def test_a_sample_has_about_its_rate(rate):
    count, size = sum(chosen(rate, table(10_000))), 10_000
    assert abs(count - rate * size) < 5 * (size * rate * (1 - rate)) ** 0.5


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_smaller_sample_is_part_of_a_larger_one(one, other):
    alerts = table(60)
    small, large = chosen(min(one, other), alerts), chosen(max(one, other), alerts)
    assert all(in_large for in_small, in_large in zip(small, large, strict=True) if in_small)


def test_a_verdict_does_not_depend_on_the_batch():
    unit, alerts = SampleFilter(rate=0.3), table(100)
    assert [unit.accept(alert) for alert in alerts] == list(unit.accept_table(alerts))


def test_a_rejection_says_why():
    (verdict,) = SampleFilter(rate=0).accept_table(table(1))
    assert "rate 0" in verdict.reason


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan"), "much"])
def test_a_rate_is_between_0_and_1(rate):
    with pytest.raises(ValidationError):
        SampleFilter(rate=rate)


def test_the_sample_is_the_same_in_another_process():
    script = (
        "from skymesh.model.alert import alert_id\n"
        "from skymesh.units import AlertTable, AlertView\n"
        "from skymesh_t0.units.sample_filter import SampleFilter\n"
        "views = tuple(AlertView(alert_id('ztf', n), 'ztf', 'ztf:x', (), {}, {}) for n in range(1, 201))\n"
        "verdicts = SampleFilter(rate=0.4).accept_table(AlertTable(views))\n"
        "print(''.join('01'[verdict.is_accepted] for verdict in verdicts))\n"
    )
    env = os.environ | {"PYTHONHASHSEED": "99"}
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "".join("01"[is_in] for is_in in chosen(0.4, table(200)))

"""Attempts: whoever is about to send says so first, and looks who else did."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from skymesh.testing import documents as made
from skymesh_deliver.attempts import next_number, next_step

FIRST = made.attempt(1)
BEGAN, OVER = FIRST.started_utc_ms, FIRST.lease_until_utc_ms
SECOND = replace(FIRST, number=2, worker="other")
HELD = replace(made.held(1), attempts=1)
RELEASED = replace(HELD, status="released")
POLICIES = pytest.mark.parametrize("policy", ["resend", "hold"])


def what(attempts, held, policy, now=BEGAN):
    return next_step(attempts, held, policy, now).what


@POLICIES
def test_what_nobody_tried_is_sent(policy):
    assert what([], None, policy) == "send"


@POLICIES
def test_what_was_certainly_not_sent_is_sent(policy):
    assert what([replace(FIRST, status="withdrawn")], None, policy) == "send"


@POLICIES
def test_whoever_may_be_sending_is_waited_for(policy):
    step = next_step([FIRST], None, policy, OVER - 1500)
    assert (step.what, step.pause_s) == ("wait", 1.5)
    longer = replace(SECOND, lease_until_utc_ms=OVER + 1000)
    assert next_step([FIRST, longer], None, policy, OVER - 1500).pause_s == 2.5


def test_of_an_attempt_that_ended_without_an_answer_the_policy_decides():
    for attempt, now in ((FIRST, OVER), (replace(FIRST, status="unclear"), BEGAN)):
        assert what([attempt], None, "resend", now) == "send"
        assert what([attempt], None, "hold", now) == "hold"


def test_an_unclear_attempt_does_not_hide_one_that_is_going_on():
    assert what([replace(FIRST, status="unclear"), SECOND], None, "hold") == "wait"


@POLICIES
def test_what_a_person_has_to_decide_or_dropped_is_not_sent(policy):
    assert what([], HELD, policy) == "ask"
    assert what([], replace(HELD, status="dropped"), policy) == "ask"


@POLICIES
def test_what_was_released_is_sent_once_more_and_held_again_if_that_is_unclear(policy):
    assert what([FIRST], RELEASED, policy, OVER) == "send"
    assert what([FIRST, SECOND], RELEASED, policy, BEGAN) == "wait"
    again = what([FIRST, SECOND], RELEASED, policy, OVER)
    assert again == ("send" if policy == "resend" else "hold")


def test_attempts_count_on_but_for_those_that_sent_nothing():
    assert next_number([], None) == 1
    assert next_number([FIRST], None) == 2
    assert next_number([FIRST, SECOND], RELEASED) == 3
    assert next_number([], replace(RELEASED, attempts=4)) == 5
    assert next_number([replace(FIRST, status="withdrawn")], None) == 1

"""What was said of a held reaction: a decision counts whoever writes what, and whenever."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skymesh.model.reaction import standing
from skymesh.testing import documents as made

SAID = st.builds(
    lambda status, attempts: made.held(1, status=status, attempts=attempts),
    st.sampled_from(["held", "released", "dropped"]),
    st.integers(0, 3),
)


def test_of_nothing_nothing_counts():
    assert standing([]) is None


@pytest.mark.parametrize("decision", ["released", "dropped"])
def test_a_decision_counts_over_what_is_held_after_the_same_attempt_in_any_order(decision):
    held, decided = made.held(1), made.held(1, status=decision)
    for said in ([held, decided, held], [decided, held], [held, decided]):
        assert standing(said) == decided


def test_what_was_released_is_held_again_after_a_later_attempt():
    released, again = made.held(1, status="released", attempts=1), made.held(1, attempts=2)
    assert standing([released, again]) == standing([again, released]) == again


@given(st.lists(SAID, min_size=1), st.randoms(use_true_random=False))
def test_no_order_enters(said, random):
    counts = standing(said)
    random.shuffle(said)
    assert standing(said) == counts


@given(st.lists(SAID))
def test_what_was_dropped_stays_so_whatever_is_said_besides(said):
    assert standing([*said, made.held(1, status="dropped", attempts=0)]).status == "dropped"

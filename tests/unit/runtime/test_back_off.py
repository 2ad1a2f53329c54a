"""Pauses between attempts."""

from __future__ import annotations

from itertools import pairwise

from skymesh.runtime.back_off import FIRST_S, MOST_S, BackOff


def test_pauses_grow_up_to_a_limit_and_begin_anew_after_a_success():
    back_off = BackOff()
    pauses = [back_off.next_s() for _ in range(9)]
    assert pauses[0] == FIRST_S
    assert all(after in (2 * before, MOST_S) for before, after in pairwise(pauses))
    assert pauses[-1] == MOST_S
    back_off.reset()
    assert back_off.next_s() == FIRST_S

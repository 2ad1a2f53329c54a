"""How large batches are, by how long their records take."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from skymesh.runtime.batch_size import BatchSize

WANTED_S = 2.0


def sizes(most, seconds_each, count, wanted_s=WANTED_S):
    """Return how many records each of so many batches has, if every record takes so long."""
    size, had = BatchSize(most, wanted_s), []
    for _ in range(count):
        had.append(size.records)
        size.took(size.records * seconds_each, size.records)
    return had


@given(st.integers(1, 1000), st.floats(0, 100))
def test_batches_begin_with_one_record_and_settle_where_they_take_what_is_wanted(most, seconds_each):
    had = sizes(most, seconds_each, 40)
    assert had[0] == 1
    assert all(1 <= records <= most for records in had)
    settled = had[20:]
    assert max(settled) * seconds_each <= max(WANTED_S, seconds_each)
    assert min(settled) == most or 2 * min(settled) * seconds_each >= WANTED_S / 4


def test_where_nobody_waits_every_batch_is_as_large_as_it_may_be():
    assert sizes(500, 60.0, 3, wanted_s=math.inf) == [500] * 3

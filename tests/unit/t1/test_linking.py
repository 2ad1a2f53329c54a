"""What a late combiner may link, and what it may not."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from skymesh.errors import TransientError
from skymesh.testing import documents as made
from skymesh_t1.linking import refuse_contradiction

LATE = made.link(1, ended=1)
IN_TIME = made.link(1)
PLACE = (LATE.run, LATE.stock, LATE.position)


def test_a_late_link_does_not_pass_where_another_attempt_left_a_final_one_that_differs():
    with pytest.raises(TransientError, match="in time at an attempt before"):
        refuse_contradiction(LATE, {PLACE: IN_TIME})


def test_it_passes_where_nothing_or_the_same_was_left_and_one_in_time_always_does():
    refuse_contradiction(LATE, {})
    refuse_contradiction(LATE, {PLACE: replace(LATE, is_transient=False)})
    refuse_contradiction(IN_TIME, {PLACE: replace(IN_TIME, emitted={})})

"""Reads meet writes at the levels that are taken, and may pass them by at those that are refused."""

from __future__ import annotations

from itertools import chain, combinations, product
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skymesh.errors import SettingsError
from skymesh.settings.store import Consistency
from skymesh.store.consistency import always_meet, answers, refuse_unsafe

LEVELS = get_args(Consistency)
COPIES = [
    {"here": here, **({"there": there} if there else {})} for here, there in product((1, 2, 3), (0, 1, 2, 3))
]


def _is_enough(level, answered, copies):
    """Whether a set of replicas, as (datacentre, number), satisfies a level as Cassandra documents it."""
    total = sum(copies.values())
    local = sum(datacentre == "here" for datacentre, _ in answered)
    by_datacentre = {name: sum(name == datacentre for datacentre, _ in answered) for name in copies}
    return {
        "ANY": True,
        "ONE": len(answered) >= 1,
        "TWO": len(answered) >= 2,
        "THREE": len(answered) >= 3,
        "QUORUM": len(answered) > total / 2,
        "ALL": len(answered) == total,
        "LOCAL_ONE": local >= 1,
        "LOCAL_QUORUM": local > copies["here"] / 2,
        "EACH_QUORUM": all(by_datacentre[name] > number / 2 for name, number in copies.items()),
    }[level]


def _can_pass_by(read, write, copies):
    replicas = [(name, number) for name, count in copies.items() for number in range(count)]
    sets = list(chain.from_iterable(combinations(replicas, size) for size in range(len(replicas) + 1)))
    readers = [set(some) for some in sets if _is_enough(read, some, copies)]
    # Whoever wrote on a set wrote on each that is larger: the least ones are the ones that may be missed.
    writers = [set(some) for some in sets if _is_enough(write, some, copies)]
    return any(reader.isdisjoint(writer) for reader in readers for writer in writers)


@pytest.mark.parametrize("copies", COPIES, ids=str)
def test_levels_are_taken_exactly_if_no_read_can_miss_a_write(copies):
    # A level that asks for more replicas than there are never answers, and so misses nothing.
    for read, write in product(LEVELS, repeat=2):
        meets = always_meet(answers(read, copies, "here"), answers(write, copies, "here"), copies)
        assert meets == (not _can_pass_by(read, write, copies)), (read, write)


@given(copies=st.integers(1, 9))
def test_quorums_in_one_datacentre_always_meet(copies):
    refuse_unsafe("LOCAL_QUORUM", "LOCAL_QUORUM", {"here": copies}, "here")


@pytest.mark.parametrize(
    "read,write,copies",
    [
        ("ONE", "ONE", {"here": 2}),
        ("ONE", "LOCAL_QUORUM", {"here": 3}),
        ("LOCAL_QUORUM", "ANY", {"here": 1}),
        ("LOCAL_QUORUM", "QUORUM", {"here": 3, "there": 3}),
    ],
)
def test_what_is_unsafe_is_refused_in_one_line_that_names_both_levels(read, write, copies):
    with pytest.raises(SettingsError) as caught:
        refuse_unsafe(read, write, copies, "here")
    assert f"reads at {read} may miss what was written at {write}" in str(caught.value)
    assert "SKYMESH_STORE_READ_CONSISTENCY" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_datacentre_without_copies_is_refused():
    with pytest.raises(SettingsError, match="no copies are kept in here; there are: 3 in there"):
        refuse_unsafe("LOCAL_QUORUM", "LOCAL_QUORUM", {"there": 3}, "here")

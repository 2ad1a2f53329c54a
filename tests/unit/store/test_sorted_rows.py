"""Rows come out in order, once, whatever order they came in."""

from __future__ import annotations

from contextlib import closing

from hypothesis import given
from hypothesis import strategies as st

from skymesh.store.sorted_rows import SortedRows

KEYS = st.tuples(st.binary(max_size=3), st.text(max_size=3), st.integers(-(2**63), 2**63 - 1))


@given(st.lists(KEYS), st.integers(1, 5))
def test_rows_come_in_order_of_their_keys_once(keys, size):
    with closing(SortedRows(3)) as rows:
        for start in range(0, len(keys), size):
            rows.add((*key, repr(key).encode()) for key in keys[start : start + size])
        found = list(rows)
    expected = sorted(set(keys), key=lambda key: (key[0], key[1].encode(), key[2]))
    assert found == [repr(key).encode() for key in expected]

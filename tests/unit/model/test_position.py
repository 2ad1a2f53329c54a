"""Positions sort as their bytes do."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from skymesh.model.position import Position

EDGES = st.sampled_from([0, 1, 255, 256, 2**31 - 1, 2**31, 2**32 - 1])
POSITIONS = st.builds(
    Position,
    EDGES | st.integers(0, 2**32 - 1),
    EDGES | st.integers(0, 2**32 - 1),
    EDGES | st.integers(0, 2**64 - 1),
)


@given(st.lists(POSITIONS, max_size=20))
def test_bytes_sort_as_positions_do(positions):
    assert [Position.from_bytes(data) for data in sorted(p.to_bytes() for p in positions)] == sorted(
        positions
    )


@given(POSITIONS)
def test_bytes_read_back(position):
    assert Position.from_bytes(position.to_bytes()) == position
    assert len(position.to_bytes()) == 16


def test_epochs_compare_before_offsets():
    assert Position(1, 0, 0) > Position(0, 5, 2**40)
    assert str(Position(1, 2, 3)) == "1/2/3"

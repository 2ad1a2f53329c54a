"""A point is visible if and only if all its labels are granted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from skymesh.model.access import is_visible, union_of_labels, visible
from support.packets import EVERYTHING, PUBLIC, detection, points

LABELS = st.frozensets(st.sampled_from(sorted(EVERYTHING)))
POINT = points(history=[detection()])[1]


@given(st.lists(LABELS, max_size=6), LABELS)
def test_visible_points_are_those_whose_labels_are_all_granted(label_sets, grants):
    given_points = [replace(POINT, labels=tuple(sorted(labels))) for labels in label_sets]
    expected = [point for point in given_points if set(point.labels) <= grants]
    assert list(visible(given_points, grants)) == expected
    assert union_of_labels(visible(given_points, grants)) <= grants
    assert [is_visible(point.labels, grants) for point in given_points] == [
        p in expected for p in given_points
    ]


def test_without_grants_nothing_that_carries_a_label_is_visible():
    assert visible([POINT], frozenset()) == ()


def test_a_point_of_two_labels_needs_both():
    both = replace(POINT, labels=("ztf_private", "ztf_public"))
    assert visible([both], PUBLIC) == ()
    assert visible([both], PUBLIC | {"ztf_private"}) == (both,)

"""Access is decided per datapoint, here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable

from skymesh.model.point import DataPoint

Labels = frozenset[str]


def is_visible(labels: Iterable[str], grants: Labels) -> bool:
    """Return whether something that carries these labels may be seen with these grants."""
    return grants.issuperset(labels)


def visible(points: Iterable[DataPoint], grants: Labels) -> tuple[DataPoint, ...]:
    """Return those points all of whose labels are granted."""
    seen = tuple(points)
    if all(map(grants.issuperset, {point.labels for point in seen})):
        return seen
    return tuple(point for point in seen if grants.issuperset(point.labels))


def union_of_labels(points: Iterable[DataPoint]) -> Labels:
    """Return the labels that whatever is made from these points carries."""
    return frozenset().union(*{point.labels for point in points})

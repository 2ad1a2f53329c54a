"""The view of an object as one row: plain columns, named ``instance.field``."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

from skymesh.units.unit import ObjectView

IDS: Final = ("stock", "channel", "alert", "state")
"""The columns that every row has."""


def row_of(view: ObjectView) -> dict[str, Any]:
    """Return the columns of a view: `IDS`, the fields of each result, and the results' ids.

    A map within a result gives a column for each key, a list one text; a number that is not finite is
    absent.
    """
    row: dict[str, Any] = {name: getattr(view, name) for name in IDS}
    for instance, content in view.results.items():
        row.update(flat(content, f"{instance}."))
    row.update({f"{instance}.result": id_ for instance, id_ in view.result_ids.items()})
    return row


def is_true(view: ObjectView, column: str) -> bool:
    """Return whether a column such as ``decline.fast`` is true for an object; absent is not."""
    return bool(row_of(view).get(column))


def flat(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the plain columns of a result; see `row_of`."""
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        elif isinstance(value, list | tuple):
            yield f"{prefix}{key}", " ".join(str(item) for item in value)
        elif isinstance(value, float) and not math.isfinite(value):
            yield f"{prefix}{key}", None
        else:
            yield f"{prefix}{key}", value

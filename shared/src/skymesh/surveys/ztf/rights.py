"""Who may see a ZTF measurement: its programme decides, point by point."""

from __future__ import annotations

from typing import Any, Final

from skymesh.errors import InvalidDataPointError

LABELS_BY_PROGRAMID: Final[dict[Any, tuple[str, ...]]] = {
    0: ("ztf_engineering",),
    1: ("ztf_public",),
    2: ("ztf_private",),
    3: ("ztf_caltech",),
}

LABELS: Final = frozenset(label for labels in LABELS_BY_PROGRAMID.values() for label in labels)


def labels_of(programid: Any) -> tuple[str, ...]:
    """Return the access labels of a point.

    Raises
    ------
    InvalidDataPointError
        If the programme is unknown: then nobody can say who may see the point.
    """
    try:
        return LABELS_BY_PROGRAMID[programid]
    except (KeyError, TypeError):
        raise InvalidDataPointError(f"programid {programid!r} is none of 0, 1, 2, 3") from None

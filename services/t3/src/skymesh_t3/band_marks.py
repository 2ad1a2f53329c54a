"""How bands look in every figure: a colour that people with any colour vision can tell apart, and a shape."""

from __future__ import annotations

from typing import Final, NamedTuple


class BandMark(NamedTuple):
    """How one band is drawn.

    Attributes
    ----------
    colour
        ``#rrggbb``; readable on white and on black.
    shape
        ``circle``, ``square``, ``diamond``, ``plus``, ``cross`` or ``star``: bands differ without colour too.
    """

    colour: str
    shape: str


_MARKS: Final = {
    "u": BandMark("#3a86c8", "star"),
    "g": BandMark("#009e73", "circle"),
    "r": BandMark("#d55e00", "square"),
    "i": BandMark("#c4609a", "diamond"),
    "z": BandMark("#b58900", "plus"),
    "y": BandMark("#808080", "cross"),
}
_OTHER: Final = BandMark("#7f6bd6", "star")


def mark_of(band: str) -> BandMark:
    """Return how a band such as ``ztfg`` or ``lsstz`` is drawn: its last letter decides.

    The hues are those of Okabe and Ito ("Color Universal Design", 2008), some of them shifted in
    lightness so that each has a contrast of 3:1 or more to white and to black.
    """
    return _MARKS.get(band[-1:].lower(), _OTHER)

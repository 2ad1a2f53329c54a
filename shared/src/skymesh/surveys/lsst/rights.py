"""Who may see an LSST measurement: alerts are public, all of them."""

from __future__ import annotations

from typing import Final

LABELS_OF_ALL: Final = ("lsst_public",)

LABELS: Final = frozenset(LABELS_OF_ALL)

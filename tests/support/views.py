"""What a channel sees of synthetic ZTF alerts, as filters get it."""

from __future__ import annotations

from typing import Any

from skymesh.model.access import Labels
from skymesh.units import AlertView
from skymesh_t0.verdicts import view_of
from support.packets import EVERYTHING, alert


def view(*, grants: Labels = EVERYTHING, **values: Any) -> AlertView:
    """Return what these grants show of a synthetic alert; the other arguments are those of `packet`."""
    found = view_of(alert(**values), grants)
    assert found is not None, "the trigger is hidden"
    return found

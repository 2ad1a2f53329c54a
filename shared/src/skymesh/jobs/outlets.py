"""The outlets that a job may name, and what may be sent through them."""

from __future__ import annotations

from typing import NamedTuple

from skymesh.model.access import Labels, is_visible


class OutletKind(NamedTuple):
    """What is known of an outlet before anything is sent.

    Attributes
    ----------
    is_reversible
        Whether what was sent can be taken back; what cannot is told once for an object.
    grants
        The access labels that may be sent through it; None for all of them.
    """

    is_reversible: bool
    grants: Labels | None


OUTLETS: dict[str, OutletKind] = {
    # The disk of the person who runs the job and so sees the packets themselves.
    "file": OutletKind(is_reversible=True, grants=None),
}


def ungranted(outlet: str, labels: Labels) -> tuple[str, ...]:
    """Return which of the labels may not be sent through an outlet, sorted."""
    grants = OUTLETS[outlet].grants
    return () if grants is None else tuple(sorted(x for x in labels if not is_visible((x,), grants)))

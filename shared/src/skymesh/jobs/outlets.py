"""The outlets that a job may name, and what may be sent through them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple, get_args

from skymesh.model.access import Labels, is_visible

OutletName = Literal["file", "kafka", "webhook"]
"""Where reactions go: files, a topic of the mesh's Kafka, an address that is called over HTTP."""

ProductOutletName = Literal["file"]
"""Where the products of a whole run go."""

PUBLIC: Final[Labels] = frozenset({"lsst_public", "ztf_public"})
"""What everybody may see."""


class OutletKind(NamedTuple):
    """What is known of an outlet before anything is sent.

    Attributes
    ----------
    is_reversible
        Whether what was sent can be taken back; what cannot is told once for an object.
    is_exact
        Whether whatever happens each reaction arrives exactly once; else its policy says which way it errs.
    """

    is_reversible: bool
    is_exact: bool


OUTLETS: Final[Mapping[str, OutletKind]] = {
    "file": OutletKind(is_reversible=True, is_exact=True),
    "kafka": OutletKind(is_reversible=False, is_exact=True),
    "webhook": OutletKind(is_reversible=False, is_exact=False),
}

Grants = Mapping[str, Labels | None]
"""outlet → the access labels that may be sent through it; None for all of them."""

USUAL_GRANTS: Final[Grants] = {
    # The disk of the person who runs the job and so sees the packets themselves.
    "file": None,
    "kafka": PUBLIC,
    "webhook": PUBLIC,
}
"""What may be sent where nobody said otherwise."""

ALL_GRANTED: Final[Grants] = dict.fromkeys(get_args(OutletName))
"""For a job that was checked when it was deployed; whoever delivers looks again."""


def ungranted(outlet: str, labels: Labels, grants: Grants) -> tuple[str, ...]:
    """Return which of the labels may not be sent through an outlet, sorted."""
    granted = grants[outlet]
    return () if granted is None else tuple(sorted(x for x in labels if not is_visible((x,), granted)))

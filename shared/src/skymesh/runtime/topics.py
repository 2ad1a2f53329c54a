"""Names of topics: ``skymesh.<run or log>.<record>.v1``."""

from __future__ import annotations

from skymesh.model.ids import Digest

ALERTS = "alerts"
ACCEPTED = "accepted"
STATES = "states"
RESULTS = "results"
INTENTS = "intents"
PROVENANCE = "provenance"

OF_A_RUN = (ACCEPTED, STATES, RESULTS, INTENTS, PROVENANCE)
"""Records between the tiers of one run."""


def topic_of(record: str, owner: Digest) -> str:
    """Return the topic of a record: `owner` is the log for alerts, the run for all others."""
    return f"skymesh.{owner.hex()}.{record}.v1"

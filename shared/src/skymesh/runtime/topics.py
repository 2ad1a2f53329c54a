"""Names of topics: ``skymesh.<run, log or live>.<record>.v1``; in later epochs ``skymesh.live.e1.…``."""

from __future__ import annotations

ALERTS = "alerts"
ACCEPTED = "accepted"
STATES = "states"
RESULTS = "results"
INTENTS = "intents"
PROVENANCE = "provenance"
DEAD_LETTERS = "dead-letters"
SOURCES = "sources"

LIVE = "live"
"""Whose the topics are that all runs of a live mesh share."""

OF_A_RUN = (ACCEPTED, STATES, RESULTS, INTENTS, PROVENANCE, DEAD_LETTERS)
"""Records between the tiers of an embedded run, and what they set aside."""


# What lies between ingest and the outlets; the topics of pools are called ``states-<pool>``.
_OF_AN_EPOCH = frozenset({ALERTS, ACCEPTED, STATES, RESULTS, INTENTS, PROVENANCE})


def is_of_epoch(record: str) -> bool:
    """Return whether every epoch of a live log has topics of its own of a record."""
    return record.partition("-")[0] in _OF_AN_EPOCH


def states_of(pool: str) -> str:
    """Return the name of the records that the T2 of a pool reads; empty for the one that serves no pool."""
    return f"{STATES}-{pool}" if pool else STATES


def survey_record(survey: str) -> str:
    """Return the name of the records that a survey sends."""
    return f"survey-{survey}"


def topic_of(record: str, owner: str, epoch: int = 0) -> str:
    """Return the topic of a record.

    Parameters
    ----------
    record
        Its name.
    owner
        In an embedded mesh the hex digits of the log, for alerts, or else of the run; else ``live``.
    epoch
        Of a live log, the epoch; what is no part of the log has one topic for all.
    """
    part = f".e{epoch}" if epoch and is_of_epoch(record) else ""
    return f"skymesh.{owner}{part}.{record}.v1"

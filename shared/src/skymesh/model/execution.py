"""Executions of units: what they were given, what came out, and the journal of them."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from skymesh.model.ids import Digest, canonical_row, digest_bytes, digest_of
from skymesh.model.position import Position

Outcome = Literal["ok", "missing", "failed"]

InputEntry = tuple[Any, ...]
"""What an execution was given under one name, as it enters the id: a tag, ids, and for the results
it builds on their outcome: ``("state", id)``, ``("points", id)``, ``("curve", id, unit, version, config)``,
``("position", stock, ra_deg, dec_deg)``, ``("point", stock, id)``, ``("cutouts", stock, id)``,
``("result", id, outcome)``, ``("results", ((instance, id, outcome), …))``, ``("catalogue", digest)``,
``("catalogues", ((name, digest), …))`` or ``("absent",)``, with the stock for what is made from points."""


ABSENT: InputEntry = ("absent",)
"""What an optional input enters as that is not there."""


class UnitRef(msgspec.Struct, frozen=True, array_like=True):
    """A unit as it was selected and ran.

    Attributes
    ----------
    unit, version
        The unit's name and declared version (``version+digest`` where code changed under it).
    config
        Id of its resolved parameters.
    code
        Digest of its module's source and its distribution's version.
    """

    unit: str
    version: str
    config: Digest
    code: Digest


class Result(msgspec.Struct, frozen=True, array_like=True):
    """The settled execution of an analyser, remembered by its id.

    Attributes
    ----------
    id
        Digest of unit, version, config and inputs: see `execution_id`.
    stock
        The object.
    ref
        The unit that ran.
    inputs
        What it was given, by parameter name.
    outcome
        ``ok``, ``missing`` (a required input was not there) or ``failed``.
    reason
        Why it is not ok, in one line; empty if it is.
    content
        The unit's result as plain values; None unless ok.
    digest
        Digest of outcome and content.
    run, position
        Who computed it first, and at which alert.
    seconds
        How long the unit ran.
    is_transient
        The deadline passed: settled for its run, not remembered for others.
    """

    id: Digest
    stock: str
    ref: UnitRef
    inputs: dict[str, InputEntry]
    outcome: Outcome
    reason: str
    content: dict[str, Any] | None
    digest: Digest
    run: Digest
    position: Position
    seconds: float
    is_transient: bool = False


class SettledResult(msgspec.Struct, frozen=True, array_like=True):
    """How an execution was settled for a run; see `Result`."""

    id: Digest
    outcome: Outcome
    digest: Digest
    is_transient: bool


class Settled(msgspec.Struct, frozen=True, array_like=True):
    """The results of the states that channels reached at one position of a run.

    It is made from the record in which they were completed, once that was committed: whatever an attempt
    came to that was given up, or a worker that others took for dead, what stands here is what T3 acted on.

    Attributes
    ----------
    run, position, stock, alert
        The place.
    results
        channel → state → instance → how it was settled.
    """

    run: Digest
    position: Position
    stock: str
    alert: Digest
    results: dict[str, dict[Digest, dict[str, SettledResult]]]


class View(msgspec.Struct, frozen=True, array_like=True):
    """One channel's newest state of one stock at a position, with the results on it.

    Attributes
    ----------
    run, channel, stock, position
        The key.
    alert, state
        Ids of the alert at which the state was reached, and of the state.
    results
        instance → (result id, outcome).
    """

    run: Digest
    channel: str
    stock: str
    position: Position
    alert: Digest
    state: Digest
    results: dict[str, tuple[Digest, Outcome]]


class Line(msgspec.Struct, frozen=True, array_like=True):
    """One execution in a journal entry.

    Attributes
    ----------
    subject
        Id of what the unit was given: an alert, a state; the instance's name for a product.
    stock
        The object; empty for products.
    output
        Ids that came out, as text.
    outcome
        ``accepted``, ``rejected``, ``duplicate``, ``state``, ``ok``, ``missing``, ``failed`` …
    reason
        Why, in one line, where there is a why.
    is_memoised
        The result was remembered, not computed.
    seconds, cpu_s
        How long the unit ran for it, and the CPU time that it took, in seconds, where it was timed alone: a
        reaction with its condition.
    """

    subject: str
    stock: str
    output: tuple[str, ...]
    outcome: str
    reason: str = ""
    is_memoised: bool = False
    seconds: float = 0.0
    cpu_s: float = 0.0


class JournalEntry(msgspec.Struct, frozen=True, array_like=True):
    """What one unit did for one channel over a range of offsets.

    The entries of one (run, tier, channel, instance, source, partition) tile the offsets of the tier's
    input topic, whether or not there was anything to do.

    Attributes
    ----------
    id
        Digest of run, tier, channel, instance, partition and range, and of the source if there is one.
    run, tier, channel, instance, ref
        Who; `ref` is None where the tier itself acts (registration, reading of files).
    partition, first, end
        The offsets covered: first ≤ offset < end.
    started_utc
        ISO 8601 time at which the work began.
    seconds
        Wall time of the unit over the range.
    counts
        Executions by outcome; ``memoised`` apart.
    lines
        One line for each execution.
    source
        The topic that was read, by a tier that reads several; empty for others.
    cpu_s
        CPU time of the unit over the range, in seconds; what channels share is told for the first of them. 0
        where no unit ran, but for the batch itself: there it is that of the thread that decided.
    """

    id: Digest
    run: Digest
    tier: str
    channel: str
    instance: str
    ref: UnitRef | None
    partition: int
    first: int
    end: int
    started_utc: str
    seconds: float
    counts: dict[str, int]
    lines: tuple[Line, ...]
    source: str = ""
    cpu_s: float = 0.0

    @property
    def service(self) -> str:
        """The service that the tier belongs to: ``t2`` for the tier ``t2.heavy``, the T2 of a pool."""
        return service_of(self.tier)


def service_of(tier: str) -> str:
    """Return the service that a tier belongs to."""
    return tier.partition(".")[0]


def config_id(parameters: dict[str, Any]) -> Digest:
    """Return the id of resolved parameters, defaults included."""
    return digest_of("config", parameters)


def execution_id(ref: UnitRef, inputs: dict[str, InputEntry]) -> Digest:
    """Return the id of an execution, which is the id of its result."""
    return digest_bytes("result", canonical_row((ref.unit, ref.version, ref.config, inputs)))


def content_digest(outcome: Outcome, content: dict[str, Any] | None) -> Digest:
    """Return the digest of what came out."""
    return digest_of("digest", [outcome, content])


def count_lines(lines: tuple[Line, ...]) -> dict[str, int]:
    """Count executions by outcome, and those that were remembered."""
    counts: dict[str, int] = {}
    for line in lines:
        counts[line.outcome] = counts.get(line.outcome, 0) + 1
        if line.is_memoised:
            counts["memoised"] = counts.get("memoised", 0) + 1
    return counts


def journal_id(
    run: Digest,
    tier: str,
    channel: str,
    instance: str,
    partition: int,
    first: int,
    end: int,
    source: str = "",
) -> Digest:
    """Return the id of a journal entry."""
    place = (run, tier, channel, instance, partition, first, end)
    return digest_bytes("journal", canonical_row((*place, source) if source else place))

"""Reactions: what a channel tells of an object, and the proof that it was told."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from skymesh.model.execution import InputEntry, Outcome, UnitRef
from skymesh.model.ids import Digest, canonical_row, digest_bytes, digest_of
from skymesh.model.position import Position


class Letter(msgspec.Struct, frozen=True, array_like=True):
    """A message as it is sent: name among those of its reaction, media type, bytes."""

    name: str
    media_type: str
    body: bytes


class Intent(msgspec.Struct, frozen=True, array_like=True):
    """What a channel decided to tell: stored by T3, sent by the deliverer of its outlet.

    The id has no run in it: an outlet that cannot take back knows by it what it was given before,
    whichever run that was.

    Attributes
    ----------
    run, id
        The key: the run, and the reaction's id; see `reaction_id`.
    channel, instance, ref
        Who reacts: the channel, the key under ``react:``, the unit that ran.
    target
        The outlet.
    once
        Whether the id stands for the ``stock`` or for the ``state``.
    stock, position, alert, state
        The object, and the state that made it fire, with the alert at which it was reached.
    results
        instance → (result id, outcome), of all results on the state.
    inputs
        What the unit was given, by parameter name.
    letters
        The messages.
    digest
        Digest of the messages.
    """

    run: Digest
    id: Digest
    channel: str
    instance: str
    ref: UnitRef
    target: str
    once: str
    stock: str
    position: Position
    alert: Digest
    state: Digest
    results: dict[str, tuple[Digest, Outcome]]
    inputs: dict[str, InputEntry]
    letters: tuple[Letter, ...]
    digest: Digest


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Where a message went: the outlet's own name of it, digest (BLAKE2b-128) and size of its bytes."""

    name: str
    digest: Digest
    size_bytes: int


class Receipt(msgspec.Struct, frozen=True, array_like=True):
    """An outlet has taken what was intended.

    Attributes
    ----------
    run, id
        The key: the run, and the reaction's id.
    target
        The outlet that the job names.
    way
        The outlet that took it: the same, or ``file`` where a run tells nobody but who runs it.
    places
        Where each message went, in their order.
    intended_at
        Where among the intents its record lay, if the messages leave in the transaction that commits that
        record: read there again, they have not left; read elsewhere, they have. None of other ways.
    """

    run: Digest
    id: Digest
    target: str
    way: str
    places: tuple[Place, ...]
    intended_at: Position | None = None


AttemptStatus = Literal["open", "withdrawn", "unclear"]
"""``open``: being sent, if its lease runs, else nobody knows; ``withdrawn``: certainly not sent;
``unclear``: it ended, and nobody knows whether the outlet took it."""


class Attempt(msgspec.Struct, frozen=True, array_like=True):
    """Somebody is about to send what is intended, or was; see `skymesh_deliver.attempts`.

    Attributes
    ----------
    id, number, worker
        The key: the reaction's id, which attempt it is, from 1, and who makes it.
    run, target
        Whose intent, and the outlet.
    started_utc_ms, lease_until_utc_ms
        When it began and until when it may go on, in ms of Unix time (UTC).
    status
        How it ended, as far as that is known without a receipt.
    """

    id: Digest
    number: int
    worker: str
    run: Digest
    target: str
    started_utc_ms: int
    lease_until_utc_ms: int
    status: AttemptStatus = "open"


HeldStatus = Literal["held", "released", "dropped"]


class Held(msgspec.Struct, frozen=True, array_like=True):
    """What was said of a reaction that is not sent before a person has decided: it is held, or the decision.

    What was said stays; `standing` tells which of it counts.

    Attributes
    ----------
    id, attempts, status
        The key: the reaction's id; the number of the attempt after which it is held, up to which nobody
        asks any more how they ended; and what is said: ``held``; ``released`` to be sent once more;
        ``dropped`` for ever.
    run, target, stock, position
        Whose intent, the outlet, the object and where in the log it fired.
    reason
        Why, in one line.
    since_utc
        ISO 8601 time at which it was held.
    decision
        What the person said who decided; empty until then.
    """

    id: Digest
    run: Digest
    target: str
    stock: str
    position: Position
    reason: str
    since_utc: str
    attempts: int
    status: HeldStatus = "held"
    decision: str = ""


def standing(said: Iterable[Held]) -> Held | None:
    """Return what counts of all that was said of one reaction; None if nothing was.

    No clock and no order of writing enters: who wakes late can hold it once more, and undo no decision. What
    was dropped stays so; else the last attempt counts, of which a person may have decided.
    """
    return max(said, key=_weight, default=None)


def _weight(said: Held) -> tuple[bool, int, bool]:
    return said.status == "dropped", said.attempts, said.status == "released"


def reaction_id(ref: UnitRef, channel: str, target: str, once: str, subject: str | Digest) -> Digest:
    """Return the id of a reaction.

    Parameters
    ----------
    ref
        The unit: its name and config enter, its version does not, so that a corrected unit does not
        tell everything again.
    channel, target
        ``job/channel`` and the outlet.
    once, subject
        ``stock`` and the stock, or ``state`` and the state.
    """
    return digest_bytes("reaction", canonical_row((channel, ref.unit, ref.config, target, once, subject)))


def letters_digest(letters: tuple[Letter, ...]) -> Digest:
    """Return the digest of messages."""
    return digest_of("digest", [[letter.name, letter.media_type, letter.body] for letter in letters])

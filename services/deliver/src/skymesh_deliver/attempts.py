"""Whether something may be sent now, as far as attempts before tell.

An outlet over the network can leave it open whether it took what was sent: the line breaks, or the
sender dies before it notes the answer. So whoever is about to send says so first, with a lease, and then
looks who else did. Of two that start at once at least one sees the other, and nobody sends who sees
another attempt that is not settled. Under ``hold`` an attempt of which nobody knows how it ended is thus
never followed by another one, whatever clocks, pauses and rebalances do, before a person says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

from skymesh.model.reaction import Attempt, Held

Policy = Literal["resend", "hold"]
"""What follows if nobody knows whether it was sent: it is sent again (at least once, never lost), or it is
held back for a person (never repeated by itself)."""


class Step(NamedTuple):
    """What to do about a reaction now.

    Attributes
    ----------
    what
        ``send`` it; ``wait`` for whoever may be sending it; ``hold`` it back; ``ask`` again what became
        of it: a person has decided otherwise meanwhile.
    pause_s
        How long to wait.
    reason
        Why, in one line.
    """

    what: Literal["send", "wait", "hold", "ask"]
    pause_s: float = 0.0
    reason: str = ""


def next_step(attempts: Iterable[Attempt], held: Held | None, policy: Policy, now_utc_ms: int) -> Step:
    """Return what to do about a reaction that has no receipt.

    Parameters
    ----------
    attempts
        What others tried, and what we did before.
    held
        What a person was asked, if anybody was; attempts before that count no more.
    policy
        What to do if nobody knows.
    now_utc_ms
        The time, ms of Unix time (UTC).
    """
    if held is not None and held.status != "released":
        return Step("ask", reason=f"is {held.status}")
    settled = 0 if held is None else held.attempts
    left = [a for a in attempts if a.number > settled and a.status != "withdrawn"]
    leases = [a.lease_until_utc_ms for a in left if a.status == "open" and a.lease_until_utc_ms > now_utc_ms]
    if leases:
        return Step("wait", (max(leases) - now_utc_ms) / 1000, "somebody else may be sending it")
    if left and policy == "hold":
        return Step("hold", reason="nobody knows whether it was sent: an attempt ended without an answer")
    return Step("send")


def next_number(attempts: Iterable[Attempt], held: Held | None) -> int:
    """Return the number of a new attempt; those that sent nothing make room."""
    numbers = [attempt.number for attempt in attempts if attempt.status != "withdrawn"]
    return max([*numbers, 0 if held is None else held.attempts]) + 1

"""What the journal says of a run, added up for every unit in every channel."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

from skymesh.model.execution import JournalEntry, Line, UnitRef
from skymesh.model.ids import Digest
from skymesh.model.run import DeadLetter, Run
from skymesh.store.store import Store

MOST_REASONS = 50
MOST_EXAMPLES = 5
MOST_ENTRIES = 20
_OTHER = "other reasons"
_NUMBER = re.compile(r"(?<![A-Za-z0-9_])[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")


@dataclass
class Reason:
    """What ended alike, and why.

    Attributes
    ----------
    count
        How often.
    examples
        The first of them: id or packet, and the reason in full.
    """

    count: int = 0
    examples: list[tuple[str, str]] = field(default_factory=list)

    def add(self, subject: str, reason: str) -> None:
        """Count one more."""
        self.count += 1
        if len(self.examples) < MOST_EXAMPLES:
            self.examples.append((subject, reason))


@dataclass
class Account:
    """The sum of the journal entries of one unit in one channel, or of a tier itself.

    Attributes
    ----------
    tier, channel, instance, ref
        Who; `channel` is empty and `ref` None where a tier acts for all.
    counts
        Executions by outcome.
    seconds
        Wall time of the unit.
    reasons
        (outcome, name of the reason) → how often; of what was said with a reason.
    entries
        How many entries there are.
    first
        The first of them: id, offsets covered, counts, seconds.
    """

    tier: str
    channel: str
    instance: str
    ref: UnitRef | None
    counts: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    reasons: dict[tuple[str, str], Reason] = field(default_factory=dict)
    entries: int = 0
    first: list[tuple[str, str, dict[str, int], float]] = field(default_factory=list)

    def add(self, entry: JournalEntry) -> None:
        """Take in an entry."""
        self.counts.update(entry.counts)
        self.seconds += entry.seconds
        self.entries += 1
        if len(self.first) < MOST_ENTRIES:
            offsets = f"{entry.first} to {entry.end}, partition {entry.partition}"
            self.first.append((f"journal:{entry.id.hex()}", offsets, entry.counts, entry.seconds))
        for line in entry.lines:
            if line.reason:
                self._add_reason(line)

    def _add_reason(self, line: Line) -> None:
        found = counted(self.reasons, line.outcome, line.reason)
        # Of an alert that the channel may not see, its page names nothing.
        found.add("" if line.reason == "not_visible" else line.subject, line.reason)


def counted(reasons: dict[tuple[str, str], Reason], outcome: str, reason: str) -> Reason:
    """Return the place to count a reason in; beyond `MOST_REASONS` all go to one."""
    key = (outcome, name_of(reason))
    if key not in reasons and len(reasons) >= MOST_REASONS:
        key = (outcome, _OTHER)
    return reasons.setdefault(key, Reason())


def name_of(reason: str) -> str:
    """Return what a reason is called whatever the value was: ``min_rb: 0.12`` → ``min_rb``."""
    return _NUMBER.sub("…", reason.partition(":")[0])[:80]


async def accounts_of(store: Store, run: Digest) -> dict[tuple[str, str, str], Account]:
    """Return the accounts of a run by tier, channel and instance; the journal is gone through once."""
    accounts: dict[tuple[str, str, str], Account] = {}
    async for entry in store.scan(JournalEntry, run=run):
        key = (entry.tier, entry.channel, entry.instance)
        if key not in accounts:
            accounts[key] = Account(*key, entry.ref)
        accounts[key].add(entry)
    return accounts


async def dead_letters_of(store: Store, run: Run) -> dict[tuple[str, str], Reason]:
    """Return what could not be read or handled, by code of the error and name of the reason."""
    reasons: dict[tuple[str, str], Reason] = {}
    async for letter in store.scan(DeadLetter, run=run.id):
        counted(reasons, letter.code, letter.reason).add(letter.place, letter.reason)
    return reasons

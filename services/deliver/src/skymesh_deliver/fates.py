"""What becomes of each intent of a batch, as far as the store tells."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from msgspec.structs import replace

from skymesh.bus.bus import Outgoing
from skymesh.errors import InvariantError
from skymesh.jobs.outlets import Grants, ungranted
from skymesh.model.execution import Line
from skymesh.model.ids import Digest, text_id
from skymesh.model.position import Position
from skymesh.model.reaction import Held, Intent, Receipt, standing
from skymesh.model.records import Intended
from skymesh.runtime.outlet import Parcel
from skymesh.store.store import Found
from skymesh_deliver.door import MESSAGE_BYTES, Door, messages_of, parcel_of

DELIVERED, TOLD, HELD, DROPPED, WITHHELD = "delivered", "told", "held", "dropped", "withheld"
"""It left; another run told it before; it waits for a person; the person said never; it must not leave."""

_By = tuple[Digest, str, str]
"""Run, channel and reaction."""


@dataclass
class Fates:
    """Decides the intents of a batch, one after the other.

    Attributes
    ----------
    door
        How they leave.
    found
        What was read.
    now_utc
        The time, ISO 8601.
    parcels, messages, documents
        What is handed over, published and stored.
    lines
        What the journal says, by run, channel and reaction.
    """

    door: Door
    found: Found
    now_utc: str
    parcels: list[Parcel] = field(default_factory=list)
    messages: list[Outgoing] = field(default_factory=list)
    documents: list[Receipt | Held] = field(default_factory=list)
    lines: dict[_By, list[Line]] = field(default_factory=dict)
    _left: dict[Digest, Parcel] = field(default_factory=dict)

    def decide(self, records: Iterable[tuple[Position, Intended]]) -> None:
        """Decide what becomes of each, which lies at a position among the intents."""
        for at, record in records:
            intent = _intent(record, self.found)
            known = self._withheld(intent) or self._known(intent, at) or self._held(intent)
            line = known or self._sent(intent, at)
            self.lines.setdefault((intent.run, intent.channel, intent.instance), []).append(line)

    def _withheld(self, intent: Intent) -> Line | None:
        """Keep back what simulated alerts tell, and what the outlet is not granted; files may have both."""
        if self.door.way == "file":
            return None
        job = self.found.jobs[intent.run]
        if job.origin == "simulated":
            return _line(intent, WITHHELD, "simulated alerts are told nobody")
        grants: Grants = {self.door.target: self.door.grants}
        if hidden := ungranted(self.door.target, job.channel(intent.channel).grants, grants):
            return _line(intent, WITHHELD, f"{self.door.target!r} is not granted {', '.join(hidden)}")
        return None

    def _known(self, intent: Intent, at: Position) -> Line | None:
        """Tell nothing again that left before, in this batch or by a receipt."""
        if not self.door.is_shared:
            return None
        if intent.id in self._left:
            return self._repeated(intent, self._left[intent.id].receipt)
        receipts = [r for r in self.found.receipts[intent.id] if r.way == self.door.way]
        own = next((receipt for receipt in receipts if receipt.run == intent.run), None)
        if own is not None:
            # Of the same record: its batch was not committed, and it is published with this one.
            return None if own.intended_at == at else _delivered(intent, own)
        return self._repeated(intent, receipts[0]) if receipts else None

    def _repeated(self, intent: Intent, receipt: Receipt) -> Line:
        if receipt.run == intent.run:
            return _delivered(intent, receipt)
        return _line(intent, TOLD, f"told before by {text_id('run', receipt.run)}")

    def _held(self, intent: Intent) -> Line | None:
        held = self._standing(intent)
        if held is None or held.status == "released":
            return None
        if held.status == "dropped":
            return _line(intent, DROPPED, held.decision or "dropped by hand")
        return _line(intent, HELD, held.reason)

    def _standing(self, intent: Intent) -> Held | None:
        return standing(self.found.held.get(intent.id, ()))

    def _sent(self, intent: Intent, at: Position) -> Line:
        parcel = parcel_of(intent, self.door)
        largest = max(place.size_bytes for place in parcel.receipt.places)
        if self.door.is_transactional and largest > MESSAGE_BYTES:
            reason = f"a message of {largest} bytes is more than the {MESSAGE_BYTES} that Kafka is sent"
            held = self._standing(intent)
            # Released before, it is held once more: after the attempt that it was released for.
            attempts = 0 if held is None else held.attempts + 1
            self.documents.append(held_back(intent, reason, self.now_utc, attempts=attempts))
            return _line(intent, HELD, reason)
        if self.door.is_transactional:
            self.messages += messages_of(parcel, self.door)
            self.documents.append(replace(parcel.receipt, intended_at=at))
        else:
            self.parcels.append(parcel)
        self._left[intent.id] = parcel
        return _delivered(intent, parcel.receipt)


def held_back(intent: Intent, reason: str, since_utc: str, *, attempts: int) -> Held:
    """Return what is kept of a reaction that is not sent before a person has decided."""
    place = (intent.stock, intent.position)
    return Held(intent.id, intent.run, intent.target, *place, reason, since_utc, attempts)


def _delivered(intent: Intent, receipt: Receipt) -> Line:
    return _line(intent, DELIVERED, output=tuple(place.name for place in receipt.places))


def _line(intent: Intent, outcome: str, reason: str = "", output: tuple[str, ...] = ()) -> Line:
    return Line(text_id("reaction", intent.id), intent.stock, output, outcome, reason)


def _intent(record: Intended, found: Found) -> Intent:
    for intent in found.intents[record.run, record.stock]:
        if intent.id == record.reaction:
            return intent
    raise InvariantError("was published and is not in the store", where=text_id("reaction", record.reaction))

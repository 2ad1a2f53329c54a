"""The end of an audit: whatever is intended has left, or it is said why not."""

from __future__ import annotations

from msgspec.structs import replace

from skymesh.model.execution import Line
from skymesh.model.ids import Digest, text_id
from skymesh.model.reaction import Intent, Receipt
from skymesh.store.store import Store
from skymesh_deliver.door import Door, folder_door, parcel_of
from skymesh_deliver.fates import DELIVERED, DROPPED, HELD, TOLD, WITHHELD
from skymesh_deliver.held import held_of
from skymesh_local.audit_journal import DELIVERERS, Journal


async def audit_deliveries(store: Store, journal: Journal) -> list[str]:
    """Compare the intents with the receipts, with what is held back and with the journal of delivery."""
    told = _last_words(journal)
    receipts: dict[Digest, Receipt] = {}
    async for receipt in store.scan(Receipt, run=journal.run.id):
        receipts[receipt.id] = receipt
    holes: list[str] = []
    open_: list[Intent] = []
    async for intent in store.scan(Intent, run=journal.run.id):
        own = receipts.pop(intent.id, None)
        if own is not None and not _is_of(own, intent):
            holes.append(f"the receipt of {text_id('reaction', intent.id)} is not of its messages")
        if not journal.covers(intent.position):
            continue
        line = told.pop((intent.target, text_id("reaction", intent.id)), None)
        if line is None:
            open_.append(intent)
        elif problem := await _problem(store, intent, line, own, journal):
            holes.append(f"{text_id('reaction', intent.id)} {problem}")
    if not journal.inflight and (lost := _unexcused(open_, journal)):
        holes.append(f"{lost} reactions were not delivered")
    holes += [f"a receipt of {text_id('reaction', id_)}, which is not intended" for id_ in sorted(receipts)]
    return holes + [f"{name} was delivered and is not intended" for _, name in sorted(told)]


def _unexcused(open_: list[Intent], journal: Journal) -> int:
    """Return how many intents are open although their deliverer could handle them."""
    lost = 0
    for target in {intent.target for intent in open_}:
        own = [intent for intent in open_ if intent.target == target]
        lost += len(journal.burials.unexcused(f"{DELIVERERS}{target}", own, lambda intent: intent.stock))
    return lost


def _last_words(journal: Journal) -> dict[tuple[str, str], Line]:
    """Return what the journal says last of each reaction, by outlet and id: what was held may have left."""
    return {
        (entry.tier.removeprefix(DELIVERERS), line.subject): line
        for entry in journal.entries
        if entry.tier.startswith(DELIVERERS)
        for line in entry.lines
    }


def _is_of(receipt: Receipt, intent: Intent) -> bool:
    """Return whether a receipt is what the intent leaves when it goes the receipt's way."""
    topic = receipt.places[0].name.partition("/")[0] if receipt.places else ""
    doors = (folder_door("file"), Door("kafka", "kafka", topic=topic), Door("webhook", "webhook"))
    ways = {door.way: door for door in doors if door.way in {"file", intent.target}}
    if receipt.way not in ways:
        return False
    return parcel_of(intent, ways[receipt.way]).receipt == replace(receipt, intended_at=None)


async def _problem(
    store: Store, intent: Intent, line: Line, receipt: Receipt | None, journal: Journal
) -> str:
    """Return what contradicts the journal's last word on an intent; nothing if that is the whole truth."""
    if line.outcome == DELIVERED:
        return _unproven(line, receipt)
    if line.outcome not in {TOLD, HELD, DROPPED, WITHHELD} or not line.reason:
        return f"is {line.outcome} without a reason"
    if line.outcome == TOLD:
        others = [r async for r in store.scan(Receipt, id=intent.id) if r.run != intent.run]
        return "" if others else "was told by another run, of which there is no receipt"
    if line.outcome == WITHHELD:
        return "was withheld and has a receipt" if receipt else ""
    held = await held_of(store, intent.id)
    if held is None:
        return f"is {line.outcome} in the journal and not in the store"
    # What a person has just decided is in flight.
    is_so = held.status == line.outcome or journal.inflight > 0
    return "" if is_so else f"is {line.outcome} in the journal and {held.status} in the store"


def _unproven(line: Line, receipt: Receipt | None) -> str:
    if receipt is None:
        return "was delivered and has no receipt"
    is_there = line.output == tuple(place.name for place in receipt.places)
    return "" if is_there else "did not go where its receipt says"

"""The decisions of delivery: what goes where, under which name, and what its receipt says."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import PurePosixPath

from skymesh.errors import InvariantError
from skymesh.model.execution import JournalEntry, Line
from skymesh.model.ids import DIGEST_SIZE, Digest, text_id
from skymesh.model.reaction import Intent, Place, Receipt
from skymesh.model.records import Intended
from skymesh.provenance.journal import Journalist, Stopwatch
from skymesh.runtime.outlet import Item, Parcel
from skymesh.runtime.tier import Batch, Context, Outcome, Tier
from skymesh.runtime.topics import INTENTS
from skymesh.store.store import Found, Keys

DELIVERED = "delivered"


class Deliver(Tier[Intended]):
    """Hands every intent to its outlet.

    It decides and sends nothing itself: parcels are effects like documents and records, and the loop
    does them in the order that makes a crash harmless (`skymesh.runtime.loop`). So a deliverer is read
    and tested as every tier is, and outlets differ only in what `deliver` of theirs does.

    Parameters
    ----------
    context
        The log.
    """

    name = "deliver"
    reads = INTENTS
    record_type = Intended

    def __init__(self, context: Context) -> None:
        self._context = context

    def needs(self, batch: Batch[Intended], found: Found) -> Keys:
        """Return the jobs and the intents of the batch's stocks."""
        return Keys(
            intents=frozenset((record.run, record.stock) for record in batch.records),
            jobs=frozenset(_runs(batch)),
            until=max(record.position for record in batch.records),
        )

    def process(self, batch: Batch[Intended], found: Found) -> Outcome:
        """Make a parcel of every intent."""
        watch = Stopwatch()
        intents = [_intent(record, found) for record in batch.records]
        parcels = tuple(parcel_of(intent) for intent in intents)
        return Outcome(parcels=parcels, journal=self._journal(batch, found, intents, parcels, watch))

    def _journal(
        self,
        batch: Batch[Intended],
        found: Found,
        intents: list[Intent],
        parcels: Iterable[Parcel],
        watch: Stopwatch,
    ) -> tuple[JournalEntry, ...]:
        lines: dict[tuple[Digest, str, str], list[Line]] = {}
        for intent, parcel in zip(intents, parcels, strict=True):
            names = tuple(item.name for item in parcel.items)
            line = Line(text_id("reaction", intent.id), intent.stock, names, DELIVERED)
            lines.setdefault((intent.run, intent.channel, intent.instance), []).append(line)
        place = (self.name, batch.partition, batch.first, batch.end)
        runs = _runs(batch)
        counts = {"records": len(batch.records)}
        entries = [Journalist(self._context.owner, *place).batch(runs, watch, counts)]
        for run in runs:
            journalist = Journalist(run, *place)
            for channel in found.jobs[run].plan.channels:
                for reaction in channel.reactions:
                    told = lines.get((run, channel.name, reaction.name), [])
                    entries.append(
                        journalist.entry(
                            channel.name, reaction.name, None, told, watch.started_utc, watch.seconds()
                        )
                    )
        return tuple(entries)


def _runs(batch: Batch[Intended]) -> tuple[Digest, ...]:
    return tuple(dict.fromkeys(record.run for record in batch.records))


def parcel_of(intent: Intent) -> Parcel:
    """Return what is handed over for an intent: a pure function of it, however often it is made."""
    items = tuple(
        Item(name, letter.body) for name, letter in zip(_names(intent), intent.letters, strict=True)
    )
    places = tuple(Place(item.name, _digest(item.body), len(item.body)) for item in items)
    return Parcel(intent.target, items, Receipt(intent.run, intent.id, intent.target, places))


def _names(intent: Intent) -> list[str]:
    """Return the name of each message: by the reaction's id, with the message's own if there are several."""
    stem = f"{intent.instance}/{intent.id.hex()}"
    if len(intent.letters) == 1:
        return [stem + PurePosixPath(intent.letters[0].name).suffix]
    return [f"{stem}.{letter.name}" for letter in intent.letters]


def _digest(body: bytes) -> Digest:
    return Digest(hashlib.blake2b(body, digest_size=DIGEST_SIZE).digest())


def _intent(record: Intended, found: Found) -> Intent:
    for intent in found.intents[record.run, record.stock]:
        if intent.id == record.reaction:
            return intent
    raise InvariantError("was published and is not in the store", where=text_id("reaction", record.reaction))

"""How what is meant for an outlet leaves: under which names, and what proves it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from skymesh.bus.bus import Outgoing
from skymesh.jobs.outlets import OUTLETS, OutletName
from skymesh.model.access import Labels
from skymesh.model.ids import DIGEST_SIZE, Digest, text_id
from skymesh.model.reaction import Intent, Letter, Place, Receipt
from skymesh.runtime.outlet import Item, Parcel

MESSAGE_BYTES: Final = 900_000
"""Most bytes of a message for Kafka, whose usual limit for a record is 1 MiB."""


@dataclass(frozen=True)
class Door:
    """How what is meant for an outlet leaves here.

    Attributes
    ----------
    target
        The outlet as jobs name it.
    way
        The outlet that it really leaves through: the same, or ``file`` where a run tells nobody else.
    grants
        The access labels that may pass; None for all of them.
    is_shared
        Whether all runs tell the same receiver through it, so that what one told is told. A run's own
        folder is no such receiver.
    topic
        Where messages are published, of ``kafka``.
    """

    target: OutletName
    way: OutletName
    grants: Labels | None = None
    is_shared: bool = True
    topic: str = ""

    @property
    def is_transactional(self) -> bool:
        """Whether messages are published in the transaction of their batch, and no parcels are made."""
        return self.way == "kafka"

    @property
    def may_hold(self) -> bool:
        """Whether a reaction may be held back before it."""
        return self.is_transactional or not OUTLETS[self.way].is_exact


def folder_door(target: OutletName) -> Door:
    """Return the door of a run that tells nobody but the person who runs it: a folder of its own."""
    return Door(target, "file", is_shared=False)


def parcel_of(intent: Intent, door: Door) -> Parcel:
    """Return what is handed over for an intent: a pure function of both, however often it is made."""
    items = tuple(
        Item(name, letter) for name, letter in zip(_names(intent, door), intent.letters, strict=True)
    )
    places = tuple(Place(name, _digest(letter.body), len(letter.body)) for name, letter in items)
    return Parcel(intent, items, Receipt(intent.run, intent.id, intent.target, door.way, places))


def messages_of(parcel: Parcel, door: Door) -> list[Outgoing]:
    """Return a parcel as messages for Kafka, keyed by the object, so that its news stay in order."""
    return [
        Outgoing(door.topic, parcel.intent.stock, item.letter.body, headers=_headers(parcel.intent, item))
        for item in parcel.items
    ]


def told_of(intent: Intent, letter: Letter) -> dict[str, str]:
    """Return what is said beside a message of whom it comes from."""
    return {
        "reaction": text_id("reaction", intent.id),
        "run": text_id("run", intent.run),
        "stock": intent.stock,
        "channel": intent.channel,
        "instance": intent.instance,
        "message": letter.name,
    }


def _headers(intent: Intent, item: Item) -> tuple[tuple[str, bytes], ...]:
    told = {"content-type": item.letter.media_type, **told_of(intent, item.letter)}
    return tuple((name, value.encode()) for name, value in told.items())


def _names(intent: Intent, door: Door) -> list[str]:
    """Return the name of each message: by the reaction's id, with the message's own if there are several."""
    name = text_id("reaction", intent.id) if door.way == "webhook" else intent.id.hex()
    folder = {"file": f"{intent.instance}/", "kafka": f"{door.topic}/", "webhook": ""}[door.way]
    if len(intent.letters) != 1:
        return [f"{folder}{name}.{letter.name}" for letter in intent.letters]
    extension = PurePosixPath(intent.letters[0].name).suffix if door.way == "file" else ""
    return [folder + name + extension]


def _digest(body: bytes) -> Digest:
    return Digest(hashlib.blake2b(body, digest_size=DIGEST_SIZE).digest())

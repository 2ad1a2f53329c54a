"""Dead letters: finding them, and sending what is in them again."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from skymesh.bus.bus import Bus, Outgoing, key_text
from skymesh.codecs import wire
from skymesh.errors import NotFoundError, SettingsError
from skymesh.model.execution import JournalEntry, Line
from skymesh.model.ids import text_id
from skymesh.model.run import DeadLetter, Original, Redrive, letter_id
from skymesh.provenance.journal import Journalist, Stopwatch
from skymesh.runtime.dead import ATTEMPT
from skymesh.runtime.epochs import adding
from skymesh.runtime.expired import expiries_of, told_expiry
from skymesh.runtime.references import referring
from skymesh.runtime.tier import Context
from skymesh.runtime.topics import PROVENANCE, survey_record
from skymesh.store.store import Store
from skymesh_local.expired import packet_expiries
from skymesh_local.in_flight import read_record, runs_of

REDRIVE, SENT_AGAIN = "redrive", "sent_again"
_AT_ONCE = 100


@dataclasses.dataclass(frozen=True)
class Found:
    """A dead letter, and whether it was sent again."""

    letter: DeadLetter
    is_redriven: bool

    @property
    def name(self) -> str:
        """Its id in text."""
        return text_id("letter", letter_id(self.letter))

    def told(self) -> dict[str, Any]:
        """Return it in plain values, but for its bytes."""
        letter, original = self.letter, self.letter.original
        return {
            "id": self.name,
            "where": letter.place,
            "tier": letter.tier,
            "code": letter.code,
            "reason": letter.reason,
            "error": letter.error,
            "unit": letter.unit,
            "config": None if letter.config is None else text_id("config", letter.config),
            "attempt": letter.attempt,
            "size_bytes": len(letter.payload),
            "original": None
            if original is None
            else {
                "topic": original.topic,
                "partition": original.partition,
                "offset": original.offset,
                "key": original.key.decode(errors="backslashreplace"),
            },
            "sent_again": self.is_redriven,
        }


async def iter_letters(store: Store) -> AsyncIterator[Found]:
    """Yield all dead letters that a store keeps."""
    async for letter in store.scan(DeadLetter):
        key = {"run": letter.run, "source": letter.source, "index": letter.index, "tier": letter.tier}
        yield Found(letter, await store.get(Redrive, **key) is not None)


async def find_letters(store: Store, names: Iterable[str]) -> list[Found]:
    """Return dead letters by their ids, or the beginnings of them.

    Raises
    ------
    SettingsError
        If there is none, or several begin like that.
    """
    wanted = {name.removeprefix("letter:"): list[Found]() for name in names}
    async for found in iter_letters(store):
        for beginning, matching in wanted.items():
            if found.name.removeprefix("letter:").startswith(beginning):
                matching.append(found)
    for beginning, matching in wanted.items():
        if not matching:
            raise NotFoundError("no such dead letter", where=beginning)
        if len(matching) > 1:
            raise SettingsError(f"{len(matching)} dead letters begin like that", where=beginning)
    # Under two names it is still one.
    return list({found.name: found for matching in wanted.values() for found in matching}.values())


def refuse_sent(letters: Iterable[Found]) -> None:
    """Refuse what was sent again already.

    Raises
    ------
    SettingsError
        If one was.
    """
    for found in letters:
        if found.is_redriven:
            raise SettingsError("was sent again already: say --again to do so once more", where=found.name)


async def redrive(
    store: Store, bus: Bus, context: Context, letters: Sequence[Found], *, record_bytes: int | None = None
) -> None:
    """Send what is in dead letters to the topics it was read from, for one attempt more.

    Records and journal go out in transactions; then it is noted which were sent. Whatever comes between,
    nothing is lost: the same command may send some twice, which is as if a survey did, and tells nobody twice
    what an outlet promises to tell once.

    Parameters
    ----------
    store, bus, context
        The live mesh.
    letters
        The letters.
    record_bytes
        Largest record that travels itself; None if any does.

    Raises
    ------
    SettingsError
        If a letter comes from no topic, or from one that is not there any more, or what it is about has
        expired; then nothing is sent.
    """
    for found in letters:
        if why := await why_expired(store, context, found):
            raise SettingsError(why, where=found.name)
    topics = {found.name: await _target(bus, context, found) for found in letters}
    for start in range(0, len(letters), _AT_ONCE):
        part = letters[start : start + _AT_ONCE]
        outputs: list[Outgoing] = []
        for found in part:
            outputs += _outputs(found, topics[found.name], context)
        sent, blobs = referring(outputs, record_bytes)
        if blobs:
            await store.write(blobs)
        async with adding(store, context):
            await bus.publish(sent)
        await store.write([_redriven(found.letter) for found in part])


async def why_expired(store: Store, context: Context, found: Found) -> str:
    """Return why a letter is too late, as what it is about has expired; empty if it is not."""
    topic = "" if found.letter.original is None else found.letter.original.topic
    record = read_record(topic, found.letter.payload)
    for run in sorted(runs_of(record)):
        for expired in await expiries_of(store, run):
            return f"{text_id('run', run)} {told_expiry(expired)}"
    stamps, place = getattr(record, "cutouts", None), getattr(record, "position", None)
    for expired in await packet_expiries(store, context.log):
        is_lost = stamps is not None and await store.read_cutouts(stamps) is None
        if is_lost or (place is not None and expired.covers(place)):
            return f"the image stamps of its alert {told_expiry(expired)}"
    return ""


async def _target(bus: Bus, context: Context, found: Found) -> str:
    """Return the topic that takes a letter again.

    For a survey's own broker that is the mesh's of that survey; for an ended epoch, that of the newest.
    """
    original = _original(found)
    survey, separator, _ = original.topic.partition("/")
    topic = context.topic(survey_record(survey)) if separator else context.newest(original.topic)
    least = original.partition if topic == original.topic else 0
    if not separator and await bus.partitions(topic) <= least:
        raise SettingsError(f"{found.name} cannot be sent there: it is gone", where=topic)
    return topic


def _original(found: Found) -> Original:
    if found.letter.original is None:
        raise SettingsError("comes from a file: mend the file and run or publish it again", where=found.name)
    return found.letter.original


def _outputs(found: Found, topic: str, context: Context) -> tuple[Outgoing, Outgoing]:
    letter, original = found.letter, _original(found)
    # What is keyed goes by its key, the rest where it was.
    is_elsewhere = topic != original.topic
    partition = None if original.key or is_elsewhere else original.partition
    headers = ((ATTEMPT, str(letter.attempt + 1).encode()),)
    entry = _entry(found, original, topic, context)
    return (
        Outgoing(topic, key_text(original.key), letter.payload, partition, headers),
        Outgoing(context.topic(PROVENANCE), entry.tier, wire.encode(entry)),
    )


def _entry(found: Found, original: Original, topic: str, context: Context) -> JournalEntry:
    watch = Stopwatch()
    line = Line(found.name, original.stock, (topic,), SENT_AGAIN, f"attempt {found.letter.attempt + 1}")
    place = (original.partition, original.offset, original.offset + 1, original.topic)
    journalist = Journalist(context.owner, REDRIVE, *place)
    return journalist.entry("", found.name, None, [line], watch.started_utc, watch.seconds())


def _redriven(letter: DeadLetter) -> Redrive:
    key = (letter.run, letter.source, letter.index, letter.tier)
    return Redrive(*key, letter.attempt + 1, datetime.now(UTC).isoformat(timespec="seconds"))

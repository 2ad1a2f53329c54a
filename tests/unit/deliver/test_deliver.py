"""Delivery: what is intended leaves once, under the name of its reaction, or it is said why not."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import os
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from skymesh.errors import InvariantError, OutletUnavailableError, TransientError
from skymesh.files import write_whole
from skymesh.jobs.deployed import Deployed
from skymesh.jobs.outlets import PUBLIC
from skymesh.jobs.plan import JobPlan
from skymesh.model.ids import text_id
from skymesh.model.position import Position
from skymesh.model.reaction import Letter
from skymesh.model.records import Intended
from skymesh.provenance.journal import BATCH
from skymesh.runtime.tier import Batch, Context
from skymesh.store.store import Found, Keys
from skymesh.testing import documents as made
from skymesh_deliver.door import MESSAGE_BYTES, Door, folder_door, parcel_of
from skymesh_deliver.fates import DELIVERED, DROPPED, HELD, TOLD, WITHHELD
from skymesh_deliver.file_outlet import FileOutlet
from skymesh_deliver.tier import Deliver

XML = Letter("event.xml", "application/xml", b"<x/>")
PNG = Letter("finder.v2.png", "image/png", b"\x89PNG")
FOLDER = folder_door("file")
SHARED = Door("file", "file")
KAFKA = Door("kafka", "kafka", PUBLIC, topic="told")
WEBHOOK = Door("webhook", "webhook", PUBLIC)
CONTEXT = Context(made.LOG, made.RUN)


def intent(number=1, letters=(XML,), **changes):
    return msgspec.structs.replace(made.intent(number), letters=letters, **changes)


def intended(one):
    return Intended(one.position, one.stock, one.run, one.id, one.target)


def deployed(access=("ztf_public",), origin="real", to=("file", "kafka", "webhook"), run=made.RUN):
    reactions = (
        SimpleNamespace(name="event", outlets=to),
        SimpleNamespace(name="other", outlets=("file",)),
    )
    channel = SimpleNamespace(name=made.CHANNEL, reactions=reactions, grants=frozenset(access))
    return Deployed(run, origin, JobPlan("job", (channel,), ()))


def batch(*intents):
    records = tuple(map(intended, intents))
    places = tuple(range(5, 5 + len(records)))
    return Batch(0, 5, 5 + len(records), places, (0,) * len(records), records)


def found(*intents, job=None, receipts=(), held=()):
    by_stock = {}
    for one in intents:
        by_stock.setdefault((one.run, one.stock), []).append(one)
    by_id = {one.id: [] for one in intents}
    for receipt in receipts:
        by_id[receipt.id].append(receipt)
    of_held = {one.id: [said for said in held if said.id == one.id] for one in held}
    jobs = {one.run: deployed(run=one.run) for one in intents} | {made.RUN: job or deployed()}
    return Found(intents=by_stock, jobs=jobs, receipts=by_id, held=of_held)


def lines(outcome):
    told = [line for entry in outcome.journal for line in entry.lines if entry.instance != BATCH]
    return [(line.subject, line.outcome, line.reason) for line in told]


def test_it_asks_for_the_intents_of_the_stocks_and_only_shared_doors_for_what_was_told():
    one, other = intent(1), intent(2)
    asked = Keys(
        intents=frozenset({(made.RUN, one.stock), (made.RUN, other.stock)}),
        jobs=frozenset({made.RUN}),
        until=other.position,
    )
    ids = frozenset({one.id, other.id})
    needs = {door: Deliver(CONTEXT, door).needs(batch(one, other), Found()) for door in (FOLDER, SHARED)}
    assert needs[FOLDER] == asked
    assert needs[SHARED] == asked.union(Keys(receipts=ids))
    for door in (KAFKA, WEBHOOK):
        own = [msgspec.structs.replace(each, target=door.target) for each in (one, other)]
        keys = Deliver(CONTEXT, door).needs(batch(*own), Found())
        assert keys == asked.union(Keys(receipts=ids, held=ids))


def test_what_is_meant_for_another_outlet_is_passed_over_and_the_journal_tiles_all_the_same():
    mine, theirs = intent(1, target="webhook"), intent(2)
    deliver = Deliver(CONTEXT, WEBHOOK)
    assert deliver.name == "deliver.webhook"
    keys = deliver.needs(batch(theirs, mine, theirs), Found())
    assert (keys.intents, keys.receipts) == ({(made.RUN, mine.stock)}, {mine.id})
    outcome = deliver.process(batch(theirs, mine, theirs), found(mine))
    assert [parcel.intent for parcel in outcome.parcels] == [mine]
    assert [(e.tier, e.instance, e.first, e.end) for e in outcome.journal] == [
        ("deliver.webhook", BATCH, 5, 8),
        ("deliver.webhook", "event", 5, 8),
    ]
    assert outcome.journal[0].counts == {"ran": 1, "records": 3, "passed_over": 2}
    nothing = deliver.process(batch(theirs), Found())
    assert [(e.instance, e.first, e.end, e.lines) for e in nothing.journal] == [(BATCH, 5, 6, ())]


def test_a_parcel_names_one_message_by_the_reaction_and_several_by_their_own_names_too():
    one, hex_ = intent(), intent().id.hex()
    several = intent(letters=(XML, PNG))
    names = {
        FOLDER: ([f"event/{hex_}.xml"], [f"event/{hex_}.event.xml", f"event/{hex_}.finder.v2.png"]),
        KAFKA: ([f"told/{hex_}"], [f"told/{hex_}.event.xml", f"told/{hex_}.finder.v2.png"]),
        WEBHOOK: (
            [f"reaction:{hex_}"],
            [f"reaction:{hex_}.event.xml", f"reaction:{hex_}.finder.v2.png"],
        ),
    }
    for door, (alone, together) in names.items():
        assert [item.name for item in parcel_of(one, door).items] == alone
        assert [item.name for item in parcel_of(several, door).items] == together
        assert [item.letter for item in parcel_of(several, door).items] == [XML, PNG]


@pytest.mark.parametrize("door", [FOLDER, KAFKA, WEBHOOK], ids=lambda door: door.way)
def test_the_receipt_says_what_was_taken_and_where(door):
    one = intent(letters=(XML, PNG), target=door.target)
    parcel = parcel_of(one, door)
    receipt = parcel.receipt
    assert (receipt.run, receipt.id, receipt.target, receipt.way) == (one.run, one.id, door.target, door.way)
    for place, item in zip(receipt.places, parcel.items, strict=True):
        assert (place.name, place.size_bytes) == (item.name, len(item.letter.body))
        assert place.digest == hashlib.blake2b(item.letter.body, digest_size=16).digest()
    assert parcel_of(one, door) == parcel


def test_every_record_becomes_a_parcel_and_a_line_and_the_journal_tiles():
    intents = [intent(number) for number in (1, 4, 2)]
    outcome = Deliver(CONTEXT, FOLDER).process(batch(*intents), found(*intents))
    assert outcome.parcels == tuple(parcel_of(one, FOLDER) for one in intents)
    assert (outcome.documents, outcome.records, outcome.messages) == ((), (), ())
    assert [(e.tier, e.channel, e.instance, e.first, e.end) for e in outcome.journal] == [
        ("deliver.file", "", BATCH, 5, 8),
        ("deliver.file", made.CHANNEL, "event", 5, 8),
        ("deliver.file", made.CHANNEL, "other", 5, 8),
    ]
    told = [(line.subject, line.stock, line.outcome, line.output) for line in outcome.journal[1].lines]
    assert told == [
        (text_id("reaction", one.id), one.stock, DELIVERED, (f"event/{one.id.hex()}.xml",)) for one in intents
    ]


def test_what_was_published_and_is_not_stored_stops_it():
    with pytest.raises(InvariantError, match=intent().id.hex()):
        Deliver(CONTEXT, FOLDER).process(batch(intent()), found(intent(4)))


@pytest.mark.parametrize("door", [SHARED, KAFKA, WEBHOOK], ids=lambda door: door.way)
def test_what_another_run_told_is_not_told_again(door):
    one = intent(target=door.target)
    other = msgspec.structs.replace(parcel_of(one, door).receipt, run=made.OTHER_RUN)
    outcome = Deliver(CONTEXT, door).process(batch(one), found(one, receipts=[other]))
    assert (outcome.parcels, outcome.messages, outcome.documents) == ((), (), ())
    said = f"told before by {text_id('run', made.OTHER_RUN)}"
    assert lines(outcome) == [(text_id("reaction", one.id), TOLD, said)]
    # A run that told files alone told nobody.
    to_files = msgspec.structs.replace(other, way="file")
    outcome = Deliver(CONTEXT, door).process(batch(one), found(one, receipts=[to_files]))
    assert lines(outcome)[0][1] == (TOLD if door.way == "file" else DELIVERED)


def test_two_runs_that_tell_the_same_in_one_batch_tell_it_once():
    one = intent(target="webhook")
    other = msgspec.structs.replace(one, run=made.OTHER_RUN)
    outcome = Deliver(CONTEXT, WEBHOOK).process(batch(one, other, one), found(one, other))
    assert [parcel.intent for parcel in outcome.parcels] == [one]
    assert [outcome_ for _, outcome_, _ in lines(outcome)] == [DELIVERED, DELIVERED, TOLD]


def test_a_receipt_of_its_own_is_a_parcel_that_left_and_a_message_that_has_yet_to():
    for door, is_sent in ((WEBHOOK, False), (KAFKA, True)):
        one = intent(target=door.target)
        at = Position(0, 0, 5) if door is KAFKA else None
        receipt = msgspec.structs.replace(parcel_of(one, door).receipt, intended_at=at)
        outcome = Deliver(CONTEXT, door).process(batch(one), found(one, receipts=[receipt]))
        assert outcome.parcels == ()
        assert bool(outcome.messages) is is_sent
        assert lines(outcome) == [(text_id("reaction", one.id), DELIVERED, "")]


def test_a_message_is_not_published_again_for_another_record_of_the_same_reaction():
    one = intent(target="kafka")
    tier = Deliver(CONTEXT, KAFKA)
    first = tier.process(batch(one, one), found(one))
    assert len(first.messages) == 1
    later = tier.process(
        dataclasses.replace(batch(one), first=6, end=7, offsets=(6,)), found(one, receipts=first.documents)
    )
    assert (later.messages, later.documents) == ((), ())
    assert lines(later) == [(text_id("reaction", one.id), DELIVERED, "")]


def test_kafka_is_told_in_the_transaction_of_the_batch_with_the_reaction_in_the_headers():
    one = intent(letters=(XML, PNG), target="kafka")
    outcome = Deliver(CONTEXT, KAFKA).process(batch(one), found(one))
    assert outcome.parcels == ()
    receipt = msgspec.structs.replace(parcel_of(one, KAFKA).receipt, intended_at=Position(0, 0, 5))
    assert outcome.documents == (receipt,)
    assert [(m.topic, m.key, m.value) for m in outcome.messages] == [
        ("told", one.stock, XML.body),
        ("told", one.stock, PNG.body),
    ]
    assert dict(outcome.messages[1].headers) == {
        "content-type": b"image/png",
        "reaction": text_id("reaction", one.id).encode(),
        "run": text_id("run", one.run).encode(),
        "stock": one.stock.encode(),
        "channel": made.CHANNEL.encode(),
        "instance": b"event",
        "message": b"finder.v2.png",
    }


def test_a_message_that_is_too_large_for_kafka_is_held_back():
    large = intent(letters=(Letter("m.xml", "text/xml", bytes(MESSAGE_BYTES + 1)),), target="kafka")
    small = intent(2, letters=(Letter("m.xml", "text/xml", bytes(MESSAGE_BYTES)),), target="kafka")
    outcome = Deliver(CONTEXT, KAFKA).process(batch(large, small), found(large, small))
    held, receipt = outcome.documents
    assert (held.id, held.status, held.stock, receipt.id) == (large.id, "held", large.stock, small.id)
    assert f"{MESSAGE_BYTES + 1} bytes" in held.reason
    assert lines(outcome) == [
        (text_id("reaction", large.id), HELD, held.reason),
        (text_id("reaction", small.id), DELIVERED, ""),
    ]


def test_what_is_too_large_for_kafka_and_was_released_is_held_once_more():
    large = intent(letters=(Letter("m.xml", "text/xml", bytes(MESSAGE_BYTES + 1)),), target="kafka")
    said = [msgspec.structs.replace(made.held(1, attempts=0, status="released"), id=large.id)]
    (again,) = Deliver(CONTEXT, KAFKA).process(batch(large), found(large, held=said)).documents
    outcome = Deliver(CONTEXT, KAFKA).process(batch(large), found(large, held=[*said, again]))
    assert (outcome.documents, lines(outcome)[0][1]) == ((), HELD)


def test_what_a_person_decided_counts():
    one = intent(target="webhook")
    name = text_id("reaction", one.id)
    held = msgspec.structs.replace(made.held(1), target="webhook")
    for status, line in (
        ("held", (name, HELD, held.reason)),
        ("dropped", (name, DROPPED, "too late")),
        ("released", (name, DELIVERED, "")),
    ):
        decided = msgspec.structs.replace(held, status=status, decision="too late")
        outcome = Deliver(CONTEXT, WEBHOOK).process(batch(one), found(one, held=[decided]))
        assert lines(outcome) == [line]
        assert len(outcome.parcels) == (status == "released")


@pytest.mark.parametrize("door", [KAFKA, WEBHOOK], ids=lambda door: door.way)
def test_simulated_alerts_and_what_is_not_granted_are_told_nobody(door):
    one = intent(target=door.target)
    for job, reason in (
        (deployed(origin="simulated"), "simulated alerts are told nobody"),
        (deployed(access=("ztf_public", "ztf_private")), f"{door.target!r} is not granted ztf_private"),
    ):
        outcome = Deliver(CONTEXT, door).process(batch(one), found(one, job=job))
        assert (outcome.parcels, outcome.messages, outcome.documents) == ((), (), ())
        assert lines(outcome) == [(text_id("reaction", one.id), WITHHELD, reason)]
        to_files = folder_door(door.target)
        assert len(Deliver(CONTEXT, to_files).process(batch(one), found(one, job=job)).parcels) == 1


def send(folder, one):
    asyncio.run(FileOutlet(folder).deliver(parcel_of(one, FOLDER)))


def files(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_files_are_written_whole_and_once_however_often_they_are_sent(tmp_path):
    one = intent(letters=(XML, PNG))
    for _ in range(2):
        send(tmp_path, one)
        assert files(tmp_path) == {item.name: item.letter.body for item in parcel_of(one, FOLDER).items}


def test_two_that_write_one_file_leave_it_whole_and_nothing_beside_it(tmp_path):
    path, half = tmp_path / "a.xml", XML.body[:3]

    def pieces():
        yield half
        # Somebody else comes between, and has moved what both have written.
        write_whole(path, (XML.body,))
        yield XML.body[len(half) :]

    with pytest.raises(OutletUnavailableError, match="cannot be written"):
        write_whole(path, pieces())
    assert files(tmp_path) == {"a.xml": XML.body}
    (tmp_path / ".a.xml.part").write_bytes(b"what was left by one that was killed, and longer than the file")
    assert write_whole(path, (XML.body,)).size_bytes == len(XML.body)
    assert files(tmp_path) == {"a.xml": XML.body}


def test_a_file_and_its_name_are_on_the_disk_before_it_counts_as_written(tmp_path, monkeypatch):
    kept, fsync, replace = [], os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (kept.append(os.fstat(handle).st_ino), fsync(handle)))
    monkeypatch.setattr(Path, "replace", lambda part, to: (kept.append("moved"), replace(part, to)))
    send(tmp_path, intent())
    (name,) = files(tmp_path)
    path = tmp_path / name
    inodes = [each.stat().st_ino for each in (path, path.parent, tmp_path)]
    assert kept == [inodes[0], "moved", *inodes[1:]]


def test_a_folder_that_cannot_be_written_is_for_later_and_says_which(tmp_path):
    (tmp_path / "event").write_text("somebody else's file")
    with pytest.raises(OutletUnavailableError, match="event/") as caught:
        send(tmp_path, intent())
    assert isinstance(caught.value, TransientError)
    assert files(tmp_path) == {"event": b"somebody else's file"}

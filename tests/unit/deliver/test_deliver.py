"""Delivery: whatever is intended is written once, whole, under a name that says which reaction it is."""

from __future__ import annotations

import asyncio
import hashlib
from types import SimpleNamespace

import msgspec
import pytest

from skymesh.errors import InvariantError, OutletUnavailableError, TransientError
from skymesh.jobs.deployed import Deployed
from skymesh.jobs.plan import JobPlan
from skymesh.model.ids import text_id
from skymesh.model.reaction import Letter
from skymesh.model.records import Intended
from skymesh.provenance.journal import BATCH
from skymesh.runtime.tier import Batch, Context
from skymesh.store.store import Found, Keys
from skymesh.testing import documents as made
from skymesh_deliver.file_outlet import FileOutlet
from skymesh_deliver.tier import DELIVERED, Deliver, parcel_of

XML = Letter("event.xml", "application/xml", b"<x/>")
PNG = Letter("finder.v2.png", "image/png", b"\x89PNG")


def intent(number=1, letters=(XML,)):
    return msgspec.structs.replace(made.intent(number), letters=letters)


def intended(one):
    return Intended(one.position, one.stock, one.run, one.id, one.target)


@pytest.fixture
def deliver():
    return Deliver(Context(made.LOG, made.RUN))


def deployed():
    reactions = (SimpleNamespace(name="event"), SimpleNamespace(name="other"))
    channel = SimpleNamespace(name=made.CHANNEL, reactions=reactions)
    return Deployed(made.RUN, "real", JobPlan("job", (channel,), ()))


def batch(*intents):
    records = tuple(map(intended, intents))
    return Batch(0, 5, 5 + len(records), tuple(range(5, 5 + len(records))), (0,) * len(records), records)


def found(*intents):
    by_stock = {}
    for one in intents:
        by_stock.setdefault((one.run, one.stock), []).append(one)
    return Found(intents=by_stock, jobs={made.RUN: deployed()})


def test_it_asks_for_the_intents_of_the_stocks(deliver):
    one, other = intent(1), intent(2)
    keys = deliver.needs(batch(one, other), Found())
    stocks = frozenset({(made.RUN, one.stock), (made.RUN, other.stock)})
    assert keys == Keys(intents=stocks, jobs=frozenset({made.RUN}), until=other.position)


def test_a_parcel_names_one_message_by_the_reaction_and_several_by_their_own_names_too():
    one = intent()
    assert [item.name for item in parcel_of(one).items] == [f"event/{one.id.hex()}.xml"]
    several = parcel_of(intent(letters=(XML, PNG))).items
    assert [item.name for item in several] == [
        f"event/{one.id.hex()}.event.xml",
        f"event/{one.id.hex()}.finder.v2.png",
    ]
    assert [item.body for item in several] == [XML.body, PNG.body]


def test_the_receipt_says_what_was_taken_and_where():
    one = intent(letters=(XML, PNG))
    parcel = parcel_of(one)
    assert (parcel.receipt.run, parcel.receipt.id, parcel.receipt.target) == (one.run, one.id, "file")
    for place, item in zip(parcel.receipt.places, parcel.items, strict=True):
        assert (place.name, place.size_bytes) == (item.name, len(item.body))
        assert place.digest == hashlib.blake2b(item.body, digest_size=16).digest()
    assert parcel_of(one) == parcel


def test_every_record_becomes_a_parcel_and_a_line_and_the_journal_tiles(deliver):
    intents = [intent(number) for number in (1, 4, 2)]
    outcome = deliver.process(batch(*intents), found(*intents))
    assert outcome.parcels == tuple(map(parcel_of, intents))
    assert (outcome.documents, outcome.records) == ((), ())
    assert [(e.tier, e.channel, e.instance, e.first, e.end) for e in outcome.journal] == [
        ("deliver", "", BATCH, 5, 8),
        ("deliver", made.CHANNEL, "event", 5, 8),
        ("deliver", made.CHANNEL, "other", 5, 8),
    ]
    told = [(line.subject, line.stock, line.outcome, line.output) for line in outcome.journal[1].lines]
    assert told == [
        (text_id("reaction", one.id), one.stock, DELIVERED, (f"event/{one.id.hex()}.xml",)) for one in intents
    ]


def test_what_was_published_and_is_not_stored_stops_it(deliver):
    with pytest.raises(InvariantError, match=intent().id.hex()):
        deliver.process(batch(intent()), found(intent(4)))


def send(folder, one):
    asyncio.run(FileOutlet(folder).deliver(parcel_of(one)))


def files(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_files_are_written_whole_and_once_however_often_they_are_sent(tmp_path):
    one = intent(letters=(XML, PNG))
    for _ in range(2):
        send(tmp_path, one)
        assert files(tmp_path) == {item.name: item.body for item in parcel_of(one).items}


def test_half_a_file_of_an_attempt_before_is_replaced(tmp_path):
    one = intent()
    (name,) = (item.name for item in parcel_of(one).items)
    part = (tmp_path / name).with_name(f".{one.id.hex()}.xml.part")
    part.parent.mkdir()
    part.write_bytes(b"<")
    send(tmp_path, one)
    assert files(tmp_path) == {name: XML.body}


def test_a_folder_that_cannot_be_written_is_for_later_and_says_which(tmp_path):
    (tmp_path / "event").write_text("somebody else's file")
    with pytest.raises(OutletUnavailableError, match="event/") as caught:
        send(tmp_path, intent())
    assert isinstance(caught.value, TransientError)
    assert files(tmp_path) == {"event": b"somebody else's file"}

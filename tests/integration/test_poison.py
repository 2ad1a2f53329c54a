"""Records that a tier cannot handle: the others go on as if they were not there, and the audit knows."""

from __future__ import annotations

import asyncio
import functools

import pytest

import skymesh_local.app
from skymesh.bus.bus import Outgoing
from skymesh.model.ids import parse_id
from skymesh.model.run import Blob, DeadLetter
from skymesh.runtime.loop import TierLoop
from skymesh.runtime.topics import ACCEPTED, DEAD_LETTERS, INTENTS, RESULTS, STATES, topic_of
from skymesh_deliver.tier import Deliver
from skymesh_local.app import open_embedded
from skymesh_t0.tier import T0
from skymesh_t1.tier import T1
from skymesh_t2.tier import T2
from skymesh_t3.tier import T3
from support import nights
from support.mesh import (
    audit_store,
    constant,
    documents,
    messages,
    open_store,
    picture,
    run_files,
    write_files,
    write_job,
)

TIERS = {"t0": T0, "t1": T1, "t2": T2, "t3": T3, "deliver.file": Deliver}


@pytest.fixture
def night(tmp_path):
    """The night as files, its job, and the numbers of a run on which nothing fails."""
    folder = write_files(tmp_path, nights.packets())
    job = write_job(folder / "job.yaml", nights.channels())
    return folder, job, run_files(job, folder / "alerts", folder / "out")


def without(made, stock):
    """Return what a run made but for one object."""
    return (
        {place: link for place, link in made.links.items() if place[1] != stock},
        {reaction for reaction in made.reactions if reaction[3] != stock},
    )


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("batch_records", [3, 500])
def test_an_object_that_a_tier_fails_on_is_set_aside_and_the_audit_is_balanced(
    night, monkeypatch, tier, batch_records
):
    folder, job, _ = night
    expected = picture(folder / "out" / "store.db")
    stock = min(place[1] for place in expected.links)
    process = TIERS[tier].process

    def fail(self, batch, found):
        if any(record.stock == stock for record in batch.records):
            raise ZeroDivisionError("a bug of a tier")
        return process(self, batch, found)

    monkeypatch.setattr(TIERS[tier], "process", fail)
    run_files(job, folder / "alerts", folder / "poisoned", batch_records=batch_records)
    path = folder / "poisoned" / "store.db"
    made = picture(path)
    assert without(made, stock) == without(expected, stock)
    # What T3 intended still stands; nothing of it went out.
    intended = {reaction[5].hex() for reaction in made.reactions if reaction[3] == stock}
    assert bool(intended) == (tier == "deliver.file")
    assert not {name for name in messages(path.parent) if name.rpartition("/")[2][:32] in intended}
    found = audit_store(path)
    assert found.holes == []
    letters = [letter for letter in documents(path, DeadLetter) if letter.tier == tier]
    assert found.dead_letters == {tier: len(letters)}
    assert {(letter.code, letter.original.stock) for letter in letters} == {("poison", stock)}
    with open_store(path) as embedded:
        topic = topic_of(DEAD_LETTERS, letters[0].run.hex())
        assert asyncio.run(embedded.bus.end(topic, 0)) == len(letters)


def test_a_hole_beside_a_dead_letter_is_still_a_hole(night, monkeypatch):
    folder, job, _ = night
    process = T1.process
    spoilt = []

    def fail(self, batch, found):
        if not spoilt or batch.offsets == spoilt[0]:
            spoilt[:] = [batch.offsets]
            raise ZeroDivisionError("a bug of a tier")
        return process(self, batch, found)

    monkeypatch.setattr(T1, "process", fail)
    run_files(job, folder / "alerts", folder / "poisoned", batch_records=1)
    path = folder / "poisoned" / "store.db"
    assert audit_store(path).holes == []
    (stock,) = {letter.original.stock for letter in documents(path, DeadLetter) if letter.tier == "t1"}
    with open_store(path) as embedded:
        connection = embedded.bus._file.connection
        connection.execute("DELETE FROM state_links WHERE stock = ?", (stock,))
        connection.commit()
    assert audit_store(path).holes


def test_garbage_in_every_topic_of_a_run_changes_nothing_but_the_letters(night):
    folder, job, numbers = night
    run = parse_id(numbers["run"])[1]
    path = folder / "garbage" / "store.db"
    values = [b"\xc1" + bytes(16), b"", b"\x93\x01", b"no record"]

    async def spoil(embedded):
        for record in (ACCEPTED, STATES, RESULTS, INTENTS):
            topic = topic_of(record, run.hex())
            await embedded.bus.create(topic, is_kept=False)
            await embedded.bus.publish([Outgoing(topic, "k", value) for value in values])
        await embedded.close()

    path.parent.mkdir()
    asyncio.run(spoil(open_embedded(path)))
    again = run_files(job, folder / "alerts", folder / "garbage")
    assert constant(again) == constant(numbers)
    assert picture(path) == picture(folder / "out" / "store.db")
    assert messages(path.parent) == messages(folder / "out") != {}
    found = audit_store(path)
    assert found.holes == []
    assert set(found.dead_letters.values()) == {len(values)}
    assert len(found.dead_letters) == 4


@pytest.mark.parametrize("record_bytes", [0, 300])
def test_records_that_travel_by_reference_make_the_same(night, monkeypatch, record_bytes):
    folder, job, numbers = night
    loop = functools.partial(TierLoop, record_bytes=record_bytes)
    monkeypatch.setattr(skymesh_local.app, "TierLoop", loop)
    again = run_files(job, folder / "alerts", folder / "referred", batch_records=4)
    path = folder / "referred" / "store.db"
    assert constant(again) == constant(numbers) | {"journal": again["journal"]}
    assert picture(path) == picture(folder / "out" / "store.db")
    assert messages(path.parent) == messages(folder / "out")
    assert audit_store(path).holes == []
    assert documents(path, Blob)

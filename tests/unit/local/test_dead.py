"""Dead letters are found, and what is in them is sent again once it is asked for."""

from __future__ import annotations

import asyncio
import json

import pytest

from skymesh.codecs.confluent import Schemas
from skymesh.errors import NotFoundError, SettingsError
from skymesh.model.alert import Alert
from skymesh.model.ids import text_id
from skymesh.model.run import DeadLetter, Original, letter_id
from skymesh.runtime.dead import attempt_of
from skymesh.runtime.topics import ALERTS, survey_record
from skymesh_ingest.tier import Ingest
from skymesh_local.app import open_embedded
from skymesh_local.dead import REDRIVE, find_letters, iter_letters, redrive, refuse_sent
from support.loops import LIVE, LOG, on_mesh
from support.mesh import skymesh
from support.packets import packet

ZTF = survey_record("ztf")
BAD = packet(programid=9)


async def ingest_bad(mesh, count=2):
    await mesh.create(ZTF, ALERTS, partitions=2)
    await mesh.send(ZTF, [BAD] * count, keys=[f"k{n}" for n in range(count)], partition=1)
    await mesh.drain(Ingest(LIVE, Schemas()), ZTF, number=1)


async def all_letters(mesh):
    return [found async for found in iter_letters(mesh.store)]


def test_a_letter_is_sent_again_with_its_key_for_one_attempt_more_and_that_is_journaled(tmp_path):
    async def work(mesh):
        await ingest_bad(mesh)
        (first, _) = await all_letters(mesh)
        await redrive(mesh.store, mesh.bus, LIVE, [first])
        return first, await mesh.raw(ZTF), await all_letters(mesh), await mesh.journal()

    first, sent, letters, journal = on_mesh(tmp_path, work)
    again = [record for record in sent if attempt_of(record) == 2]
    assert [(record.key, record.value) for record in again] == [(first.letter.original.stock, BAD)]
    assert [found.is_redriven for found in letters] == [True, False]
    (entry,) = [entry for entry in journal if entry.tier == REDRIVE]
    assert [(line.subject, line.reason) for line in entry.lines] == [(first.name, "attempt 2")]
    assert first.name == text_id("letter", letter_id(first.letter))


def test_a_letter_that_was_sent_again_is_refused_the_second_time(tmp_path):
    async def work(mesh):
        await ingest_bad(mesh)
        (first, second) = await all_letters(mesh)
        refuse_sent(await find_letters(mesh.store, [first.name, second.name]))
        await redrive(mesh.store, mesh.bus, LIVE, [first])
        refuse_sent(await find_letters(mesh.store, [second.name]))
        with pytest.raises(SettingsError, match=f"^{first.name}: was sent again already: say --again"):
            refuse_sent(await find_letters(mesh.store, [second.name, first.name]))
        both_names = [first.name, first.name.removeprefix("letter:")[:20]]
        assert len(await find_letters(mesh.store, both_names)) == 1

    on_mesh(tmp_path, work)


def test_what_fails_again_is_a_letter_of_its_next_attempt(tmp_path):
    async def work(mesh):
        await ingest_bad(mesh, 1)
        for _ in range(2):
            await redrive(
                mesh.store, mesh.bus, LIVE, [f for f in await all_letters(mesh) if not f.is_redriven]
            )
            for number in range(2):
                await mesh.drain(Ingest(LIVE, Schemas()), ZTF, number=number)
        return await mesh.letters()

    letters = on_mesh(tmp_path, work)
    assert sorted(letter.attempt for letter in letters) == [1, 2, 3]
    assert {letter.payload for letter in letters} == {BAD}


def test_what_has_become_readable_is_an_alert(tmp_path, monkeypatch):
    from skymesh.surveys import registry

    ztf = type(registry.get("ztf"))
    shape = ztf.shape

    def fail(self, values, source):
        raise ZeroDivisionError("a bug that is mended later")

    async def work(mesh):
        await mesh.create(ZTF, ALERTS)
        await mesh.send(ZTF, [packet()])
        tier = Ingest(LIVE, Schemas())
        monkeypatch.setattr(ztf, "shape", fail)
        await mesh.drain(tier, ZTF)
        monkeypatch.setattr(ztf, "shape", shape)
        await redrive(mesh.store, mesh.bus, LIVE, await all_letters(mesh))
        await mesh.drain(tier, ZTF)
        return await mesh.values(ALERTS, Alert), await mesh.letters()

    alerts, letters = on_mesh(tmp_path, work)
    assert ([alert.stock for alert in alerts], len(letters)) == (["ztf:ZTF21aaaaaaa"], 1)


def test_a_letter_from_a_surveys_own_broker_goes_to_the_meshs_topic_of_the_survey(tmp_path):
    original = Original("ztf/ztf_20260101_programid1", 17, 3, b"")

    async def work(mesh):
        await mesh.create(ZTF)
        letter = DeadLetter(LOG, "ztf/ztf_20260101_programid1/17", 3, "c", "r", b"bytes", original=original)
        await mesh.store.write([letter])
        await redrive(mesh.store, mesh.bus, LIVE, await all_letters(mesh))
        return await mesh.raw(ZTF)

    (record,) = on_mesh(tmp_path, work)
    assert (record.value, attempt_of(record)) == (b"bytes", 2)


@pytest.mark.parametrize("original", [None, Original("skymesh.live.gone.v1", 0, 3, b"k")])
def test_nothing_is_sent_if_a_letter_has_nowhere_to_go(tmp_path, original):
    async def work(mesh):
        await ingest_bad(mesh, 1)
        await mesh.store.write([DeadLetter(LOG, "zzz", 3, "c", "r", b"bytes", original=original)])
        with pytest.raises(SettingsError):
            await redrive(mesh.store, mesh.bus, LIVE, await all_letters(mesh))
        return await mesh.raw(ZTF), await all_letters(mesh)

    sent, letters = on_mesh(tmp_path, work)
    assert len(sent) == 1
    assert not any(found.is_redriven for found in letters)


def test_letters_are_found_by_the_beginning_of_their_id(tmp_path):
    async def work(mesh):
        await ingest_bad(mesh)
        first, second = await all_letters(mesh)
        assert await find_letters(mesh.store, [second.name[:20], first.name]) == [second, first]
        with pytest.raises(NotFoundError):
            await find_letters(mesh.store, ["letter:zz"])
        with pytest.raises(SettingsError):
            await find_letters(mesh.store, [""])

    on_mesh(tmp_path, work)


@pytest.fixture
def store(tmp_path):
    """An embedded store with one letter, as its URL."""
    letter = DeadLetter(LOG, "night.tar", 4, "undecodable", "no container", b"\x00bytes")

    async def fill():
        embedded = open_embedded(tmp_path / "store.db")
        await embedded.store.write([letter])
        await embedded.close()

    asyncio.run(fill())
    return f"sqlite:{tmp_path / 'store.db'}"


def test_the_commands_list_and_show_letters_of_an_embedded_store(store, tmp_path):
    (told,) = json.loads(skymesh("dead", "list", "--store", store, "--json").stdout)["dead_letters"]
    assert (told["where"], told["code"], told["attempt"]) == ("night.tar#4", "undecodable", 1)
    assert "undecodable: no container" in skymesh("dead", "list", "--store", store).stdout
    out = tmp_path / "bytes"
    shown = skymesh("dead", "show", told["id"], "--store", store, "--out", str(out), "--json")
    assert json.loads(shown.stdout) == told
    assert out.read_bytes() == b"\x00bytes"


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "letter:00"),
        ("redrive", "--all"),
        ("redrive",),
        ("redrive", "x", "--all"),
        ("redrive", "--all", "--again"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(store, arguments):
    done = skymesh("dead", *arguments, "--store", store)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert done.stderr.startswith("skymesh: ")

"""A record that a tier cannot handle is set aside, whatever it makes the tier do; the others go on."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skymesh.codecs import wire
from skymesh.errors import (
    BrokerUnavailableError,
    InvariantError,
    PoisonError,
    StoreUnavailableError,
    UndecodableAlertError,
)
from skymesh.provenance.journal import BATCH, Journalist, Stopwatch
from skymesh.runtime.tier import Outcome, Publication, Tier
from skymesh.runtime.topics import DEAD_LETTERS
from skymesh.store.store import Keys
from support.loops import LIVE, LOG, on_mesh

IN, OUT = "in", "out"


class Halving(Tier[int]):
    """Publishes the half of even numbers, and fails on odd ones in the way that it is told."""

    name, reads, record_type = "halving", IN, int

    def __init__(self, fail, *, where="process"):
        self._fail = fail
        self._where = where

    def needs(self, batch, found):
        self._look(batch, "needs")
        return Keys()

    def process(self, batch, found):
        self._look(batch, "process")
        journalist = Journalist(LIVE.owner, self.name, batch.partition, batch.first, batch.end)
        return Outcome(
            records=tuple(Publication(OUT, "k", number // 2) for number in batch.records),
            journal=(journalist.batch((), Stopwatch(), {"records": len(batch.records)}),),
        )

    def _look(self, batch, where):
        if where == self._where and any(number % 2 for number in batch.records):
            self._fail()


def failing(error):
    def fail():
        raise error

    return fail


def run(folder, values, tier, **more):
    async def work(mesh):
        await mesh.create(IN, OUT)
        await mesh.send(IN, values, keys=[f"k{n}" for n in range(len(values))])
        await mesh.drain(tier, IN, **more)
        return (
            await mesh.values(OUT, int),
            await mesh.letters(),
            await mesh.raw(DEAD_LETTERS),
            await mesh.journal(),
            await mesh.bus.committed(LIVE.group(tier.name), LIVE.topic(IN), 0),
        )

    return on_mesh(folder, work)


@pytest.mark.parametrize("where", ["needs", "process"])
@pytest.mark.parametrize(
    "error", [ValueError("odd"), KeyError(3), ZeroDivisionError(), RecursionError("deep"), PoisonError("odd")]
)
def test_what_fails_alone_is_a_dead_letter_and_the_rest_goes_on(tmp_path, error, where):
    values = [wire.encode(n) for n in (2, 4, 5, 6, 7, 8)]
    made, letters, sent, journal, committed = run(tmp_path, values, Halving(failing(error), where=where))
    assert made == [1, 2, 3, 4]
    assert [(letter.index, letter.payload) for letter in letters] == [(2, b"\x05"), (4, b"\x07")]
    assert {letter.code for letter in letters} == {PoisonError.code}
    assert {letter.tier for letter in letters} == {"halving"}
    assert [record.value for record in sent] == [b"\x05", b"\x07"]
    assert committed == 6
    ranges = sorted((entry.first, entry.end) for entry in journal if entry.instance == BATCH)
    assert [first for first, _ in ranges] == [0, *(end for _, end in ranges[:-1])]
    assert ranges[-1][1] == 6
    assert sum(entry.counts.get("dead", 0) for entry in journal) == 2
    assert sum(entry.counts["records"] for entry in journal) == 6


def test_what_cannot_be_decoded_is_a_dead_letter(tmp_path):
    values = [wire.encode(2), b"\xc1 no record", wire.encode("text"), b"", wire.encode(4)]
    made, letters, _, _, committed = run(tmp_path, values, Halving(failing(ValueError())))
    assert made == [1, 2]
    assert [letter.payload for letter in letters] == values[1:4]
    assert all("\n" not in letter.reason and letter.reason for letter in letters)
    assert committed == 5


def test_a_dead_letter_says_all_about_the_record_in_its_headers(tmp_path):
    _, (letter,), (sent,), _, _ = run(tmp_path, [wire.encode(3)], Halving(failing(ValueError("odd"))))
    told = {name: text.decode() for name, text in sent.headers}
    assert sent.key == "k0"
    assert told["__connect.errors.topic"] == LIVE.topic(IN) == letter.original.topic
    assert (told["__connect.errors.partition"], told["__connect.errors.offset"]) == ("0", "0")
    assert told["__connect.errors.exception.class.name"] == "builtins.ValueError"
    assert told["__connect.errors.exception.message"].startswith("ValueError: odd")
    assert (told["__skymesh.tier"], told["__skymesh.code"]) == ("halving", "poison")
    assert told["__skymesh.attempt"] == "1"
    assert (letter.run, letter.place) == (LOG, f"{LIVE.topic(IN)}/0#0")


def test_a_packet_error_keeps_its_code(tmp_path):
    error = UndecodableAlertError("half a record")
    _, (letter,), _, _, _ = run(tmp_path, [wire.encode(3)], Halving(failing(error)))
    assert (letter.code, letter.reason) == ("undecodable", "half a record")


@pytest.mark.parametrize(
    "error",
    [InvariantError("law"), StoreUnavailableError("away"), BrokerUnavailableError("away"), MemoryError()],
)
def test_errors_that_are_not_about_a_record_keep_their_fate(tmp_path, error):
    async def work(mesh):
        await mesh.create(IN, OUT)
        await mesh.send(IN, [wire.encode(n) for n in (2, 3)])
        with pytest.raises(type(error)):
            await mesh.drain(Halving(failing(error)), IN)
        return await mesh.letters(), await mesh.bus.committed("x", LIVE.topic(IN), 0), await mesh.raw(OUT)

    assert on_mesh(tmp_path, work) == ([], 0, [])


class Brittle:
    """A store that fails with an error of its own: no fault of any record."""

    def __init__(self, store):
        self._store = store

    async def write(self, documents):
        await self._store.write(documents)

    async def read(self, log, keys):
        raise AttributeError("a bug of a driver")


class Asking(Halving):
    def needs(self, batch, found):
        return Keys(states=frozenset({LOG}))


def test_a_bug_of_the_store_makes_no_dead_letters(tmp_path):
    async def work(mesh):
        await mesh.create(IN, OUT)
        await mesh.send(IN, [wire.encode(2)])
        with pytest.raises(AttributeError):
            await mesh._replace(store=Brittle(mesh.store)).drain(Asking(failing(ValueError())), IN)
        return await mesh.letters()

    assert on_mesh(tmp_path, work) == []


@settings(max_examples=25)
@given(numbers=st.lists(st.integers(0, 9), max_size=12), batch_records=st.integers(1, 12))
def test_every_record_is_either_handled_or_dead_in_whatever_batches(tmp_path_factory, numbers, batch_records):
    folder = tmp_path_factory.mktemp("mesh")
    values = [wire.encode(n) for n in numbers]
    made, letters, _, journal, committed = run(
        folder, values, Halving(failing(ValueError())), batch_records=batch_records
    )
    assert made == [n // 2 for n in numbers if n % 2 == 0]
    assert [wire.decode(letter.payload, int) for letter in letters] == [n for n in numbers if n % 2]
    assert committed == len(numbers)
    assert sum(entry.counts["records"] for entry in journal) == len(numbers)


def test_letters_that_are_made_again_after_a_crash_are_one(tmp_path):
    class CrashError(Exception):
        pass

    def strike(step):
        if step == "halving stored":
            raise CrashError

    async def work(mesh):
        await mesh.create(IN, OUT)
        await mesh.send(IN, [wire.encode(3)])
        tier = Halving(failing(ValueError()))
        with pytest.raises(CrashError):
            await mesh.drain(tier, IN, checkpoint=strike)
        await mesh.drain(tier, IN)
        return len(await mesh.letters()), len(await mesh.raw(DEAD_LETTERS)), len(await mesh.journal())

    assert on_mesh(tmp_path, work) == (1, 1, 1)

"""Several T2s, one for each pool: the same states, results and reactions as where one T2 runs all."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from skymesh.model.execution import JournalEntry, View
from skymesh.model.run import JobRecord
from skymesh.runtime.topics import states_of
from skymesh_local import app
from skymesh_local.audit_journal import readers_of
from skymesh_t2.pool import Pool, tier_of
from skymesh_t2.tier import T2
from support import nights
from support.announced import announce_units, forget_units
from support.mesh import (
    audit_store,
    channel,
    constant,
    contents,
    documents,
    messages,
    picture,
    run_files,
    write_files,
    write_job,
)

POOLS = ("", "heavy", "gpu")


@pytest.fixture
def analyse(tmp_path, monkeypatch):
    """Analysers that build on each other across pools, there and back, and from one to another."""
    monkeypatch.syspath_prepend(announce_units(tmp_path / "units", "support.wired_units"))
    forget_units()
    yield {
        "summary": {"unit": "LightCurveSummary"},
        "looks": {"unit": "Looks", "pool": "gpu"},
        "may": {"unit": "OnStamps"},
        "where": {"unit": "Where", "pool": "heavy", "config": {"diary": str(tmp_path / "diary")}},
        "again": {"unit": "OnPlace", "pool": "gpu", "inputs": {"place": "where"}},
        "home": {"unit": "OnPlace", "inputs": {"place": "again"}},
    }
    forget_units()


@pytest.fixture
def night(tmp_path, analyse):
    """The night as files, and its job; one channel, which does not keep all alerts, asks for pools."""
    channels = nights.channels()
    channels["partners"]["analyse"] = analyse
    folder = write_files(tmp_path, nights.packets())
    return folder, write_job(folder / "job.yaml", channels)


@pytest.fixture
def several(monkeypatch):
    """Put the embedded mesh together with a T2 for each pool, as a live one is."""
    one = app.tiers_of

    def tiers_of(context, executor, doors):
        tiers = one(context, executor, doors)
        place = next(index for index, tier in enumerate(tiers) if isinstance(tier, T2))
        pools = [T2(context, executor, Pool(pool)) for pool in POOLS]
        return (*tiers[:place], *pools, *tiers[place + 1 :])

    monkeypatch.setattr(app, "tiers_of", tiers_of)
    monkeypatch.setattr(app, "OF_A_RUN", (*app.OF_A_RUN, *(states_of(pool) for pool in POOLS if pool)))


@pytest.fixture
def alone(night):
    """The numbers and the folder of a run with one T2."""
    folder, job = night
    return run_files(job, folder / "alerts", folder / "alone", batch_records=4), folder / "alone"


def at_once(alone, several, night, batch_records):
    folder, job = night
    out = folder / "several"
    return run_files(job, folder / "alerts", out, batch_records=batch_records), out


@pytest.mark.parametrize("batch_records", [1, 4, 500])
def test_a_run_through_pools_is_the_same_run(alone, several, night, batch_records):
    numbers, out = at_once(alone, several, night, batch_records)
    expected, whole = alone
    assert constant(numbers) == constant(expected)
    store, before = out / "store.db", whole / "store.db"
    assert picture(store) == picture(before)
    assert messages(out) == messages(whole) != {}
    changing = {"journal", "records", "ends", "committed", "intents", "receipts"}
    there, here = contents(before), contents(store)
    assert {table: here[table] for table in here.keys() - changing} == {
        table: there[table] for table in there.keys() - changing
    }
    assert audit_store(store).holes == []


def test_every_unit_is_journaled_by_the_t2_of_its_pool(alone, several, night, analyse):
    _, out = at_once(alone, several, night, 4)
    entries = [e for e in documents(out / "store.db", JournalEntry) if e.service == "t2" and e.channel]
    ran = {(entry.instance, entry.tier) for entry in entries if entry.channel == "job/partners"}
    assert ran == {(name, tier_of(unit.get("pool", ""))) for name, unit in analyse.items()}
    assert all(line.cpu_s > 0 for e in entries for line in e.lines if line.seconds > 0.01)


def test_a_state_that_went_another_way_may_complete_late_and_is_told_once(several, night, analyse):
    """Of the same stock, later states of the neighbour go ahead; what was told of them stands."""
    folder, _ = night
    event = {"unit": "VOEvent", "when": "summary", "once": "stock", "to": ["file"]}
    half = {"unit": "SampleFilter", "config": {"rate": 0.5}}
    job = write_job(
        folder / "late.yaml",
        {"all": channel(react={"event": event}), "some": channel(**half, analyse=analyse)},
    )
    numbers = run_files(job, folder / "alerts", folder / "late")
    store = folder / "late" / "store.db"
    told = [e for e in documents(store, JournalEntry) if (e.tier, e.instance) == ("t3", "event")]
    lines = [line for entry in told for line in entry.lines]
    assert "already told of a later alert" in {line.reason for line in lines}
    fired = [line.stock for line in lines if line.outcome == "fired"]
    assert sorted(fired) == sorted({line.stock for line in lines})
    assert len(messages(folder / "late")) == numbers["channels"]["job/all"]["reactions"] == len(fired)
    views = [view for view in documents(store, View) if view.channel == "job/all"]
    assert len(views) == numbers["channels"]["job/all"]["states"]
    assert audit_store(store).holes == []


@pytest.mark.parametrize("pool", POOLS)
def test_an_audit_misses_what_the_t2_of_a_pool_has_not_journaled(alone, several, night, pool):
    _, out = at_once(alone, several, night, 4)
    (job,) = documents(out / "store.db", JobRecord)
    assert readers_of(job)[tier_of(pool)] == states_of(pool)
    entries = documents(out / "store.db", JournalEntry)
    gone = next(e for e in entries if e.tier == tier_of(pool) and e.channel and e.lines)
    with closing(sqlite3.connect(out / "store.db")) as file, file:
        assert file.execute("DELETE FROM journal WHERE id = ?", (gone.id,)).rowcount == 1
    holes = audit_store(out / "store.db").holes
    assert any(f"journal of {gone.tier} {gone.channel} {gone.instance}" in hole for hole in holes)
    assert any(f"{gone.channel}.{gone.instance}" in hole for hole in holes)

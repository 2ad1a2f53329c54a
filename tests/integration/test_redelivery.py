"""Doing it again changes nothing: batches, whole runs, and replays of the log."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing

import pytest

from skymesh.model.ids import parse_id
from skymesh.model.run import DeadLetter, RunSummary
from skymesh.runtime.topics import OF_A_RUN, topic_of
from skymesh_local.app import open_embedded
from skymesh_local.run import run_job
from skymesh_local.settings import RunSettings
from support import nights
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

TIERS = ("t0", "t1", "t2", "t3", "deliver.file", "provenance")


@pytest.fixture
def night(tmp_path):
    """The night as files, its job with a product, and the numbers of a run in batches of 4."""
    folder = write_files(tmp_path, nights.packets())
    table = {"table": {"unit": "CandidateTable", "channels": ["public"], "to": ["file"]}}
    job = write_job(folder / "job.yaml", nights.channels(), summarise=table)
    return folder, job, run_files(job, folder / "alerts", folder / "out", batch_records=4)


def test_a_finished_run_again_is_a_no_op(night):
    folder, job, numbers = night
    before = contents(folder / "out" / "store.db")
    table, told = (folder / "out" / "table.csv").read_bytes(), messages(folder / "out")
    again = run_files(job, folder / "alerts", folder / "out", batch_records=7)
    assert again == numbers
    assert contents(folder / "out" / "store.db") == before
    assert (folder / "out" / "table.csv").read_bytes() == table
    assert messages(folder / "out") == told != {}


def test_a_finished_run_over_renamed_files_is_a_no_op(night):
    folder, job, numbers = night
    before = contents(folder / "out" / "store.db")
    (folder / "alerts").rename(folder / "moved")
    assert run_files(job, folder / "moved", folder / "out") == numbers
    assert audit_store(folder / "out" / "store.db").holes == []
    assert contents(folder / "out" / "store.db") == before


def test_a_job_over_the_alerts_without_the_dead_ones_is_balanced_in_the_same_store(night):
    folder, job, _ = night
    (folder / "alerts" / "dead.avro").unlink()
    other = write_job(folder / "other.yaml", {"x": channel()}, name="other")
    store = f"sqlite:{folder / 'out' / 'store.db'}"
    for which in (other, job):
        numbers = run_files(which, folder / "alerts", folder, store=store)
        assert audit_store(folder / "out" / "store.db", run=numbers["run"]).holes == []


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("back", [1, 3, None], ids=lambda back: f"by-{back or 'all'}")
def test_batches_that_are_delivered_again_change_no_row(night, tier, back):
    folder, job, numbers = night
    path = folder / "kept" / "store.db"
    _keep_all_topics(path, numbers["run"])
    run_files(job, folder / "alerts", folder / "kept", batch_records=4)
    before, made, told = contents(path), picture(path), messages(path.parent)
    assert made == picture(folder / "out" / "store.db")
    _set_back(path, tier, back)
    again = run_files(job, folder / "alerts", folder / "kept", batch_records=4)
    after = contents(path)
    changing = {"journal", "records", "ends", "committed", "run_summaries"}
    for table in before.keys() - changing:
        assert after[table] == before[table], table
    assert picture(path) == made
    assert messages(path.parent) == told != {}
    assert (again["digest"], again["results_digest"]) == (numbers["digest"], numbers["results_digest"])


def _keep_all_topics(path, run):
    """Make the topics of a run before it begins, so that they keep what was committed."""

    async def work(embedded):
        for record in OF_A_RUN:
            await embedded.bus.create(topic_of(record, parse_id(run)[1].hex()))
        await embedded.close()

    asyncio.run(work(open_embedded(path)))


def _set_back(path, tier, back):
    """Set a tier's group back by some records, and forget that the run is finished."""
    with closing(sqlite3.connect(path)) as file, file:
        reader, end = file.execute(
            "SELECT reader, next FROM committed WHERE reader LIKE ?", (f"%.{tier}",)
        ).fetchone()
        first = 0 if back is None else max(0, end - back)
        file.execute("UPDATE committed SET next = ? WHERE reader = ?", (first, reader))
        file.execute("DELETE FROM run_summaries")


@pytest.mark.parametrize("batch_records", [1, 500])
def test_a_replayed_log_makes_the_same(night, batch_records):
    folder, job, numbers = night
    store = f"sqlite:{folder / 'out' / 'store.db'}"
    settings = RunSettings(
        job=str(job), store=store, log=numbers["run"], out=folder / "replay", batch_records=batch_records
    )
    before = contents(folder / "out" / "store.db")
    replayed = asyncio.run(run_job(settings)).numbers
    assert (replayed["digest"], replayed["results_digest"]) == (numbers["digest"], numbers["results_digest"])
    assert constant(replayed)["alerts"] == numbers["alerts"]
    assert picture(folder / "replay" / "store.db") == picture(folder / "out" / "store.db")
    assert audit_store(folder / "replay" / "store.db").holes == []
    assert contents(folder / "out" / "store.db") == before
    assert asyncio.run(run_job(settings)).numbers == replayed


def test_a_replay_keeps_stamps_and_dead_letters(night):
    folder, job, numbers = night
    store = f"sqlite:{folder / 'out' / 'store.db'}"
    settings = RunSettings(job=str(job), store=store, log=numbers["run"], out=folder / "replay")
    asyncio.run(run_job(settings))
    told = [contents(folder / name / "store.db") for name in ("out", "replay")]
    assert told[0]["cutouts"] == told[1]["cutouts"] != []
    letters = documents(folder / "replay" / "store.db", DeadLetter)
    assert [letter.payload for letter in letters] == [nights.DEAD]
    assert len(documents(folder / "replay" / "store.db", RunSummary)) == 1

"""Whatever is killed goes on with the same command, and ends as if nothing had been."""

from __future__ import annotations

import json
import random
import subprocess
import sys

import pytest

from skymesh.model.run import Run
from support import nights
from support.mesh import (
    audit_store,
    constant,
    contents,
    documents,
    messages,
    run_files,
    skymesh,
    with_path,
    write_files,
    write_job,
)

BATCH = 4
STEPS = [
    f"{tier} {step}"
    for tier in ("t0", "t1", "t2", "t3", "deliver.file", "provenance")
    for step in ("read", "stored", "committed")
] + ["deliver.file delivered"]
TABLES = (
    "records", "cutouts", "source_counts", "dead_letters", "logs", "configs", "runs", "journal", "views",
    "products", "intents", "receipts",
)  # fmt: skip
SUMMARY = {"table": {"unit": "CandidateTable", "channels": ["public", "staff"], "to": ["file"]}}


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    """The night as files, its job, the numbers of a run without a crash, and all its rows."""
    folder = write_files(tmp_path_factory.mktemp("night"), nights.packets())
    job = write_job(folder / "job.yaml", nights.channels(), summarise=SUMMARY)
    numbers = run_files(job, folder / "alerts", folder / "whole", batch_records=BATCH)
    return folder, job, constant(numbers), contents(folder / "whole" / "store.db")


def _strike(night, places):
    """Run in other processes that are killed at these places; return what they printed."""
    folder, job, _, _ = night
    settings = {"job": str(job), "alerts": [str(folder / "alerts")], "batch_records": BATCH}
    arguments = [f"{place_folder}={place}" for place_folder, place in places.items()]
    command = [sys.executable, "-m", "support.killed", json.dumps(settings), *arguments]
    done = subprocess.run(command, env=with_path(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.fixture(scope="module")
def struck_at_steps(night, tmp_path_factory):
    """Folders of runs that ended at each step of each tier."""
    folders = {step: tmp_path_factory.mktemp(step.replace(" ", "-")) for step in STEPS}
    assert _strike(night, {folder: step for step, folder in folders.items()}) == []
    return folders


@pytest.mark.parametrize("step", STEPS)
def test_a_run_that_ended_at_a_step_goes_on_to_the_same_rows(night, struck_at_steps, step):
    folder, job, numbers, rows = night
    out = struck_at_steps[step]
    cut = audit_store(out / "store.db", is_final=False)
    assert cut.holes == []
    assert cut.inflight > 0
    assert audit_store(out / "store.db", is_final=True).holes != []
    again = run_files(job, folder / "alerts", out, batch_records=BATCH)
    assert constant(again) == numbers
    _assert_equal_rows(out, rows, folder / "whole")


@pytest.mark.parametrize("table", TABLES)
def test_a_run_struck_behind_a_table_goes_on_to_the_same_rows(night, tmp_path, table):
    folder, job, numbers, rows = night
    assert _strike(night, {tmp_path: f"after {table}"}) == []
    assert _audited(tmp_path) == []
    assert constant(run_files(job, folder / "alerts", tmp_path, batch_records=BATCH)) == numbers
    _assert_equal_rows(tmp_path, rows, folder / "whole")


def test_a_run_struck_at_any_statement_goes_on_to_the_same_rows(night, tmp_path):
    folder, job, numbers, rows = night
    (count,) = _strike(night, {tmp_path / "never": 0})
    draw = random.Random(20240210)
    places = {tmp_path / str(n): draw.randrange(1, int(count)) for n in range(20)}
    assert len(_strike(night, places)) <= 1  # the number of statements may shrink a little between runs
    for out, place in places.items():
        audited = _audited(out)
        assert audited == [], place
        again = run_files(job, folder / "alerts", out, batch_records=BATCH)
        assert constant(again) == numbers, place
        _assert_equal_rows(out, rows, folder / "whole")


def test_other_batches_and_processes_after_a_crash_make_the_same(night, tmp_path):
    folder, job, numbers, _ = night
    _strike(night, {tmp_path / "a": "t1 stored", tmp_path / "b": "t2 stored"})
    for out in (tmp_path / "a", tmp_path / "b"):
        again = run_files(job, folder / "alerts", out, batch_records=3)
        for key in ("digest", "results_digest", "alerts", "channels", "datapoints"):
            assert again[key] == numbers[key]
        assert audit_store(out / "store.db").holes == []


@pytest.mark.slow
def test_the_real_command_killed_again_and_again_ends_as_if_it_had_not_been(night, tmp_path):
    folder, job, numbers, rows = night
    arguments = ["run", job, "--alerts", folder / "alerts", "--out", tmp_path, "--json"]
    log = tmp_path / "store.db-wal"
    kills = 0
    for more_bytes in (1, 100_000, 300_000, 1, 200_000):
        # It is killed as soon as it has written so much more.
        limit = _size(log) + more_bytes
        command = [sys.executable, "-m", "skymesh_local", *map(str, arguments)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            while process.poll() is None and _size(log) < limit:
                """Look again."""
            kills += process.poll() is None
            process.kill()
    assert kills > 0
    done = skymesh(*arguments)
    assert done.returncode == 0, done.stderr
    again = json.loads(done.stdout)
    assert again["digest"] == numbers["digest"]
    assert again["channels"] == numbers["channels"]
    found = contents(tmp_path / "store.db")
    for table in rows.keys() - {"journal", "run_summaries", "ends", "committed"}:
        assert found[table] == rows[table], table
    assert skymesh("audit", "--store", f"sqlite:{tmp_path / 'store.db'}", "--final").returncode == 0


def _size(path):
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _audited(out):
    """Return the holes of a run that was cut; none if it had not begun."""
    path = out / "store.db"
    if not path.exists() or not documents(path, Run):
        return []
    return audit_store(path, is_final=False).holes


def _assert_equal_rows(out, rows, whole):
    found = contents(out / "store.db")
    assert found.keys() == rows.keys()
    for table in rows:
        assert found[table] == rows[table], table
    assert audit_store(out / "store.db", is_final=True).holes == []
    assert (out / "table.csv").exists()
    written = messages(out)
    assert len(written) == len(rows["receipts"]) > 0
    assert written == messages(whole)

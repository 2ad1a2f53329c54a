"""An audit finds whatever was taken from a store or changed in it, and nothing in one that is whole."""

from __future__ import annotations

import json
import shutil

import msgspec
import pytest

from skymesh.codecs import wire
from skymesh.model.alert import Alert
from support import nights
from support.damage import CHANGES, OTHER, change, damage, rows_of
from support.mesh import audit_store, run_files, skymesh, write_files, write_job

TAKEN = (
    "arrivals", "verdicts", "state_links", "states", "settled", "results", "journal", "views", "dead_letters",
    "jobs", "logs", "cutouts", "records", "source_counts",
    "intents", "receipts",
)  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The store of a finished run in batches of 4."""
    folder = write_files(tmp_path_factory.mktemp("whole"), nights.packets())
    job = write_job(folder / "job.yaml", nights.channels())
    run_files(job, folder / "alerts", folder, batch_records=4)
    return folder / "store.db"


@pytest.fixture
def store(whole, tmp_path):
    """A copy of it, to be damaged."""
    shutil.copy(f"{whole}.cutouts", tmp_path / "store.db.cutouts")
    return shutil.copy(whole, tmp_path / "store.db")


def _is_found(path):
    return audit_store(path, is_final=False).holes != []


def test_a_whole_store_has_no_hole(store):
    assert audit_store(store).holes == []


@pytest.mark.parametrize("table", TAKEN)
@pytest.mark.parametrize("which", range(3))
def test_a_row_that_was_taken_away_is_missed(store, table, which):
    column, bodies = rows_of(store, table)
    if which < len(bodies):
        damage(store, f"DELETE FROM {table} WHERE {column} = ?", bodies[which])
        assert _is_found(store)


@pytest.mark.parametrize("table", ["configs", "run_summaries"])
def test_a_final_audit_misses_these_too(store, table):
    _, bodies = rows_of(store, table)
    damage(store, f"DELETE FROM {table} WHERE body = ?", bodies[0])
    assert audit_store(store, is_final=True).holes != []


PLACES = [(table, number) for table, changes in CHANGES.items() for number in range(len(changes))]


@pytest.mark.parametrize("table,number", PLACES)
def test_a_row_that_was_changed_is_noticed(store, table, number):
    change(store, table, CHANGES[table][number])
    assert _is_found(store)


@pytest.mark.parametrize("field", ["id", "record", "values", "points"])
def test_a_record_of_the_log_that_was_changed_is_noticed(store, field):
    _, (body, *_) = rows_of(store, "records")
    empty = {"id": OTHER, "record": OTHER, "values": {}}
    alert = wire.decode(body, Alert)
    other = msgspec.structs.replace(alert, **{field: empty.get(field, alert.points[:1])})
    damage(store, "UPDATE records SET value = ? WHERE value = ?", wire.encode(other), body)
    assert _is_found(store)


def test_a_changed_byte_of_the_stamps_is_noticed(store):
    pack = store.with_name("store.db.cutouts")
    block = bytearray(pack.read_bytes())
    block[len(block) // 2] ^= 1
    pack.write_bytes(block)
    assert _is_found(store)


def test_the_command_says_so_and_exits_with_1(store):
    assert skymesh("audit", "--store", f"sqlite:{store}", "--final").returncode == 0
    damage(store, "DELETE FROM states WHERE rowid = 1")
    done = skymesh("audit", "--store", f"sqlite:{store}", "--json")
    told = json.loads(done.stdout)
    assert done.returncode == 1
    assert told["balanced"] is False
    assert any("state:" in hole for hole in told["holes"])

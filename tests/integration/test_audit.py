"""An audit finds whatever was taken from a store or changed in it, and nothing in one that is whole."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing

import msgspec
import pytest

from skymesh.codecs import wire
from skymesh.model.alert import Alert
from skymesh.store.tables import TABLES
from support import nights
from support.mesh import audit_store, run_files, skymesh, write_files, write_job

KINDS = {table.name: kind for kind, table in TABLES.items()}
TAKEN = (
    "arrivals", "verdicts", "state_links", "states", "settled", "results", "journal", "views", "dead_letters",
    "jobs", "logs", "cutouts", "records", "source_counts",
    "intents", "receipts",
)  # fmt: skip
OTHER = bytes(range(16))


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


def _rows(path, table):
    """Return the places of some rows of a table: the first, one in the middle and the last, by body."""
    with closing(sqlite3.connect(path)) as file:
        column = {"records": "value", "cutouts": "id"}.get(table, "body")
        # Of the topics the log alone is kept for ever.
        which = " JOIN topics ON id = topic WHERE name LIKE '%.alerts.%'" if table == "records" else ""
        bodies = [body for (body,) in file.execute(f"SELECT {column} FROM {table}{which}")]
    return column, sorted({bodies[0], bodies[len(bodies) // 2], bodies[-1]})


def _damage(path, statement, *values):
    with closing(sqlite3.connect(path)) as file, file:
        assert file.execute(statement, values).rowcount >= 1


def _is_found(path):
    return audit_store(path, is_final=False).holes != []


def test_a_whole_store_has_no_hole(store):
    assert audit_store(store).holes == []


@pytest.mark.parametrize("table", TAKEN)
@pytest.mark.parametrize("which", range(3))
def test_a_row_that_was_taken_away_is_missed(store, table, which):
    column, bodies = _rows(store, table)
    if which < len(bodies):
        _damage(store, f"DELETE FROM {table} WHERE {column} = ?", bodies[which])
        assert _is_found(store)


@pytest.mark.parametrize("table", ["configs", "run_summaries"])
def test_a_final_audit_misses_these_too(store, table):
    _, bodies = _rows(store, table)
    _damage(store, f"DELETE FROM {table} WHERE body = ?", bodies[0])
    assert audit_store(store, is_final=True).holes != []


def _fields(**fields):
    return lambda row: msgspec.structs.replace(row, **fields)


def _alert(**fields):
    return lambda row: msgspec.structs.replace(row, alert=msgspec.structs.replace(row.alert, **fields))


def _labels(row):
    points = tuple(msgspec.structs.replace(point, labels=("ztf_public", "x")) for point in row.alert.points)
    return _alert(points=points)(row)


def _line_less(row):
    return msgspec.structs.replace(row, lines=row.lines[:-1])


CHANGES = {
    "arrivals": [
        _alert(id=OTHER), _alert(record=OTHER), _alert(points=()), _alert(values={"drb": 1.0}),
        _alert(aggregates={"ndethist": 1}), _labels, _fields(is_duplicate=True), _fields(trigger=OTHER),
        _fields(trigger_labels=("ztf_public", "x")),
    ],
    "verdicts": [_fields(channels=())],
    "state_links": [_fields(states={}), _fields(emitted={}), _fields(alert=OTHER)],
    "states": [lambda row: msgspec.structs.replace(row, points=row.points[1:]), _fields(stock="ztf:other")],
    "settled": [_fields(results={}), _fields(alert=OTHER)],
    "results": [
        _fields(outcome="failed"), _fields(content={"fast": True}), _fields(digest=OTHER), _fields(inputs={}),
        _fields(stock="ztf:other"),
    ],
    "journal": [_line_less, _fields(first=1), _fields(end=3), _fields(id=OTHER)],
    "views": [_fields(state=OTHER), _fields(results={}), _fields(alert=OTHER)],
    "intents": [
        _fields(state=OTHER), _fields(stock="ztf:other"), _fields(letters=()), _fields(digest=OTHER),
        _fields(target="other"), _fields(instance="never"), _fields(once="stock"),
    ],
    "receipts": [_fields(target="other"), _fields(places=())],
    "jobs": [_fields(resolved={"name": "job", "channels": {}, "summaries": {}})],
    "logs": [_fields(length=3)],
    "runs": [_fields(name="other"), _fields(published=3), _fields(dead=0)],
    "source_counts": [_fields(read=3), _fields(published=0, dead=1)],
}  # fmt: skip
PLACES = [(table, number) for table, changes in CHANGES.items() for number in range(len(changes))]


@pytest.mark.parametrize("table,number", PLACES)
def test_a_row_that_was_changed_is_noticed(store, table, number):
    change = CHANGES[table][number]
    for body in _rows(store, table)[1]:
        row = wire.decode(body, KINDS[table])
        other = wire.encode(change(row))
        if other != body:
            _damage(store, f"UPDATE {table} SET body = ? WHERE body = ?", other, body)
            break
    else:
        pytest.fail("nothing was changed")
    assert _is_found(store)


@pytest.mark.parametrize("field", ["id", "record", "values", "points"])
def test_a_record_of_the_log_that_was_changed_is_noticed(store, field):
    _, (body, *_) = _rows(store, "records")
    empty = {"id": OTHER, "record": OTHER, "values": {}}
    alert = wire.decode(body, Alert)
    other = msgspec.structs.replace(alert, **{field: empty.get(field, alert.points[:1])})
    _damage(store, "UPDATE records SET value = ? WHERE value = ?", wire.encode(other), body)
    assert _is_found(store)


def test_a_changed_byte_of_the_stamps_is_noticed(store):
    pack = store.with_name("store.db.cutouts")
    block = bytearray(pack.read_bytes())
    block[len(block) // 2] ^= 1
    pack.write_bytes(block)
    assert _is_found(store)


def test_the_command_says_so_and_exits_with_1(store):
    assert skymesh("audit", "--store", f"sqlite:{store}", "--final").returncode == 0
    _damage(store, "DELETE FROM states WHERE rowid = 1")
    done = skymesh("audit", "--store", f"sqlite:{store}", "--json")
    told = json.loads(done.stdout)
    assert done.returncode == 1
    assert told["balanced"] is False
    assert any("state:" in hole for hole in told["holes"])

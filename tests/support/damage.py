"""Damaging a store behind the program's back: what an audit must find."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import msgspec

from skymesh.codecs import wire
from skymesh.store.tables import TABLES

KINDS = {table.name: kind for kind, table in TABLES.items()}
OTHER = bytes(range(16))


def rows_of(path, table, *, every=False):
    """Return the column that tells rows of a table apart, and the first, the one in the middle and the last.

    All of them if asked for.
    """
    with closing(sqlite3.connect(path)) as file:
        column = {"records": "value", "cutouts": "id"}.get(table, "body")
        # Of the topics the log alone is kept for ever.
        which = " JOIN topics ON id = topic WHERE name LIKE '%.alerts.%'" if table == "records" else ""
        bodies = [body for (body,) in file.execute(f"SELECT {column} FROM {table}{which}")]
    chosen = bodies if every else [bodies[0], bodies[len(bodies) // 2], bodies[-1]]
    return column, sorted(set(chosen))


def damage(path, statement, *values):
    with closing(sqlite3.connect(path)) as file, file:
        assert file.execute(statement, values).rowcount >= 1


def change(path, table, altered):
    """Alter the first row of a table that is another one then."""
    for body in rows_of(path, table)[1]:
        other = wire.encode(altered(wire.decode(body, KINDS[table])))
        if other != body:
            damage(path, f"UPDATE {table} SET body = ? WHERE body = ?", other, body)
            return
    raise AssertionError("nothing was changed")


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

"""Deleting what is due: first it is recorded, then it goes partition by partition, as often as it takes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from skymesh.errors import SettingsError
from skymesh.model.alert import Alert, Arrival, Cutouts
from skymesh.model.execution import JournalEntry, Line
from skymesh.model.ids import Digest, text_id
from skymesh.model.retention import Expired, Gone
from skymesh.model.run import Run
from skymesh.provenance.journal import Journalist
from skymesh.runtime.expired import expiries_of
from skymesh.runtime.topics import ALERTS
from skymesh.store.sorted_rows import SortedRows
from skymesh.store.store import Store
from skymesh.store.tables import TABLES, partition_of, table_of
from skymesh_local.digests import run_digests
from skymesh_local.expired import describe_expiry
from skymesh_local.find import find_logs
from skymesh_local.in_flight import find_in_flight
from skymesh_local.mesh import Mesh
from skymesh_local.retention import TIER, Asked, find_due, packets_in_flight, why_not_ended

_BURST = 1000
_STAMPS, _PACKET = 0, 1
_KEPT, _LOST = 0, 1

Place = tuple[type[Any], tuple[Any, ...]]
"""A class of documents and a partition of its table."""


async def expire_due(mesh: Mesh, asked: Asked, now: datetime, *, is_dry: bool) -> dict[str, Any]:
    """Delete what is asked for and may go, or only count it; return what, in plain values.

    Raises
    ------
    SettingsError
        If a run that is named has not ended, or somebody has begun to use what was to go.
    TransientError
        If servers do not answer; the same again goes on.
    """
    due = await find_due(mesh, asked, now)
    told = []
    for each in due.expiries:
        rows = await count_doomed(mesh, each) if is_dry else await carry_out(mesh, each)
        told.append({**describe_expiry(each), "until": list(map(str, each.until)), "rows": rows})
    return {"dry_run": is_dry, "expired": told, "kept": due.kept}


async def carry_out(mesh: Mesh, due: Expired) -> dict[str, int]:
    """Delete what is due; return how many rows went, by table.

    Interrupted anywhere, the same again makes it whole: until the last row has gone the record says so.

    Raises
    ------
    SettingsError
        If somebody has begun to use it meanwhile; then nothing is deleted.
    TransientError
        If servers do not answer.
    """
    store = mesh.store
    if due.retention == "decisions" and due.digest is None:
        digest, results_digest = await run_digests(store, due.owner)
        due = replace(due, digest=digest, results_digest=results_digest)
    await store.write([due])
    # Whoever would use it looks for the record after saying so: one of both sees the other.
    if why := await _why_not(mesh, due):
        await store.write([replace(due, status="withdrawn")])
        raise SettingsError(f"cannot expire: {why}", where=_named(due))
    await store.write([_entry(due)])
    if due.retention == "journal":
        await _note_ids(store, due)
    counts = await _delete(mesh, due)
    await store.write([replace(due, status="done")])
    return counts


async def count_doomed(mesh: Mesh, due: Expired) -> dict[str, int]:
    """Return how many rows would go, by table."""
    counts: Counter[str] = Counter()
    async for kind, _ in _doomed(mesh, due):
        counts[table_of(kind).name] += 1
    return dict(counts)


async def _why_not(mesh: Mesh, due: Expired) -> str:
    if due.retention != "packets":
        run = await mesh.store.get(Run, id=due.owner)
        return "its run is not in the store" if run is None else await why_not_ended(mesh, run)
    runs = [run async for run in mesh.store.scan(Run, log=due.owner)]
    if not due.until:
        return next(filter(None, [await why_not_ended(mesh, run) for run in runs]), "")
    in_flight = await packets_in_flight(mesh, await mesh.context(runs[0]), runs)
    is_needed = any(due.covers(position) for position in in_flight.lowest.values())
    return "alerts of that part of the log are in flight again" if is_needed else ""


def _named(due: Expired) -> str:
    return text_id("log" if due.retention == "packets" else "run", due.owner)


def _entry(due: Expired) -> JournalEntry:
    line = Line(_named(due), "", tuple(map(str, due.until)), "expired", due.why)
    # What has no offsets of its own is told apart by when it was.
    journalist = Journalist(due.owner, TIER, 0, 0, 0, due.expired_utc)
    return journalist.entry("", due.retention, None, [line], due.expired_utc, 0.0)


async def _note_ids(store: Store, due: Expired) -> None:
    """Keep the ids of entries that go; a partition holds entries of many, so all of them come first."""
    ids: list[Gone] = []
    async for entry in store.scan(JournalEntry, run=due.owner):
        if entry.tier != TIER:
            ids.append(Gone(entry.id, due.owner, due.retention, entry.channel))
        if len(ids) >= _BURST:
            await store.write(ids)
            ids = []
    await store.write(ids)


async def _delete(mesh: Mesh, due: Expired) -> dict[str, int]:
    # Noted before anything is looked at: what is written from now on is not known to be unneeded.
    written_before_us = time.time_ns() // 1000
    if due.before_utc:
        before = datetime.fromisoformat(due.before_utc)
        written_before_us = min(written_before_us, int(before.timestamp() * 1e6))
    counts: Counter[str] = Counter()
    burst: dict[Place, None] = {}
    async for kind, place in _doomed(mesh, due):
        counts[table_of(kind).name] += 1
        burst[kind, place] = None
        if len(burst) >= _BURST:
            await _flush(mesh.store, burst, written_before_us)
    await _flush(mesh.store, burst, written_before_us)
    return dict(counts)


async def _flush(store: Store, burst: dict[Place, None], written_before_us: int) -> None:
    by_kind: dict[type[Any], list[tuple[Any, ...]]] = {}
    for kind, place in burst:
        by_kind.setdefault(kind, []).append(place)
    for kind, places in by_kind.items():
        await store.delete(kind, places, written_before_us=written_before_us)
    burst.clear()


async def _doomed(mesh: Mesh, due: Expired) -> AsyncIterator[Place]:
    """Yield where each row lies that goes."""
    if due.retention == "packets":
        async for place in _doomed_packets(mesh, due):
            yield place
        return
    store = mesh.store
    for kind in (kind for kind, table in TABLES.items() if table.retention == due.retention):
        async for document in store.scan(kind, run=due.owner):
            if not (isinstance(document, JournalEntry) and document.tier == TIER):
                yield kind, partition_of(document)


async def _doomed_packets(mesh: Mesh, due: Expired) -> AsyncIterator[Place]:
    """Yield the packets and image stamps to which only arrivals lead that are covered."""
    store = mesh.store
    runs = [run async for run in store.scan(Run, log=due.owner)]
    context = await mesh.context(runs[0])
    with closing(SortedRows(3)) as rows:
        coming = await find_in_flight(mesh, context, {"t0": ALERTS})
        rows.add(_row(_STAMPS, id_, _KEPT) for id_ in coming.stamps)
        for log in await find_logs(store):
            before = [known for known in await expiries_of(store, log) if known.status == "done"]
            if log == due.owner and not due.until:
                before = []
            async for arrival in store.scan(Arrival, log=log):
                is_lost = log == due.owner and due.covers(arrival.position)
                if not any(known.covers(arrival.position) for known in before):
                    rows.add(_rows(arrival.alert, is_lost=is_lost))
        kept = b""
        for body in rows:
            is_kept, number, id_ = body[0] == _KEPT, body[1], body[2:]
            if is_kept:
                kept = body[1:]
            elif body[1:] != kept and number == _STAMPS:
                yield Cutouts, (id_,)
            elif body[1:] != kept and context.run is None:
                # Whole packets are kept by the ingest of a live mesh alone.
                yield Alert, (id_,)


def _rows(alert: Alert, *, is_lost: bool) -> list[tuple[Any, ...]]:
    fate = _LOST if is_lost else _KEPT
    stamps = [] if alert.cutouts is None else [_row(_STAMPS, alert.cutouts, fate)]
    return [_row(_PACKET, alert.record, fate), *stamps]


def _row(number: int, id_: Digest, fate: int) -> tuple[Any, ...]:
    """Return a row that comes before those of the same id that are lost, if it is kept."""
    return number, id_, fate, bytes([fate, number]) + id_

"""The digests of a run, and the numbers that are printed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from typing import Any

from skymesh.model.execution import JournalEntry, Settled
from skymesh.model.ids import Digest, digest_sequence
from skymesh.model.reaction import Intent
from skymesh.model.run import Run
from skymesh.model.state import StateLink
from skymesh.provenance.journal import BATCH
from skymesh.store.store import Store


async def run_digests(store: Store, run: Digest) -> tuple[Digest, Digest]:
    """Return the digest of a run and of its results.

    The first is over the sorted pairs of channel and state, and the executions of analysers with
    their outcomes; the second over the contents of the results. Neither knows of order, time or
    batches.
    """
    with closing(_SortedSet()) as made, closing(_SortedSet()) as contents:
        async for link in store.scan(StateLink, run=run):
            for channel, states in link.emitted.items():
                made.add(b"state" + state + channel.encode() for state in states)
        async for settled in store.scan(Settled, run=run):
            results = [
                r
                for by_state in settled.results.values()
                for named in by_state.values()
                for r in named.values()
            ]
            made.add(b"execution" + r.id + r.outcome.encode() for r in results)
            contents.add(r.id + r.digest for r in results)
        return made.digest(), contents.digest()


class _SortedSet:
    """A set of byte strings on disk, so that a long run takes no more memory than a short one."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("CREATE TABLE items (item BLOB PRIMARY KEY) WITHOUT ROWID")
        self._database.execute("BEGIN")

    def add(self, items: Iterable[bytes]) -> None:
        self._database.executemany("INSERT OR IGNORE INTO items VALUES (?)", ((item,) for item in items))

    def digest(self) -> Digest:
        items = self._database.execute("SELECT item FROM items ORDER BY item")
        return digest_sequence("digest", (len(item).to_bytes(4, "big") + item for (item,) in items))

    def close(self) -> None:
        self._database.close()


async def run_numbers(store: Store, run: Run) -> dict[str, Any]:
    """Return the numbers of a run that are printed, without the time it took."""
    digest, results_digest = await run_digests(store, run.id)
    registered: dict[str, int] = {}
    channels: dict[str, dict[str, int]] = {}
    units: dict[str, dict[str, Any]] = {}
    journaled = 0
    async for entry in store.scan(JournalEntry, run=run.id):
        if entry.instance == BATCH:
            continue
        journaled += len(entry.lines)
        if entry.tier == "t0" and not entry.channel:
            _add(registered, entry.counts)
        elif entry.tier == "t0":
            _add(channels.setdefault(entry.channel, dict.fromkeys(_CHANNEL_NUMBERS, 0)), entry.counts)
        elif entry.service == "t2" and entry.ref is not None:
            _add_unit(units, entry)
    await _count_outputs(store, run.id, channels)
    return {
        "run": f"run:{run.id.hex()}",
        "job": f"job:{run.job.hex()}",
        "alerts": {
            "read": run.read,
            "published": run.published,
            "duplicate": registered.get("duplicate", 0),
            "dead": run.dead,
            "accepted": registered.get("accepted", 0),
        },
        "channels": {
            name: {key: numbers[key] for key in _CHANNEL_NUMBERS} for name, numbers in channels.items()
        },
        "units": units,
        "journal": journaled,
        "datapoints": registered.get("points", 0),
        "digest": digest.hex(),
        "results_digest": results_digest.hex(),
    }


_CHANNEL_NUMBERS = ("accepted", "rejected", "states", "reactions")


async def _count_outputs(store: Store, run: Digest, channels: dict[str, dict[str, int]]) -> None:
    async for link in store.scan(StateLink, run=run):
        for channel, states in link.emitted.items():
            channels[channel]["states"] += len(states)
    for channel, numbers in channels.items():
        numbers["reactions"] = await store.count(Intent, run=run, channel=channel)


def _add(total: dict[str, int], counts: dict[str, int]) -> None:
    for key, count in counts.items():
        total[key] = total.get(key, 0) + count


def _add_unit(units: dict[str, dict[str, Any]], entry: JournalEntry) -> None:
    if entry.ref is None:
        return
    fresh = {"unit": entry.ref.unit, "ok": 0, "missing": 0, "failed": 0, "memoised": 0, "seconds": 0.0}
    numbers = units.setdefault(f"{entry.channel}.{entry.instance}", fresh)
    _add(numbers, entry.counts)
    numbers["seconds"] = round(numbers["seconds"] + entry.seconds, 6)

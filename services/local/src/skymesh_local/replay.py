"""Replaying the log that a store keeps, as a run apart in a new store."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import msgspec

from skymesh.bus.bus import Outgoing
from skymesh.codecs import wire
from skymesh.errors import NotFoundError
from skymesh.model.alert import Alert, Cutouts
from skymesh.model.ids import Digest
from skymesh.model.run import DeadLetter, Log, Run, SourceCount
from skymesh.runtime.references import resolved
from skymesh.runtime.topics import ALERTS, topic_of
from skymesh_local.app import Embedded, open_embedded
from skymesh_local.find import find_run


class Replayed(NamedTuple):
    """A log that was copied.

    Attributes
    ----------
    log
        The log.
    run
        The run it was read for first.
    source
        The store it comes from.
    """

    log: Log
    run: Run
    source: Path


async def replay_log(source_path: Path, run_name: str, target: Embedded) -> Replayed:
    """Copy the log of a run, in its own order, with its image stamps.

    Parameters
    ----------
    source_path
        The store that keeps the log.
    run_name
        The run.
    target
        The new store.

    Raises
    ------
    SettingsError
        If there is no such store or run.
    """
    source = open_embedded(source_path, must_exist=True)
    try:
        run = await find_run(source.store, run_name)
        await _copy_topic(source, target, topic_of(ALERTS, run.log.hex()))
        log = await source.store.get(Log, id=run.log)
    finally:
        await source.close()
    if log is None:
        raise NotFoundError("the log of this run is not in the store", where=run_name)
    await target.store.write([log])
    return Replayed(log, run, source_path)


async def copy_account(target: Embedded, replayed: Replayed, run: Digest) -> None:
    """Copy what was read for a log to the run that replays it."""
    source = open_embedded(replayed.source, must_exist=True)
    try:
        async for count in source.store.scan(SourceCount, run=replayed.run.id):
            await target.store.write([msgspec.structs.replace(count, run=run)])
        async for letter in source.store.scan(DeadLetter, run=replayed.run.id):
            # What the tiers of that run could not handle is its own.
            if letter.tier == "ingest":
                await target.store.write([msgspec.structs.replace(letter, run=run)])
    finally:
        await source.close()


async def _copy_topic(source: Embedded, target: Embedded, topic: str) -> None:
    """Copy a topic partition by partition, going on where an attempt before ended."""
    partitions = await source.bus.partitions(topic)
    await target.bus.create(topic, partitions=partitions)
    for partition in range(partitions):
        start = await target.bus.end(topic, partition)
        async for part in source.bus.iter_from(topic, partition, start):
            records = await resolved(source.store, part)
            await _copy_cutouts(source, target, [record.value for record in records])
            await target.bus.publish([Outgoing(topic, record.key, record.value) for record in records])


async def _copy_cutouts(source: Embedded, target: Embedded, values: list[bytes]) -> None:
    found = []
    for value in values:
        id_ = wire.decode(value, Alert).cutouts
        block = None if id_ is None else await source.store.read_cutouts(id_)
        if id_ is not None and block is not None:
            found.append(Cutouts(id_, block))
    await target.store.write(found)

"""Replaying the log that a store keeps, as a run apart in a new store."""

from __future__ import annotations

from pathlib import Path

from skymesh.bus.bus import Outgoing
from skymesh.codecs import wire
from skymesh.model.alert import Alert
from skymesh.model.ids import Digest
from skymesh.model.run import DeadLetter, Log, Origin, SourceCount
from skymesh.runtime.topics import ALERTS, topic_of
from skymesh_local.app import Embedded, open_embedded
from skymesh_local.find import find_run

_RECORDS = 1000
_BYTES = 32 << 20


async def replay_log(
    source_path: Path, run_name: str, target: Embedded
) -> tuple[Log, tuple[SourceCount, ...], Origin]:
    """Copy the log of a run, in its own order, with its image stamps and dead letters.

    Parameters
    ----------
    source_path
        The store that keeps the log.
    run_name
        The run.
    target
        The new store.

    Returns
    -------
    The log, the account of what was read for it, and the run's origin.

    Raises
    ------
    SettingsError
        If there is no such store or run.
    """
    source = open_embedded(source_path, must_exist=True)
    try:
        run = await find_run(source.store, run_name)
        log = await source.store.get(Log, id=run.log)
        letters = [letter async for letter in source.store.scan(DeadLetter, log=run.log)]
        await _copy_topic(source, target, topic_of(ALERTS, run.log))
        await target.store.write([*letters, *([log] if log is not None else [])])
    finally:
        await source.close()
    return log or Log(run.log, 0), run.sources, run.origin


async def _copy_topic(source: Embedded, target: Embedded, topic: str) -> None:
    """Copy a topic partition by partition, going on where an attempt before ended."""
    partitions = await source.bus.partitions(topic)
    await target.bus.create(topic, partitions=partitions)
    for partition in range(partitions):
        start = await target.bus.end(topic, partition)
        while records := await source.bus.read_from(
            topic, partition, start, limit=_RECORDS, max_bytes=_BYTES
        ):
            await _copy_cutouts(source, target, [record.value for record in records])
            await target.bus.publish([Outgoing(topic, record.key, record.value) for record in records])
            start = records[-1].offset + 1


async def _copy_cutouts(source: Embedded, target: Embedded, values: list[bytes]) -> None:
    found: dict[Digest, bytes] = {}
    for value in values:
        id_ = wire.decode(value, Alert).cutouts
        block = None if id_ is None else await source.store.read_cutouts(id_)
        if id_ is not None and block is not None:
            found[id_] = block
    await target.store.write_cutouts(found)

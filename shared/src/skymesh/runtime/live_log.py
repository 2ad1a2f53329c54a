"""The first records of a live log, by which it is known again."""

from __future__ import annotations

from skymesh.bus.bus import Bus, Outgoing, Received
from skymesh.codecs import wire
from skymesh.errors import SettingsError
from skymesh.model.deployment import Deployment, Epoch, Genesis
from skymesh.model.execution import JournalEntry
from skymesh.provenance.journal import BATCH
from skymesh.runtime.tier import Context
from skymesh.runtime.topics import ALERTS
from skymesh.store.store import Store

MADE_BY = "`skymesh store init` makes it"


async def begin_log(store: Store, bus: Bus, context: Context, epoch: Epoch) -> None:
    """Let every partition of the log that never held a record begin with whose it is.

    Raises
    ------
    SettingsError
        If the mesh was at work before: its offsets would mean other alerts than those that the store knows.
    """
    topic, body = context.topic(ALERTS), wire.encode(Genesis(epoch.log, epoch.number))
    partitions = range(epoch.partitions)
    untouched = [number for number in partitions if await _is_untouched(bus, topic, number)]
    if untouched and await _was_at_work(store, epoch):
        raise SettingsError(
            "was made anew, and the store knows the alerts that were in it: bring back the topic, or make"
            " another mesh, with a keyspace of its own",
            where=topic,
        )
    if untouched:
        await bus.publish([Outgoing(topic, "", body, partition=number) for number in untouched])


async def _is_untouched(bus: Bus, topic: str, partition: int) -> bool:
    """Return whether a partition never held a record; one that an aborted transaction wrote was none."""
    is_whole = await bus.first(topic, partition) == 0
    return is_whole and await _first_record(bus, topic, partition) is None


async def _was_at_work(store: Store, epoch: Epoch) -> bool:
    """Return whether a job was deployed or T0 has read the log: its journal begins with the first record."""
    async for _ in store.scan(Deployment, log=epoch.log):
        return True
    first = {"run": epoch.log, "tier": "t0", "channel": "", "instance": BATCH, "source": "", "first": 0}
    entries = [await store.get(JournalEntry, **first, partition=n) for n in range(epoch.partitions)]
    return any(entries)


async def check_log(bus: Bus, context: Context, epoch: Epoch) -> None:
    """Refuse topics that are not those of a log: made anew, or of another number of partitions.

    Raises
    ------
    SettingsError
        Which it is, in one line.
    """
    topic = context.topic(ALERTS)
    count = await bus.partitions(topic)
    if count != epoch.partitions:
        problem = f"has {count} partitions, the store knows {epoch.partitions}" if count else "is not there"
        raise SettingsError(f"{problem}; {MADE_BY}", where=topic)
    for number in range(count):
        # Where the first record has expired, it was the same topic all the time.
        if await bus.first(topic, number) > 0:
            continue
        first = await _first_record(bus, topic, number)
        if first is None:
            raise SettingsError(
                f"is empty: it was made anew under the store; {MADE_BY}", where=f"{topic}[{number}]"
            )
        if not _is_genesis(first.value, epoch):
            raise SettingsError(
                "is of another mesh, or was made anew: the store knows another log",
                where=f"{topic}[{number}]",
            )


async def _first_record(bus: Bus, topic: str, partition: int) -> Received | None:
    async for records in bus.iter_from(topic, partition, await bus.first(topic, partition)):
        return records[0]
    return None


def _is_genesis(value: bytes, epoch: Epoch) -> bool:
    try:
        return wire.decode(value, Genesis) == Genesis(epoch.log, epoch.number)
    except ValueError:
        return False

"""The first records of a live log, by which it is known again."""

from __future__ import annotations

from msgspec.structs import replace

from skymesh.bus.bus import Bus, Outgoing, Received
from skymesh.codecs import wire
from skymesh.errors import SettingsError, TransientError
from skymesh.model.deployment import Deployment, Epoch, Genesis, Marker
from skymesh.model.execution import JournalEntry
from skymesh.provenance.journal import BATCH
from skymesh.runtime.epochs import epochs_of
from skymesh.runtime.switched import switched_on
from skymesh.runtime.tier import Context
from skymesh.runtime.topics import ALERTS
from skymesh.store.store import Store

MADE_BY = "`skymesh store init` makes it"


async def begin_log(store: Store, bus: Bus, context: Context) -> Epoch:
    """Begin the newest epoch, whose topics are there: it may be worked in from then on. Return it.

    Every partition that never held a record begins with whose it is, and with the jobs that are at work.

    Raises
    ------
    SettingsError
        If the epoch was begun and at work: its offsets would mean other alerts than those that the store
        knows. Or if it was withdrawn.
    TransientError
        If somebody else is about to begin it, or was killed in the middle.
    """
    topic, epoch = context.topic(ALERTS), context.epochs[-1]
    partitions = range(epoch.partitions)
    if not all([await bus.is_settled(topic, number) for number in partitions]):
        raise TransientError("somebody is writing to it, or was killed: try again in a minute", where=topic)
    untouched = [number for number in partitions if await _is_untouched(bus, topic, number)]
    if untouched and epoch.is_begun and await _was_at_work(store, epoch):
        raise SettingsError(
            "was made anew, and the store knows the alerts that were in it: bring back the topic, or make"
            " another mesh, with a keyspace of its own",
            where=topic,
        )
    if epoch.number not in {known.number for known in await epochs_of(store, epoch.log)}:
        raise SettingsError(f"epoch {epoch.number} was withdrawn meanwhile", where=topic)
    if untouched:
        first = [wire.encode(record) for record in await _first_records(store, context.epochs)]
        await bus.publish([Outgoing(topic, "", body, partition=n) for n in untouched for body in first])
    await check_log(bus, context)
    if not epoch.is_begun:
        epoch = replace(epoch, status="begun")
        await store.write([epoch])
    return epoch


async def _first_records(store: Store, epochs: tuple[Epoch, ...]) -> list[Genesis | Marker]:
    """Return what every partition of the newest epoch begins with."""
    # T0 is through with the one before: it has met every marker in it.
    runs = await switched_on(store, epochs[-2]) if len(epochs) > 1 else ()
    return [Genesis(epochs[-1].log, epochs[-1].number), *(Marker(run, "on") for run in runs)]


async def _is_untouched(bus: Bus, topic: str, partition: int) -> bool:
    """Return whether a partition never held a record; one that an aborted transaction wrote was none."""
    is_whole = await bus.first(topic, partition) == 0
    return is_whole and await _first_record(bus, topic, partition) is None


async def _was_at_work(store: Store, epoch: Epoch) -> bool:
    """Return whether a job was deployed, or T0 has read the epoch, its first record first."""
    async for _ in store.scan(Deployment, log=epoch.log):
        return True
    first = {"run": epoch.log, "tier": "t0", "channel": "", "instance": BATCH, "source": "", "first": 0}
    entries = [await store.get(JournalEntry, **first, partition=n) for n in epoch.numbers]
    return any(entries)


async def check_log(bus: Bus, context: Context) -> None:
    """Refuse topics that are not those of the newest epoch: made anew, or of another number of partitions.

    Raises
    ------
    SettingsError
        Which it is, in one line.
    """
    topic, epoch = context.topic(ALERTS), context.epochs[-1]
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

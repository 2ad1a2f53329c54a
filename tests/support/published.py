"""What lies in the topics of a live mesh, read as its own readers do: committed records alone."""

from __future__ import annotations

from collections import Counter

from skymesh.codecs import wire
from skymesh.model.alert import Alert, Arrival
from skymesh.model.deployment import LogRecord
from skymesh.model.execution import JournalEntry
from skymesh.model.records import Accepted, Completed, Intended, Reached
from skymesh.runtime.live import known_pools, live_mesh
from skymesh.runtime.references import resolved
from skymesh.runtime.topics import ACCEPTED, ALERTS, INTENTS, PROVENANCE, RESULTS, states_of

_NAMES = {
    ALERTS: (LogRecord, lambda record: str(record.source) if isinstance(record, Alert) else None),
    ACCEPTED: (Accepted, lambda record: record.position),
    RESULTS: (Completed, lambda record: (record.position, *record.results)),
    INTENTS: (Intended, lambda record: (record.run, record.reaction)),
    PROVENANCE: (JournalEntry, lambda record: record.id),
}


def _states_of(record):
    """Name a record of states: those of other runs travel apart, and the same come by again with more."""
    runs = sorted({run for state in record.states for run in state.channels})
    return (record.position, *runs, wire.encode(record.slip))


async def records_of(mesh, topic):
    """Return the records of all partitions of a topic."""
    found = []
    for partition in range(await mesh.bus.partitions(topic)):
        async for records in mesh.bus.iter_from(topic, partition, await mesh.bus.first(topic, partition)):
            found += await resolved(mesh.store, records)
    return found


async def repeated(url):
    """Return what stands more than once in a topic of the mesh, by kind of record."""
    found = {}
    async with live_mesh(url) as mesh:
        pools = ["", *await known_pools(mesh.store, mesh.epoch.log)]
        names = _NAMES | {states_of(pool): (Reached, _states_of) for pool in pools}
        for record, (kind, name_of) in names.items():
            topics = [topic for _, topic in mesh.context.topics(record)]
            values = [value for topic in topics for value in await records_of(mesh, topic)]
            counts = Counter(name_of(wire.decode(value.value, kind)) for value in values)
            again = {name: count for name, count in counts.items() if name is not None and count > 1}
            if again:
                found[record] = again
    return found


async def epochs_of_alerts(mesh):
    """Return in which epoch each registered alert came in."""
    async with live_mesh(mesh.url) as live:
        return [arrival.position.epoch async for arrival in live.store.scan(Arrival)]


async def make_topic(mesh, name, *, partitions=2):
    """Make a topic beside those of the mesh."""
    async with live_mesh(mesh.url) as live:
        await live.bus.create(name, partitions=partitions)


async def told_through_kafka(mesh):
    """Return the reactions that the outlet's topic holds, in any order."""
    async with live_mesh(mesh.url) as live:
        return [
            dict(record.headers)["reaction"].decode()
            for record in await records_of(live, mesh.own["SKYMESH_KAFKA_OUTLET_TOPIC"])
        ]

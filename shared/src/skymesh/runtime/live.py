"""The live mesh: its log, its topics, and what opens them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple

from skymesh.bus.kafka.bus import KafkaBus
from skymesh.bus.kafka.topics import Topic
from skymesh.errors import SettingsError
from skymesh.jobs.pools import named_pools
from skymesh.model.deployment import Deployment, Epoch
from skymesh.model.ids import digest_of
from skymesh.model.run import JobRecord, Run
from skymesh.runtime.live_log import MADE_BY, begin_log, check_log
from skymesh.runtime.tier import Context
from skymesh.runtime.topics import (
    ACCEPTED,
    ALERTS,
    DEAD_LETTERS,
    INTENTS,
    PROVENANCE,
    RESULTS,
    SOURCES,
    STATES,
    states_of,
    survey_record,
)
from skymesh.settings.environment import from_environment
from skymesh.settings.kafka import KafkaSettings
from skymesh.settings.mesh import MeshSettings
from skymesh.settings.store import CassandraSettings
from skymesh.store.cassandra.schema import init_store
from skymesh.store.cassandra.store import open_store
from skymesh.store.store import Store
from skymesh.surveys import registry

_DAY_MS = 24 * 3600 * 1000
_DAYS = {
    ALERTS: 7, ACCEPTED: 7, STATES: 7, RESULTS: 7, PROVENANCE: 14, INTENTS: 30, DEAD_LETTERS: 30,
}  # fmt: skip
"""How long topics keep their records at least, in days: far longer than any service should be away."""


class LiveMesh(NamedTuple):
    """An open live mesh.

    Attributes
    ----------
    store, bus
        Open.
    epoch
        The newest generation of its log.
    name
        What its topics are named by.
    """

    store: Store
    bus: KafkaBus
    epoch: Epoch
    name: str

    @property
    def context(self) -> Context:
        """Whose work its tiers do."""
        return context_of(self.epoch, self.name)


def context_of(epoch: Epoch, name: str) -> Context:
    """Return whose work the tiers of a live mesh do."""
    return Context(epoch.log, None, epoch.number, is_marked=True, mesh=name)


@asynccontextmanager
async def live_mesh(store_url: str) -> AsyncIterator[LiveMesh]:
    """Open the live mesh of a store; Kafka is found through the environment.

    Raises
    ------
    SettingsError
        If there is no such mesh, or Kafka's topics are not those that the store knows.
    TransientError
        If Kafka or the store does not answer.
    """
    name, kafka = from_environment(MeshSettings).mesh, from_environment(KafkaSettings)
    store = await open_store(store_url, from_environment(CassandraSettings))
    try:
        epoch = await newest_epoch(store)
        if epoch is None:
            raise SettingsError(f"the store has no live log: {MADE_BY}", where=store_url)
        context = context_of(epoch, name)
        pools = await deployed_pools(store, epoch)
        bus = await KafkaBus.connect(kafka)
        try:
            await bus.topics.check(mesh_topics(context, epoch.partitions, pools))
            await check_log(bus, context, epoch)
            yield LiveMesh(store, bus, epoch, name)
        finally:
            await bus.close()
    finally:
        await store.close()


async def newest_epoch(store: Store) -> Epoch | None:
    """Return the newest generation of the live log; None where there is none."""
    epochs = [epoch async for epoch in store.scan(Epoch)]
    return max(epochs, key=lambda epoch: epoch.number, default=None)


async def make_mesh(store_url: str) -> Epoch:
    """Make keyspace, tables, log and topics; what is there already stays.

    Parameters
    ----------
    store_url
        Where the store is to be; everything else is found through the environment.

    Raises
    ------
    SettingsError
        If what is there does not fit.
    TransientError
        If Kafka or the store does not answer.
    """
    mesh = from_environment(MeshSettings)
    bus = await KafkaBus.connect(from_environment(KafkaSettings))
    try:
        settings = from_environment(CassandraSettings)
        await init_store(store_url, settings)
        store = await open_store(store_url, settings)
        try:
            epoch = await newest_epoch(store)
            if epoch is None:
                epoch = Epoch(digest_of("log", os.urandom(32)), 0, mesh.partitions)
                await store.write([epoch])
            context = context_of(epoch, mesh.mesh)
            pools = await deployed_pools(store, epoch)
            await bus.topics.create(mesh_topics(context, epoch.partitions, pools))
            await begin_log(store, bus, context, epoch)
            await check_log(bus, context, epoch)
            return epoch
        finally:
            await store.close()
    finally:
        await bus.close()


async def make_pools(mesh: LiveMesh, pools: Iterable[str]) -> None:
    """Make the topics of pools of T2 workers; those that are there stay.

    Raises
    ------
    SettingsError
        If Kafka does not let them be made.
    TransientError
        If Kafka does not answer.
    """
    records = {states_of(pool): _DAYS[STATES] for pool in pools}
    if records:
        await mesh.bus.topics.create(_topics(mesh.context, mesh.epoch.partitions, records))


async def deployed_pools(store: Store, epoch: Epoch) -> frozenset[str]:
    """Return the pools that the jobs at work name."""
    pools: set[str] = set()
    async for deployment in store.scan(Deployment, log=epoch.log):
        for id_ in deployment.runs:
            run = await store.get(Run, id=id_)
            job = None if run is None else await store.get(JobRecord, id=run.job)
            if job is not None:
                pools |= named_pools(job.resolved)
    return frozenset(pools)


def mesh_topics(context: Context, partitions: int, pools: Iterable[str]) -> list[Topic]:
    """Return what the mesh asks of its topics, those of pools among them."""
    days = {**_DAYS, **{survey_record(name): _DAYS[ALERTS] for name in registry.installed()}}
    kept = _topics(context, partitions, {**days, **{states_of(pool): _DAYS[STATES] for pool in pools}})
    return [*kept, Topic(context.topic(SOURCES), is_compacted=True)]


def _topics(context: Context, partitions: int, days: Mapping[str, int]) -> list[Topic]:
    """Return what is asked of the topics of records that are to be kept for some days."""
    return [Topic(context.topic(record), partitions, kept * _DAY_MS) for record, kept in sorted(days.items())]

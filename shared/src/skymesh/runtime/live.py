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
from skymesh.model.deployment import Epoch
from skymesh.model.ids import Digest, digest_of
from skymesh.model.run import JobRecord, Run
from skymesh.runtime.epochs import begun, epochs_of
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
    is_of_epoch,
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
    epochs
        Those of its log that were begun, the newest last.
    name
        What its topics are named by.
    """

    store: Store
    bus: KafkaBus
    epochs: tuple[Epoch, ...]
    name: str

    @property
    def epoch(self) -> Epoch:
        """The epoch that it works in."""
        return self.epochs[-1]

    @property
    def context(self) -> Context:
        """Whose work its tiers do."""
        return context_of(self.epochs, self.name)


def context_of(epochs: tuple[Epoch, ...], name: str) -> Context:
    """Return whose work the tiers of a live mesh do."""
    return Context(epochs[-1].log, None, epochs, is_marked=True, mesh=name)


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
        epochs = begun(await epochs_of(store))
        if not epochs:
            raise SettingsError(f"the store has no live log: {MADE_BY}", where=store_url)
        context = context_of(epochs, name)
        pools = await known_pools(store, context.log)
        bus = await KafkaBus.connect(kafka)
        try:
            try:
                await bus.topics.check(mesh_topics(context, pools))
            except SettingsError as error:
                raise SettingsError(f"{error.problem}; {MADE_BY}", where=error.where) from None
            await check_log(bus, context)
            yield LiveMesh(store, bus, epochs, name)
        finally:
            await bus.close()
    finally:
        await store.close()


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
            known = await epochs_of(store)
            if not known:
                known = (Epoch(digest_of("log", os.urandom(32)), 0, 0, mesh.partitions),)
                await store.write(known)
            # One that follows is begun when all is through that came in before.
            return await begin_epoch(store, bus, begun(known) or known[:1], mesh.mesh)
        finally:
            await store.close()
    finally:
        await bus.close()


async def begin_epoch(store: Store, bus: KafkaBus, epochs: tuple[Epoch, ...], name: str) -> Epoch:
    """Make the topics of the newest of some epochs; what is there already stays. Return it, begun.

    Raises
    ------
    SettingsError
        If what is there does not fit.
    TransientError
        If Kafka or the store does not answer.
    """
    context = context_of(epochs, name)
    await bus.topics.create(mesh_topics(context, await known_pools(store, context.log)))
    return await begin_log(store, bus, context)


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
        await mesh.bus.topics.create(_topics(mesh.context, records))


async def known_pools(store: Store, log: Digest) -> frozenset[str]:
    """Return the pools that jobs name which were ever deployed: records of theirs may come by once more."""
    jobs = {run.job async for run in store.scan(Run, log=log)}
    known = [await store.get(JobRecord, id=job) for job in sorted(jobs)]
    return frozenset(pool for job in known if job is not None for pool in named_pools(job.resolved))


def mesh_topics(context: Context, pools: Iterable[str]) -> list[Topic]:
    """Return what the mesh asks of the topics that it works with, those of pools among them."""
    days = {**_DAYS, **{survey_record(name): _DAYS[ALERTS] for name in registry.installed()}}
    kept = _topics(context, {**days, **{states_of(pool): _DAYS[STATES] for pool in pools}})
    return [*kept, Topic(context.topic(SOURCES), is_compacted=True)]


def _topics(context: Context, days: Mapping[str, int]) -> list[Topic]:
    """Return what is asked of the topics of records that are to be kept for some days."""
    first, newest = context.epochs[0], context.epochs[-1]
    return [
        Topic(
            context.topic(record),
            newest.partitions if is_of_epoch(record) else first.partitions,
            kept * _DAY_MS,
        )
        for record, kept in sorted(days.items())
    ]

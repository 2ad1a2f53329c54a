"""Beginning the next epoch of a live log: new topics, with another number of partitions if need be.

Nothing stands still but ingest: it is held back until all that came in before is through every tier, and
then everybody goes on in the new topics. What they do next knows all of what was before, as positions of a
later epoch come behind those of an earlier one.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter

from skymesh.bus.kafka.source import fence_sources
from skymesh.errors import TransientError
from skymesh.model.deployment import Epoch
from skymesh.model.run import JobRecord, Run
from skymesh.runtime.epochs import announce_epoch
from skymesh.runtime.live import LiveMesh, begin_epoch, live_mesh
from skymesh.runtime.topics import PROVENANCE, SOURCES, survey_record
from skymesh.surveys import registry
from skymesh_local.audit_journal import INGEST, readers_of
from skymesh_local.in_flight import find_in_flight
from skymesh_local.mesh import OnServers

_LOOK_EVERY_S = 1.0


async def renew(store_url: str, partitions: int, *, patience_s: float) -> Epoch:
    """Begin the next epoch of a live mesh; interrupted anywhere, the same again goes on.

    Parameters
    ----------
    store_url
        The store.
    partitions
        How many partitions its topics have; 0 for as many as they had.
    patience_s
        How long to wait for the tiers, in seconds.

    Raises
    ------
    SettingsError
        If it was announced with another number of partitions.
    TransientError
        If servers do not answer, or records were left when the time was over.
    """
    async with live_mesh(store_url) as mesh:
        epoch = await announce_epoch(mesh.store, mesh.epochs, partitions)
        # Whoever adds to the log looks for the announcement when it takes a partition: it finds it now.
        await _fence(mesh)
        await wait_for_tiers(mesh, patience_s)
        return await begin_epoch(mesh.store, mesh.bus, (*mesh.epochs, epoch), mesh.name)


async def _fence(mesh: LiveMesh) -> None:
    """Take from every ingest what it reads: it commits nothing more before it has taken it again."""
    context = mesh.context
    for topic in (context.topic(survey_record(name)) for name in registry.installed()):
        for partition in range(await mesh.bus.partitions(topic)):
            async with mesh.bus.open(context.group(INGEST), topic, partition):
                pass
    await fence_sources(mesh.bus.connection, context.topic(SOURCES))


async def wait_for_tiers(mesh: LiveMesh, patience_s: float) -> None:
    """Wait until every tier is through with all that is in the log.

    Raises
    ------
    TransientError
        If records are left when the time is over; it says before which tier.
    """
    end = time.monotonic() + patience_s
    while waiting := await _waiting(mesh):
        if time.monotonic() >= end:
            told = ", ".join(f"{count} before {tier}" for tier, count in sorted(waiting.items()))
            raise TransientError(
                f"records are left, {told}: serve the tiers, then the same command goes on", where=mesh.name
            )
        await asyncio.sleep(_LOOK_EVERY_S)


async def _waiting(mesh: LiveMesh) -> Counter[str]:
    readers = readers_of(None)
    async for run in mesh.store.scan(Run, log=mesh.epoch.log):
        readers |= readers_of(await mesh.store.get(JobRecord, id=run.job))
    found = await find_in_flight(OnServers(mesh), mesh.context, {**readers, PROVENANCE: PROVENANCE})
    return found.waiting

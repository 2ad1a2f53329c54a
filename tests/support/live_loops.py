"""A live mesh whose tiers take turns in this process: over SQLite, or on real servers.

What several processes do to each other is not seen here; the layout of a live mesh is: a log of several
partitions with markers in it, one journal for all runs, survey topics in front.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

from skymesh.bus.bus import Outgoing
from skymesh.bus.sqlite import SqliteBus
from skymesh.codecs.confluent import Schemas
from skymesh.jobs.loader import load_job
from skymesh.jobs.plan import plan_job
from skymesh.model.deployment import Epoch
from skymesh.model.ids import digest_of
from skymesh.runtime.deploying import deploy, undeploy
from skymesh.runtime.epochs import announce_epoch, begun, epochs_of
from skymesh.runtime.execute import InProcessExecutor
from skymesh.runtime.live import LiveMesh, context_of, known_pools, live_mesh, make_mesh, mesh_topics
from skymesh.runtime.live_log import begin_log
from skymesh.runtime.loop import TierLoop
from skymesh.runtime.meter import UNMEASURED, Meter
from skymesh.runtime.stored_jobs import StoredJobs
from skymesh.runtime.topics import survey_record
from skymesh.sqlite_file import SqliteFile
from skymesh.store.sqlite import SqliteStore
from skymesh_deliver.door import Door
from skymesh_deliver.file_outlet import FileOutlet
from skymesh_deliver.tier import Deliver
from skymesh_ingest.tier import Ingest
from skymesh_local.audit import audit
from skymesh_local.find import find_run
from skymesh_local.mesh import OnServers
from skymesh_local.renewing import wait_for_tiers
from skymesh_provenance.tier import Provenance
from skymesh_t0.tier import T0
from skymesh_t1.tier import T1
from skymesh_t2.tier import T2
from skymesh_t3.tier import T3
from support.cassandra_store import run_statements

TIERS = ("ingest", "t0", "t1", "t2", "t3", "deliver.file", "provenance")
SURVEY = survey_record("ztf")
NO_METERS: Mapping[str, Meter] = {}


class Loops:
    """What a test does with a mesh.

    Parameters
    ----------
    mesh
        The open mesh.
    folder
        Where the file outlet writes.
    """

    def __init__(self, mesh: LiveMesh, folder):
        self.mesh = mesh
        self._outlets = {"file": FileOutlet(folder)}
        self._jobs = StoredJobs(mesh.store)

    async def send(self, messages, *, is_keyed=False):
        """Send messages to the survey's topic; without keys in turn to its partitions."""
        topic, count = self.mesh.context.topic(SURVEY), self.mesh.epochs[0].partitions
        sent = [
            Outgoing(topic, str(number), message, None if is_keyed else number % count)
            for number, message in enumerate(messages)
        ]
        await self.mesh.bus.publish(sent)

    async def deploy(self, job, name=""):
        return await deploy(self.mesh, plan_job(load_job(job, {}), job.name, job.parent), name)

    async def undeploy(self, name):
        return await undeploy(self.mesh, name)

    async def work(self, *, tiers=TIERS, steps=None, batch_records=4, partitions=None, meters=NO_METERS):
        """Let tiers work until nothing is left to read, or for some rounds of one batch each.

        In all partitions, or in some; measured by the meter of each tier, where there is one.
        """
        async with AsyncExitStack() as opened:
            loops = [
                await self._loop(opened, tier, number, batch_records, meters.get(tier.name, UNMEASURED))
                for tier in self._tiers()
                if tier.name in tiers
                for number in (self._partitions(tier) if partitions is None else partitions)
            ]
            rounds = 0
            # All at once: a reader of a real topic waits a little for more before it finds nothing.
            while sum(await asyncio.gather(*(_drained(loop, steps) for loop in loops))) or (
                steps is None and await self._is_left(loops)
            ):
                rounds += 1
                if rounds == steps:
                    return

    async def _is_left(self, loops):
        """Ask the bus: a reader of a real topic may find nothing although there is something."""
        bus = self.mesh.bus
        for part in (loop._partition for loop in loops):
            place = (part.topic, part.number)
            first = max(await bus.committed(part.group, *place), await bus.first(*place))
            if any([records async for records in bus.iter_from(*place, first)]):
                return True
        return False

    async def renew(self, partitions=0):
        """Let the log go on in a new epoch, as `skymesh store new-epoch` does; nobody else is at work."""
        epoch = await announce_epoch(self.mesh.store, self.mesh.epochs, partitions)
        await wait_for_tiers(self.mesh, 0.0)
        await begin_in_file(self.mesh.store, self.mesh.bus, (*self.mesh.epochs, epoch))
        self.mesh = self.mesh._replace(epochs=begun(await epochs_of(self.mesh.store)))

    def _partitions(self, tier):
        # Surveys' topics are there for all epochs.
        return range(self.mesh.epochs[0 if isinstance(tier, Ingest) else -1].partitions)

    def _tiers(self):
        context = self.mesh.context
        return (
            Ingest(context, Schemas()), T0(context), T1(context), T2(context, InProcessExecutor()),
            T3(context), Deliver(context, Door("file", "file")), Provenance(),
        )  # fmt: skip

    async def _loop(self, opened, tier, number, batch_records, meter):
        context = self.mesh.context
        topic = context.topic(SURVEY if isinstance(tier, Ingest) else tier.reads)
        taken = self.mesh.bus.open(context.group(tier.name), topic, number)
        partition = await opened.enter_async_context(taken)
        return TierLoop(
            partition, self.mesh.store, tier, context, self._jobs,
            outlets=self._outlets, batch_records=500 if isinstance(tier, Provenance) else batch_records,
            meter=meter,
        )  # fmt: skip

    async def audit(self, run, *, is_final=True):
        """Audit a run, named by anything that `find_run` takes."""
        found = await find_run(self.mesh.store, run)
        return await audit(OnServers(self.mesh), found, is_final=is_final)


async def _drained(loop, steps):
    """Let a loop work until it finds nothing, or for one batch; return how many records it handled."""
    handled = await loop.step()
    while steps is None and (count := await loop.step()):
        handled += count
    return handled


async def begin_in_file(store, bus, epochs):
    """Make the topics of the newest of some epochs, and begin it."""
    context = context_of(epochs, "live")
    await store.write([epochs[-1]])
    for topic in mesh_topics(context, await known_pools(store, context.log)):
        await bus.create(topic.name, partitions=topic.partitions)
    await begin_log(store, bus, context)


@asynccontextmanager
async def in_file(path, *, partitions=3):
    """Have a live mesh in a SQLite file, made if it is not there."""
    file = SqliteFile(path)
    store, bus = SqliteStore(file), SqliteBus(file)
    if not await epochs_of(store):
        await begin_in_file(store, bus, (Epoch(digest_of("log", "a live one"), 0, 0, partitions),))
    try:
        yield Loops(LiveMesh(store, bus, begun(await epochs_of(store)), "live"), path.parent)
    finally:
        await store.close()


def on_file(path, work, **more):
    """Run `work(loops)` on a live mesh in a file; return what it returns."""

    async def run():
        async with in_file(path, **more) as loops:
            return await work(loops)

    return asyncio.run(run())


@contextmanager
def servers(kafka, cassandra, *, partitions=2):
    """Have a new mesh on servers, which the environment names inside; yield the URL of its store."""
    name = f"t{uuid.uuid4().hex[:12]}"
    own = {
        "SKYMESH_KAFKA": kafka, "SKYMESH_STORE": f"cassandra://{cassandra}/{name}",
        "SKYMESH_MESH": name, "SKYMESH_PARTITIONS": str(partitions), "SKYMESH_STORE_TIMEOUT_S": "60",
    }  # fmt: skip
    before = dict(os.environ)
    os.environ.update(own)
    try:
        asyncio.run(make_mesh(own["SKYMESH_STORE"]))
        yield own["SKYMESH_STORE"]
    finally:
        # Each keyspace has dozens of tables, and a small server has no room for many.
        run_statements(own["SKYMESH_STORE"], (f"DROP KEYSPACE IF EXISTS {name}",))
        os.environ.clear()
        os.environ.update(before)


def on_servers(url, folder, work):
    """Run `work(loops)` on a mesh on servers; return what it returns."""

    async def run():
        async with live_mesh(url) as mesh:
            return await work(Loops(mesh, folder))

    return asyncio.run(run())

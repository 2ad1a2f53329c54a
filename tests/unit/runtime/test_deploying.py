"""Whatever is switched on can be switched off again, whoever else deployed meanwhile."""

from __future__ import annotations

import asyncio

import pytest

from skymesh.errors import NotFoundError
from skymesh.jobs.loader import load_job
from skymesh.jobs.plan import plan_job
from skymesh.model.deployment import PlacedMarker, spans
from skymesh.runtime.deploying import deploy, undeploy
from support.live_loops import on_file
from support.mesh import channel, write_job


class Held:
    """A bus that publishes when it is let."""

    def __init__(self, bus, may_publish):
        self._bus = bus
        self._may_publish = may_publish

    async def publish(self, outputs):
        await self._may_publish.wait()
        await self._bus.publish(outputs)


def plan(folder, channels, name="job"):
    """Return a job with so many channels: another one for each number of them."""
    path = write_job(folder / f"{name}.yaml", {f"c{n}": channel() for n in range(channels)}, name=name)
    return plan_job(load_job(path, {}), path.name, path.parent)


async def at_work(loops):
    """Return the runs that are on at the end of the log, in any partition."""
    await loops.work(tiers=("t0",))
    found = set()
    for number in range(loops.mesh.epoch.partitions):
        store, log = loops.mesh.store, loops.mesh.epoch.log
        markers = [marker async for marker in store.scan(PlacedMarker, log=log, partition=number)]
        end = markers[-1].position.offset + 2
        runs = {marker.marker.run for marker in markers}
        found |= {run for run in runs if any(stop == end for _, stop in spans(markers, run, end))}
    return found


@pytest.mark.parametrize("is_deployed_after", [True, False])
def test_what_two_deployed_at_once_does_not_stay_for_ever(tmp_path, is_deployed_after):
    async def work(loops):
        mesh, may_publish = loops.mesh, asyncio.Event()
        first = await deploy(mesh, plan(tmp_path, 1))
        slow = asyncio.create_task(deploy(mesh._replace(bus=Held(mesh.bus, may_publish)), plan(tmp_path, 2)))
        await asyncio.sleep(0)
        quick = await deploy(mesh, plan(tmp_path, 3))
        may_publish.set()
        both = {quick.id, (await slow).id}
        assert await at_work(loops) == both != {first.id}
        if is_deployed_after:
            last = await deploy(mesh, plan(tmp_path, 4))
            assert await at_work(loops) == {last.id}
        assert await undeploy(mesh, "job")
        assert await at_work(loops) == set()
        with pytest.raises(NotFoundError):
            await undeploy(mesh, "job")

    on_file(tmp_path / "mesh.db", work)


def test_another_job_stays_as_it_is(tmp_path):
    async def work(loops):
        mesh = loops.mesh
        kept = await deploy(mesh, plan(tmp_path, 1, "other"))
        await deploy(mesh, plan(tmp_path, 1))
        assert len(await at_work(loops)) == 2
        await undeploy(mesh, "job")
        assert await at_work(loops) == {kept.id}

    on_file(tmp_path / "mesh.db", work)

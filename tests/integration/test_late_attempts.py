"""Units run into their deadline at one attempt and not at another: the store has what was committed."""

from __future__ import annotations

import pytest

from skymesh.errors import BrokerUnavailableError
from skymesh.model.execution import JournalEntry, Settled
from skymesh.model.ids import text_id
from skymesh.runtime.execute import InProcessExecutor
from skymesh.runtime.loop import TierLoop
from skymesh.runtime.stored_jobs import StoredJobs
from skymesh_t2.tier import T2
from support import moody_units, nights
from support.announced import announce_units, forget_units
from support.live_loops import on_file
from support.mesh import channel, write_job
from support.packets import container

MESSAGES = [container([item]) for item in nights.records()]


@pytest.fixture
def job(tmp_path, monkeypatch):
    """A job whose units are late when they are told so."""
    monkeypatch.syspath_prepend(announce_units(tmp_path / "units", "support.moody_units"))
    forget_units()
    public = channel(combine={"unit": "MoodyPoints"}, analyse={"length": {"unit": "MoodyLength"}})
    yield write_job(tmp_path / "moody.yaml", {"public": public}, name="moody")
    moody_units.late.clear()
    forget_units()


class Overtaken:
    """Computes for a worker that is stopped once it has decided, and wakes when others have committed."""

    def __init__(self, others):
        self._others = others

    async def __call__(self, function, *arguments):
        made = function(*arguments)
        if function.__name__ == "_process":
            await self._others()
        return made


async def _overtake(loops, tier, others):
    """Let a tier decide on all that it has to read, and store it when others have done the same."""
    mesh, context = loops.mesh, loops.mesh.context
    async with mesh.bus.open(context.group(tier.name), context.topic(tier.reads), 0) as partition:
        zombie = TierLoop(
            partition, mesh.store, tier, context, StoredJobs(mesh.store), compute=Overtaken(others)
        )
        with pytest.raises(BrokerUnavailableError, match="another process"):
            await zombie.step()


@pytest.mark.parametrize("is_zombie_late", [False, True])
def test_what_a_zombie_came_to_is_not_what_was_settled(tmp_path, job, is_zombie_late):
    names = {"MoodyLength"}

    async def work(loops):
        run = await loops.deploy(job)
        await loops.send(MESSAGES)
        await loops.work(tiers=("ingest", "t0", "t1"))

        async def others():
            moody_units.late.symmetric_difference_update(names)
            await loops.work(tiers=("t2",))

        moody_units.late.update(names if is_zombie_late else ())
        await _overtake(loops, T2(loops.mesh.context, InProcessExecutor()), others)
        await loops.work()
        store = loops.mesh.store
        told = {
            (line.subject, line.output, line.outcome)
            async for entry in store.scan(JournalEntry, run=run.id, tier="t2")
            for line in entry.lines
        }
        settled = {
            (text_id("state", state), (text_id("result", each.id),), each.outcome)
            async for row in store.scan(Settled, run=run.id)
            for state, by_instance in row.results["moody/public"].items()
            for each in by_instance.values()
        }
        assert settled == told
        assert {outcome for *_, outcome in told} == {"ok" if is_zombie_late else "failed"}
        assert (await loops.audit("")).holes == []

    on_file(tmp_path / "mesh.db", work, partitions=1)

"""A tier never begins anew with what it has read before."""

from __future__ import annotations

import pytest

from skymesh.errors import InvariantError
from skymesh.runtime.forgotten import refuse_forgotten
from skymesh.runtime.topics import ALERTS
from support import nights
from support.damage import damage
from support.live_loops import SURVEY, on_file
from support.packets import container

MESSAGES = [container([item]) for item in nights.records()[:4]]
READ = {"t0": ALERTS, "ingest": SURVEY}


def begin(path, tier):
    """Begin with every partition that a tier reads, as its service does."""

    async def work(loops):
        mesh, topic = loops.mesh, loops.mesh.context.topic(READ[tier])
        for number in range(mesh.epoch.partitions):
            async with mesh.bus.open(mesh.context.group(tier), topic, number) as partition:
                await refuse_forgotten(mesh.store, mesh.bus, mesh.context, tier, partition)

    on_file(path, work)


@pytest.fixture
def mesh(tmp_path):
    """A mesh in which alerts were ingested and registered."""

    async def work(loops):
        await loops.send(MESSAGES)
        await loops.work()

    on_file(tmp_path / "mesh.db", work)
    return tmp_path / "mesh.db"


@pytest.mark.parametrize("tier", READ)
def test_a_tier_begins_with_what_nobody_has_read(tmp_path, tier):
    begin(tmp_path / "mesh.db", tier)


@pytest.mark.parametrize("tier", READ)
def test_a_tier_goes_on_where_it_was(mesh, tier):
    begin(mesh, tier)


@pytest.mark.parametrize("tier", READ)
def test_a_tier_whose_offsets_were_forgotten_does_not_begin_again(mesh, tier):
    damage(mesh, "DELETE FROM committed")
    with pytest.raises(InvariantError, match="has read this before"):
        begin(mesh, tier)

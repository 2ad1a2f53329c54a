"""A live log is known again by its first records, and nothing else is ever taken for it."""

from __future__ import annotations

import msgspec
import pytest

from skymesh.errors import SettingsError
from skymesh.model.ids import digest_of
from skymesh.runtime.live_log import begin_log, check_log
from skymesh.runtime.topics import ALERTS
from support import nights
from support.damage import damage
from support.live_loops import on_file
from support.mesh import channel, write_job
from support.packets import container

MESSAGES = [container([item]) for item in nights.records()[:4]]
WHOLE, EXPIRED, ANEW = "", "DELETE FROM records", "DELETE FROM records; UPDATE topic_ends SET next = 0"


def mesh_with(path, change, *work):
    """Make a mesh, do something with it, then change its topics from outside."""

    async def make(loops):
        for each in work:
            await each(loops, path.parent)

    on_file(path, make)
    for statement in filter(None, change.split("; ")):
        damage(path, statement)


def begun(path):
    """Begin the log as `store init` does, then open it as services do."""

    async def begin(loops):
        mesh = loops.mesh
        await begin_log(mesh.store, mesh.bus, mesh.context)
        await check_log(mesh.bus, mesh.context)
        topic = mesh.context.topic(ALERTS)
        return [await mesh.bus.end(topic, number) for number in range(mesh.epoch.partitions)]

    return on_file(path, begin)


async def deployed(loops, folder):
    await loops.deploy(write_job(folder / "job.yaml", {"all": channel()}))


async def registered(loops, _):
    await loops.send(MESSAGES)
    await loops.work(tiers=("ingest", "t0", "provenance"))


def test_a_log_that_is_there_stays(tmp_path):
    mesh_with(tmp_path / "mesh.db", WHOLE)
    assert begun(tmp_path / "mesh.db") == [1, 1, 1]


@pytest.mark.parametrize("work", [(), (deployed,), (registered,)])
def test_a_log_whose_records_have_all_expired_is_the_same(tmp_path, work):
    mesh_with(tmp_path / "mesh.db", EXPIRED, *work)
    assert begun(tmp_path / "mesh.db") == begun(tmp_path / "mesh.db")


def test_what_was_begun_and_not_finished_is_made_whole(tmp_path):
    mesh_with(tmp_path / "mesh.db", "DELETE FROM records WHERE partition = 1; "
              "UPDATE topic_ends SET next = 0 WHERE partition = 1")  # fmt: skip
    assert begun(tmp_path / "mesh.db") == [1, 1, 1]


@pytest.mark.parametrize("work", [deployed, registered])
def test_a_log_that_was_made_anew_is_not_begun_again(tmp_path, work):
    mesh_with(tmp_path / "mesh.db", ANEW, work)
    with pytest.raises(SettingsError, match="made anew, and the store knows"):
        begun(tmp_path / "mesh.db")


def test_the_log_of_another_mesh_is_refused(tmp_path):
    mesh_with(tmp_path / "mesh.db", WHOLE)

    async def check(loops):
        epoch = msgspec.structs.replace(loops.mesh.epoch, log=digest_of("log", "another one"))
        await check_log(loops.mesh.bus, loops.mesh.context._replace(epochs=(epoch,)))

    with pytest.raises(SettingsError, match="is of another mesh"):
        on_file(tmp_path / "mesh.db", check)


def test_an_empty_log_is_refused_by_services(tmp_path):
    mesh_with(tmp_path / "mesh.db", ANEW)

    async def check(loops):
        await check_log(loops.mesh.bus, loops.mesh.context)

    with pytest.raises(SettingsError, match="is empty"):
        on_file(tmp_path / "mesh.db", check)

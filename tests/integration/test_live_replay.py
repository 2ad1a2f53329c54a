"""The log of a live mesh, replayed embedded, gives what the live run gave, and judges where it did."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

import skymesh_local.replay
from skymesh.errors import SettingsError
from skymesh_local.digests import run_digests
from skymesh_local.mesh import OnServers
from skymesh_local.run import run_job
from skymesh_local.settings import RunSettings
from support import nights
from support.damage import damage
from support.live_loops import in_file, on_file
from support.mesh import audit_store, channel, picture, write_job
from support.packets import container

MESSAGES = [*(container([item]) for item in nights.records()), nights.DEAD]


@pytest.fixture
def in_place_of_servers(tmp_path, monkeypatch):
    """Let any URL lead to the live mesh in the test's file."""

    @asynccontextmanager
    async def opened(url):
        async with in_file(tmp_path / "mesh.db") as loops:
            yield OnServers(loops.mesh)

    monkeypatch.setattr(skymesh_local.replay, "open_mesh", opened)


def replay(folder, job, run, **more):
    settings = RunSettings(job=str(job), store="cassandra://any", log=run, **{"out": folder / "out", **more})
    return asyncio.run(run_job(settings)).numbers


async def digests(loops, run):
    return [digest.hex() for digest in await run_digests(loops.mesh.store, run.id)]


@pytest.mark.usefixtures("in_place_of_servers")
@pytest.mark.parametrize("batch_records", [1, 4, 500])
def test_a_replay_gives_the_digests_of_the_live_run_and_its_numbers(tmp_path, batch_records):
    job = write_job(tmp_path / "job.yaml", nights.channels())

    async def work(loops):
        run = await loops.deploy(job)
        await loops.send(MESSAGES)
        await loops.work()
        return run, await digests(loops, run), await loops.audit("")

    run, expected, live = on_file(tmp_path / "mesh.db", work)
    numbers = replay(tmp_path, job, run.id.hex(), batch_records=batch_records)
    assert [numbers["digest"], numbers["results_digest"]] == expected
    assert numbers["run"] == f"run:{run.id.hex()}"
    assert {name: live.packets[name] for name in numbers["alerts"]} == numbers["alerts"]
    assert audit_store(tmp_path / "out" / "store.db").holes == []
    assert picture(tmp_path / "out" / "store.db").reactions != set()


@pytest.mark.usefixtures("in_place_of_servers")
def test_a_replay_judges_what_the_markers_of_the_run_say_and_registers_the_rest(tmp_path):
    night = write_job(tmp_path / "night.yaml", nights.channels(), name="night")
    other = write_job(tmp_path / "other.yaml", {"all": channel("ztf_public", "ztf_private")}, name="other")

    async def work(loops):
        async def send(messages):
            await loops.send(messages)
            await loops.work(tiers=("ingest",))

        await send(MESSAGES[:3])
        runs = [await loops.deploy(night)]
        await send(MESSAGES[3:9])
        runs.append(await loops.deploy(other))
        await loops.undeploy("night")
        await send(MESSAGES[9:11])
        await loops.deploy(night)
        await send(MESSAGES[11:])
        await loops.work()
        return [(run.id.hex(), await digests(loops, run), await loops.audit(run.id.hex())) for run in runs]

    for job, (run, expected, live) in zip((night, other), on_file(tmp_path / "mesh.db", work), strict=True):
        folder = tmp_path / run
        numbers = replay(folder, job, run)
        assert [numbers["digest"], numbers["results_digest"]] == expected
        judged = sum(live.packets[name] for name in ("accepted", "rejected", "duplicate"))
        assert numbers["alerts"]["published"] == judged
        assert numbers["alerts"]["accepted"] == live.packets["accepted"]
        # The last message, which cannot be read, came when both were at work.
        assert numbers["alerts"]["dead"] == 1
        again = audit_store(folder / "out" / "store.db")
        assert again.holes == []
        assert again.packets["before"] == live.packets["before"]
        assert again.packets.get("off") == live.packets.get("off")


@pytest.mark.usefixtures("in_place_of_servers")
def test_another_job_may_replay_the_log_and_a_finished_replay_stays_while_the_log_grows(tmp_path, capsys):
    job = write_job(tmp_path / "job.yaml", nights.channels())
    other = write_job(tmp_path / "other.yaml", {"all": channel()}, name="other")

    async def begin(loops):
        run = await loops.deploy(job)
        await loops.send(MESSAGES[:6])
        await loops.work()
        return run.id.hex()

    async def go_on(loops):
        await loops.send(MESSAGES[6:])
        await loops.work()

    run = on_file(tmp_path / "mesh.db", begin)
    first = replay(tmp_path, other, run, name="again")
    on_file(tmp_path / "mesh.db", go_on)
    capsys.readouterr()
    assert replay(tmp_path, other, run, name="again") == first
    assert "the log has grown since it was replayed here" in capsys.readouterr().out
    assert first["alerts"]["published"] == 6
    assert audit_store(tmp_path / "out" / "store.db").holes == []


@pytest.mark.usefixtures("in_place_of_servers")
def test_the_same_command_replays_a_log_that_has_grown_anew_and_another_one_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    job = write_job(tmp_path / "job.yaml", nights.channels())

    async def begin(loops):
        run = await loops.deploy(job)
        await loops.send(MESSAGES[:6])
        await loops.work()
        return run

    async def go_on(loops):
        await loops.send(MESSAGES[6:])
        await loops.work()
        return await digests(loops, run)

    run = on_file(tmp_path / "mesh.db", begin)
    first = replay(tmp_path, job, run.id.hex(), out=None)
    assert replay(tmp_path, job, run.id.hex(), out=None) == first
    expected = on_file(tmp_path / "mesh.db", go_on)
    for spelled in (run.id.hex(), f"run:{run.id.hex()}", run.job_name):
        grown = replay(tmp_path, job, spelled, out=None)
        assert [grown["digest"], grown["results_digest"]] == expected
    folders = [path for path in (tmp_path / "skymesh-out").iterdir() if not path.is_symlink()]
    assert len(folders) == 2
    assert audit_store(tmp_path / "skymesh-out" / run.id.hex() / "store.db").holes == []
    assert grown["alerts"]["read"] == len(MESSAGES)


@pytest.mark.usefixtures("in_place_of_servers")
def test_a_copy_that_was_interrupted_goes_on_where_it_ended(tmp_path, monkeypatch):
    job = write_job(tmp_path / "job.yaml", nights.channels())

    async def work(loops):
        run = await loops.deploy(job)
        await loops.send(MESSAGES)
        await loops.work()
        return run.id.hex(), await digests(loops, run)

    run, expected = on_file(tmp_path / "mesh.db", work)
    account = skymesh_local.replay._account

    async def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(skymesh_local.replay, "_account", killed)
    with pytest.raises(KeyboardInterrupt):
        replay(tmp_path, job, run)
    monkeypatch.setattr(skymesh_local.replay, "_account", account)
    damage(tmp_path / "out" / "store.db", "DELETE FROM records WHERE partition = 2")
    damage(tmp_path / "out" / "store.db", "DELETE FROM topic_ends WHERE partition = 2")
    numbers = replay(tmp_path, job, run)
    assert [numbers["digest"], numbers["results_digest"]] == expected
    assert audit_store(tmp_path / "out" / "store.db").holes == []


@pytest.mark.usefixtures("in_place_of_servers")
def test_a_log_whose_beginning_has_expired_is_not_replayed(tmp_path):
    job = write_job(tmp_path / "job.yaml", nights.channels())

    async def work(loops):
        run = await loops.deploy(job)
        await loops.send(MESSAGES)
        await loops.work()
        return run.id.hex()

    run = on_file(tmp_path / "mesh.db", work)
    damage(
        tmp_path / "mesh.db",
        "DELETE FROM records WHERE partition = 1 AND offset < 2 AND topic ="
        " (SELECT id FROM topics WHERE name = 'skymesh.live.alerts.v1')",
    )
    with pytest.raises(SettingsError, match="below 2 of partition 1 of its log have expired"):
        replay(tmp_path, job, run)

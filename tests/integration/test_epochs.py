"""A live log goes on in new topics, and nobody can tell from what comes out."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest

import skymesh_local.replay
from skymesh.bus.bus import Outgoing
from skymesh.errors import EpochEndedError, SettingsError, TransientError
from skymesh.model.alert import Arrival
from skymesh.model.deployment import Deployment
from skymesh.model.ids import digest_of
from skymesh.runtime.epochs import epochs_of, watch_epoch
from skymesh.runtime.switched import switched_on
from skymesh.runtime.topics import ACCEPTED, ALERTS, OF_A_RUN, topic_of
from skymesh_local.dead import iter_letters, redrive
from skymesh_local.digests import run_digests
from skymesh_local.mesh import OnServers
from skymesh_local.renewing import announce, wait_for_tiers
from skymesh_local.run import run_job
from skymesh_local.settings import RunSettings
from support import nights
from support.damage import damage
from support.live_loops import in_file, on_file
from support.mesh import audit_store, channel, write_job
from support.packets import container

MESSAGES = [*(container([item]) for item in nights.records()), nights.DEAD]
COUNT = len(MESSAGES)


async def digests(loops, run):
    return [digest.hex() for digest in await run_digests(loops.mesh.store, run.id)]


async def take_in(loops, messages):
    """Let messages come in one by one: every stock's packets keep their order."""
    for message in messages:
        await loops.send([message])
        await loops.work(tiers=("ingest",))


async def in_parts(loops, cuts, partitions):
    """Send the night in parts, each in an epoch of its own."""
    for (first, end), count in zip(pairwise((0, *cuts, COUNT)), (0, *partitions), strict=True):
        if first:
            await loops.renew(count)
        await take_in(loops, MESSAGES[first:end])
        await loops.work()


@pytest.fixture(scope="module")
def in_one(tmp_path_factory):
    """The digests, packets and reactions of the night in one epoch."""
    folder = tmp_path_factory.mktemp("one")
    job = write_job(folder / "job.yaml", nights.channels())

    async def work(loops):
        run = await loops.deploy(job)
        await in_parts(loops, (), ())
        return await digests(loops, run), (await loops.audit("")).packets

    return on_file(folder / "mesh.db", work)


def replay(path, job, run, out, monkeypatch):
    @asynccontextmanager
    async def opened(url):
        async with in_file(path) as loops:
            yield OnServers(loops.mesh)

    monkeypatch.setattr(skymesh_local.replay, "open_mesh", opened)
    settings = RunSettings(job=str(job), store="cassandra://any", log=run, out=out)
    return asyncio.run(run_job(settings)).numbers


@pytest.mark.parametrize(
    "cuts, partitions",
    [((1,), (0,)), ((5,), (7,)), ((9,), (1,)), ((COUNT - 2,), (0,)), ((4, 5, 11), (1, 5, 2))],
)
def test_a_log_of_several_epochs_gives_what_one_gives_and_its_replay_does(
    tmp_path, monkeypatch, in_one, cuts, partitions
):
    job = write_job(tmp_path / "job.yaml", nights.channels())

    async def work(loops):
        run = await loops.deploy(job)
        await in_parts(loops, cuts, partitions)
        found = await loops.audit("")
        positions = [arrival.position async for arrival in loops.mesh.store.scan(Arrival)]
        return run, await digests(loops, run), found, positions

    run, found_digests, found, positions = on_file(tmp_path / "mesh.db", work)
    expected, packets = in_one
    assert found.holes == []
    assert (found_digests, found.packets) == (expected, packets)
    assert {place.epoch for place in positions} == set(range(len(cuts) + 1))
    # A number names one partition, of one epoch.
    assert len({place.partition for place in positions}) == len({place[:2] for place in positions})
    numbers = replay(tmp_path / "mesh.db", job, run.id.hex(), tmp_path / "out", monkeypatch)
    assert [numbers["digest"], numbers["results_digest"]] == expected
    again = audit_store(tmp_path / "out" / "store.db")
    assert (again.holes, again.packets) == ([], packets)


def test_who_was_at_work_goes_on_and_who_was_not_does_not(tmp_path, monkeypatch):
    night = write_job(tmp_path / "night.yaml", nights.channels(), name="night")
    other = write_job(tmp_path / "other.yaml", {"all": channel("ztf_public", "ztf_private")}, name="other")
    third = write_job(tmp_path / "third.yaml", {"all": channel()}, name="third")

    async def work(loops):
        runs = [await loops.deploy(night), await loops.deploy(other)]
        await take_in(loops, MESSAGES[:5])
        await loops.work()
        await loops.undeploy("other")
        await loops.work()
        # Somebody began to deploy, and was killed before any marker went out.
        log, unknown = loops.mesh.epoch.log, digest_of("run", "never begun")
        await loops.mesh.store.write([Deployment(log, "night", (unknown, runs[0].id))])
        await loops.renew(2)
        await take_in(loops, MESSAGES[5:9])
        runs.append(await loops.deploy(third))
        await take_in(loops, MESSAGES[9:])
        await loops.work()
        on = await switched_on(loops.mesh.store, loops.mesh.epoch)
        assert set(on) == {runs[0].id, runs[2].id}
        return [(run.id.hex(), await digests(loops, run), await loops.audit(run.id.hex())) for run in runs]

    found = dict(zip((night, other, third), on_file(tmp_path / "mesh.db", work), strict=True))
    assert [audit.holes for _, _, audit in found.values()] == [[], [], []]
    told = {job.stem: audit.packets for job, (_, _, audit) in found.items()}
    alerts = COUNT - 1
    assert "off" not in told["night"]
    assert "before" not in told["night"]
    assert (told["other"]["off"], told["third"]["before"]) == (alerts - 5, 9)
    for job, (run, expected, audit) in found.items():
        numbers = replay(tmp_path / "mesh.db", job, run, tmp_path / run, monkeypatch)
        assert [numbers["digest"], numbers["results_digest"]] == expected
        again = audit_store(tmp_path / run / "store.db")
        assert again.holes == []
        assert again.packets.get("off") == audit.packets.get("off")


def test_nothing_is_added_once_the_next_epoch_is_announced_and_it_waits_for_every_tier(tmp_path):
    job = write_job(tmp_path / "job.yaml", nights.channels())

    async def work(loops):
        await loops.deploy(job)
        await loops.send(MESSAGES)
        await loops.work(tiers=("ingest", "t0"))
        mesh = loops.mesh
        epoch = await announce(mesh, 5)
        assert await announce(mesh, 0) == epoch == (await epochs_of(mesh.store))[-1]
        with pytest.raises(SettingsError, match="epoch 1 is being begun with 5 partitions"):
            await announce(mesh, 4)
        for adding in (loops.deploy(job), loops.undeploy("job")):
            with pytest.raises(EpochEndedError, match="begins when all is through"):
                await adding
        with pytest.raises(TransientError, match=r"\d+ before provenance, \d+ before t1: serve the tiers"):
            await wait_for_tiers(mesh, 0.0)
        # The tiers go on meanwhile.
        watching = asyncio.create_task(watch_epoch(mesh.store, mesh.context, adds=False))
        await loops.work(tiers=("t1", "t2", "t3"))
        with pytest.raises(TransientError, match=r"left, \d+ before deliver.file, \d+ before provenance: "):
            await wait_for_tiers(mesh, 0.0)
        await loops.work()
        assert not watching.done()
        await loops.renew()
        with pytest.raises(EpochEndedError, match="epoch 1 has begun"):
            await watching
        await loops.work()
        return await loops.audit("")

    assert on_file(tmp_path / "mesh.db", work).holes == []


def test_a_letter_of_an_ended_epoch_is_sent_to_the_newest(tmp_path):
    """What T1 could not handle in the first epoch, as its results were poison, is handled in the second."""
    job = write_job(tmp_path / "job.yaml", {"all": channel()})

    async def work(loops):
        mesh = loops.mesh
        await loops.deploy(job)
        await take_in(loops, MESSAGES[:6])
        await loops.work(tiers=("t0",))
        key, value = "ZTF18poison", b"no record of it"
        await mesh.bus.publish([Outgoing(mesh.context.topic(ACCEPTED), key, value)])
        await loops.work()
        (found,) = [each async for each in iter_letters(mesh.store)]
        await loops.renew(1)
        mesh = loops.mesh
        await redrive(mesh.store, mesh.bus, mesh.context, [found])
        await loops.work()
        (first, again) = [each.letter async for each in iter_letters(mesh.store)]
        assert (first.payload, first.attempt) == (again.payload, 1) == (value, 1)
        assert (again.original.topic, again.attempt) == (mesh.context.topic(ACCEPTED), 2)
        return await loops.audit("")

    assert on_file(tmp_path / "mesh.db", work).holes == []


def test_topics_of_an_ended_epoch_may_go_and_then_the_journal_counts(tmp_path, monkeypatch):
    job = write_job(tmp_path / "job.yaml", nights.channels())

    async def work(loops):
        run = await loops.deploy(job)
        await in_parts(loops, (7,), (2,))
        return run.id.hex(), (await loops.audit("")).packets

    run, packets = on_file(tmp_path / "mesh.db", work)
    topics = ", ".join(repr(topic_of(record, "live")) for record in (ALERTS, *OF_A_RUN))
    damage(tmp_path / "mesh.db", f"DELETE FROM topics WHERE name IN ({topics})")

    async def audited(loops):
        return await loops.audit("")

    found = on_file(tmp_path / "mesh.db", audited)
    assert (found.holes, found.packets) == ([], packets)
    assert len(found.notes) == 3
    with pytest.raises(SettingsError, match="the topic of an epoch of its log is gone"):
        replay(tmp_path / "mesh.db", job, run, tmp_path / "out", monkeypatch)

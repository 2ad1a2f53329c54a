"""A live log goes on in new topics, and nobody can tell from what comes out."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
from msgspec.structs import replace

import skymesh_local.replay
from skymesh.bus.bus import Outgoing
from skymesh.codecs import wire
from skymesh.errors import EpochEndedError, SettingsError, TransientError
from skymesh.model.alert import Arrival
from skymesh.model.deployment import Deployment, Marker
from skymesh.model.ids import digest_of
from skymesh.model.run import Run
from skymesh.runtime import deploying
from skymesh.runtime.deploying import deployed_runs
from skymesh.runtime.epochs import announce_epoch, epochs_of, watch_epoch, withdraw_epoch
from skymesh.runtime.places import places_of
from skymesh.runtime.switched import switched_on
from skymesh.runtime.topics import ACCEPTED, ALERTS, INTENTS, OF_A_RUN, states_of, topic_of
from skymesh_local.dead import iter_letters, redrive
from skymesh_local.digests import run_digests
from skymesh_local.mesh import OnServers
from skymesh_local.renewing import wait_for_tiers
from skymesh_local.run import run_job
from skymesh_local.settings import RunSettings
from support import nights
from support.damage import damage
from support.live_loops import begin_in_file, in_file, on_file
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
        epoch = await announce_epoch(mesh.store, mesh.epochs, 5)
        assert await announce_epoch(mesh.store, mesh.epochs, 0) == epoch == (await epochs_of(mesh.store))[-1]
        with pytest.raises(SettingsError, match="epoch 1 is announced with 5: begin it, or withdraw it"):
            await announce_epoch(mesh.store, mesh.epochs, 4)
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


def test_what_kafka_forgets_of_an_ended_epoch_is_not_asked_for(tmp_path):
    """A group's offsets in topics that it does not read any more expire in a week, their records later."""
    job = write_job(tmp_path / "job.yaml", nights.channels())

    async def begin(loops):
        await loops.deploy(job)
        await in_parts(loops, (7,), (2,))
        return (await loops.audit("")).packets

    packets = on_file(tmp_path / "mesh.db", begin)
    ended = ", ".join(repr(topic_of(record, "live")) for record in (ALERTS, *OF_A_RUN))
    of_ended = f"topic IN (SELECT id FROM topics WHERE name IN ({ended}))"

    async def look(loops):
        found = await loops.audit("")
        return found.holes, found.packets

    for table in ("committed", "records"):
        damage(tmp_path / "mesh.db", f"DELETE FROM {table} WHERE {of_ended}")
        assert on_file(tmp_path / "mesh.db", look) == ([], packets)

    async def go_on(loops):
        await loops.renew(1)
        await loops.work()
        return await look(loops)

    assert on_file(tmp_path / "mesh.db", go_on) == ([], packets)


def test_what_comes_into_an_ended_epoch_is_a_hole_if_it_is_an_alert_and_nothing_if_not(tmp_path):
    job = write_job(tmp_path / "job.yaml", nights.channels())

    async def work(loops):
        run = await loops.deploy(job)
        await in_parts(loops, (7,), (2,))
        ended = loops.mesh.context.topics(ALERTS)[0][1]
        await loops.mesh.bus.publish([Outgoing(ended, "", wire.encode(Marker(run.id, "off")), 0)])
        late = await loops.audit("")
        (alert, *_) = [row async for row in loops.mesh.store.scan(Arrival)]
        await loops.mesh.bus.publish([Outgoing(ended, "", wire.encode(alert.alert), 0)])
        lost = await loops.audit("")
        await loops.renew(3)
        return late, lost

    late, lost = on_file(tmp_path / "mesh.db", work)
    assert (late.holes, late.inflight) == ([], 0)
    assert any("came in when its epoch had ended" in hole for hole in lost.holes)


def test_an_outlet_that_is_first_served_in_a_later_epoch_is_through_with_the_one_before(tmp_path):
    night = write_job(tmp_path / "night.yaml", nights.channels(), name="night")
    event = {"unit": "VOEvent", "when": "summary", "once": "state", "to": ["kafka"]}
    other = write_job(tmp_path / "other.yaml", {"all": channel(react={"event": event})}, name="other")

    async def work(loops):
        await loops.deploy(night)
        await take_in(loops, MESSAGES[:8])
        await loops.work()
        await loops.renew(2)
        run = await loops.deploy(other)
        await take_in(loops, MESSAGES[8:])
        await loops.work()
        return (await loops.audit(run.id.hex(), is_final=False)).waiting

    waiting = on_file(tmp_path / "mesh.db", work)
    assert waiting.keys() == {"deliver.kafka"}

    async def intents(loops):
        places = await places_of(loops.mesh.bus, loops.mesh.context, INTENTS)
        return sum([await loops.mesh.bus.waiting("nobody", topic, number) for _, topic, number in places])

    assert on_file(tmp_path / "mesh.db", intents) == waiting["deliver.kafka"]


def test_whoever_opened_the_mesh_before_cannot_announce_over_what_has_begun(tmp_path):
    async def work(loops):
        before = loops.mesh
        await loops.work()
        await loops.renew(2)
        for partitions in (0, 5):
            with pytest.raises(EpochEndedError, match="epoch 1 has begun meanwhile"):
                await announce_epoch(before.store, before.epochs, partitions)
        return await epochs_of(before.store)

    assert [(e.number, e.partitions, e.status) for e in on_file(tmp_path / "mesh.db", work)] == [
        (0, 3, "begun"),
        (1, 2, "begun"),
    ]


def test_an_announcement_is_withdrawn_and_its_number_is_not_used_again(tmp_path):
    job = write_job(tmp_path / "job.yaml", nights.channels())

    async def work(loops):
        store, epochs = loops.mesh.store, loops.mesh.epochs
        with pytest.raises(SettingsError, match="no epoch is announced"):
            await withdraw_epoch(store, epochs[0].log)
        await announce_epoch(store, epochs, 1600)
        assert (await withdraw_epoch(store, epochs[0].log)).number == 1
        assert await epochs_of(store) == epochs
        await loops.work()
        with pytest.raises(SettingsError, match="epoch 1 was withdrawn meanwhile"):
            await begin_in_file(store, loops.mesh.bus, (*epochs, epochs[0].followed_by(1)))
        await loops.deploy(job)
        await in_parts(loops, (9,), (2,))
        # Too late: it has begun.
        await store.write([replace(loops.mesh.epoch, status="withdrawn")])
        assert [(e.number, *e.numbers) for e in await epochs_of(store)] == [(0, 0, 1, 2), (2, 3, 4)]
        return await loops.audit("")

    assert on_file(tmp_path / "mesh.db", work).holes == []


def test_a_deployment_that_is_refused_leaves_nothing_behind(tmp_path):
    job = write_job(tmp_path / "job.yaml", nights.channels())
    other = write_job(tmp_path / "other.yaml", {"all": channel()}, name="other")

    async def work(loops):
        mesh = loops.mesh
        run = await loops.deploy(job)
        await loops.work()
        await announce_epoch(mesh.store, mesh.epochs, 0)
        with pytest.raises(EpochEndedError):
            await loops.deploy(other)
        assert await deployed_runs(mesh) == {"job": (run.id,)}
        assert [each.id async for each in mesh.store.scan(Run)] == [run.id]

    on_file(tmp_path / "mesh.db", work)


def test_an_announcement_in_the_middle_of_a_deployment_is_told(tmp_path, monkeypatch):
    job = write_job(tmp_path / "job.yaml", nights.channels())
    other = write_job(tmp_path / "other.yaml", {"all": channel()}, name="other")

    async def work(loops):
        mesh = loops.mesh
        await loops.deploy(job)
        publish = mesh.bus.publish

        async def announced(outputs):
            await announce_epoch(mesh.store, mesh.epochs, 0)
            await publish(outputs)

        monkeypatch.setattr(mesh.bus, "publish", announced)
        with pytest.raises(EpochEndedError):
            await loops.deploy(other)
        monkeypatch.setattr(mesh.bus, "publish", publish)
        # It may be at work: nobody knows whether its markers were read in time.
        assert (await deployed_runs(mesh)).keys() == {"job", "other"}
        await loops.work()
        await loops.renew()
        await loops.deploy(other)
        await loops.work()
        return [(await loops.audit(name)).holes for name in ("job", "other")]

    assert on_file(tmp_path / "mesh.db", work) == [[], []]


def test_an_epoch_has_topics_for_the_pools_of_all_that_may_come_by_again(tmp_path, monkeypatch):
    analyse = {"summary": {"unit": "LightCurveSummary", "pool": "heavy"}}
    pooled = write_job(tmp_path / "pooled.yaml", {"all": channel(analyse=analyse)}, name="pooled")

    async def make_pools(mesh, pools):
        for pool in pools:
            topic = mesh.context.topic(states_of(pool))
            await mesh.bus.create(topic, partitions=mesh.epoch.partitions)

    monkeypatch.setattr(deploying, "make_pools", make_pools)

    async def work(loops):
        await loops.deploy(pooled)
        await loops.work()
        await loops.undeploy("pooled")
        await loops.work()
        await loops.renew(2)
        return await loops.mesh.bus.partitions(loops.mesh.context.topic(states_of("heavy")))

    assert on_file(tmp_path / "mesh.db", work) == 2


def test_an_audit_while_an_epoch_begins_is_to_be_made_again(tmp_path):
    job = write_job(tmp_path / "job.yaml", nights.channels())

    async def work(loops):
        await loops.deploy(job)
        await take_in(loops, MESSAGES[:8])
        await loops.work()
        before = loops.mesh
        await loops.renew(2)
        await take_in(loops, MESSAGES[8:])
        await loops.work()
        loops.mesh = before
        with pytest.raises(EpochEndedError, match="epoch 1 has begun: try again then"):
            await loops.audit("")

    on_file(tmp_path / "mesh.db", work)


def test_a_replay_while_an_epoch_begins_copies_what_it_found_first(tmp_path, monkeypatch):
    job = write_job(tmp_path / "job.yaml", nights.channels())

    async def begin(loops):
        run = await loops.deploy(job)
        await take_in(loops, MESSAGES[:8])
        await loops.work()
        return run.id.hex(), await digests(loops, run)

    run, expected = on_file(tmp_path / "mesh.db", begin)

    async def go_on(loops):
        await loops.renew(2)
        await take_in(loops, MESSAGES[8:])

    async def between(*arguments, copy=skymesh_local.replay._copy):
        # In a process of its own, as it were.
        await asyncio.to_thread(on_file, tmp_path / "mesh.db", go_on)
        return await copy(*arguments)

    monkeypatch.setattr(skymesh_local.replay, "_copy", between)
    numbers = replay(tmp_path / "mesh.db", job, run, tmp_path / "out", monkeypatch)
    assert [numbers["digest"], numbers["results_digest"]] == expected
    assert audit_store(tmp_path / "out" / "store.db").holes == []

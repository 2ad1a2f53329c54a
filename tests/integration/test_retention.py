"""What has expired is gone, is never needed again, and is told as that: never unknown, never a hole."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

import skymesh_local.expiring
from skymesh.bus.bus import Outgoing
from skymesh.codecs import wire
from skymesh.errors import NotFoundError, SettingsError, StoreUnavailableError
from skymesh.model.alert import Arrival
from skymesh.model.deployment import Deployment, Marker
from skymesh.model.execution import JournalEntry, Result
from skymesh.model.ids import digest_of, text_id
from skymesh.model.position import Position
from skymesh.model.records import Accepted, Times
from skymesh.model.retention import Expired, Gone
from skymesh.model.run import DeadLetter, Original, Run
from skymesh.provenance.journal import BATCH
from skymesh.runtime.deploying import deployed_runs
from skymesh.runtime.topics import ALERTS
from skymesh.settings.retention import RetentionSettings
from skymesh.store.tables import TABLES
from skymesh_local.dead import Found, redrive
from skymesh_local.expiring import expire_due
from skymesh_local.mesh import OnServers
from skymesh_local.reproduce import reproduce
from skymesh_local.retention import asked_of, why_not_ended
from skymesh_local.run import run_job
from skymesh_local.settings import RunSettings
from skymesh_local.show import show
from skymesh_local.trace import trace
from support import nights
from support.announced import announce_units, forget_units
from support.live_loops import TIERS, on_file, on_servers, servers
from support.mesh import audit_store, channel, open_store, write_files, write_job
from support.packets import JD, container, packet

MESSAGES = [container([item]) for item in nights.records()]
OWN = ("verdicts", "state_links", "settled", "views", "journal")
STOCK = "ztf:ZTF21aaaaasn"
PUBLIC = "night/public"
SOON = datetime.now(UTC) + timedelta(days=1)


def expire(mesh, *classes, run="", before=None, is_dry=False, **settings):
    now = datetime.now(UTC)
    asked = asked_of(classes, run, before, RetentionSettings(**settings), now)
    return expire_due(mesh, asked, now, is_dry=is_dry)


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    """Two jobs, the second of which looks at image stamps."""
    monkeypatch.syspath_prepend(announce_units(tmp_path / "units", "support.wired_units"))
    forget_units()
    looks = channel(analyse={"looks": {"unit": "Looks"}})
    yield (
        write_job(tmp_path / "night.yaml", nights.channels(), name="night"),
        write_job(tmp_path / "other.yaml", {"all": looks}, name="other"),
    )
    forget_units()


async def begin(loops, jobs):
    """Let two jobs judge a night, one of which ends; return their runs."""
    runs = [await loops.deploy(job) for job in jobs]
    await loops.send(MESSAGES)
    await loops.work()
    await loops.undeploy("night")
    await loops.work()
    return [text_id("run", run.id) for run in runs]


async def rows(store, run):
    """Return what a run has, by table; of its journal not what tells of the deletion."""
    key = bytes.fromhex(run.removeprefix("run:"))
    found = {
        table.name: [d async for d in store.scan(kind, run=key) if getattr(d, "tier", "") != "retention"]
        for kind, table in TABLES.items()
        if table.name in OWN
    }
    assert found.keys() == set(OWN)
    return found


async def journal_ids(store, run):
    return [text_id("journal", entry.id) for entry in (await rows(store, run))["journal"]]


def test_what_a_run_had_goes_and_what_others_have_stays(tmp_path, jobs):
    async def work(loops):
        mesh, (night, other) = OnServers(loops.mesh), await begin(loops, jobs)
        store, before = mesh.store, await loops.audit(night)
        assert before.holes == []
        others, results = await rows(store, other), await store.count(Result)
        counted = {name: len(own) for name, own in (await rows(store, night)).items()}
        assert min(counted.values()) > 0
        dry = await expire(mesh, run=night, is_dry=True)
        assert {name: len(own) for name, own in (await rows(store, night)).items()} == counted
        told = await expire(mesh, run=night)
        for each in (dry, told):
            assert {t: n for one in each["expired"] for t, n in one["rows"].items()} == counted
        assert {name: len(own) for name, own in (await rows(store, night)).items()} == dict.fromkeys(OWN, 0)
        assert await rows(store, other) == others
        assert await store.count(Result) == results
        after, left = await loops.audit(night), await loops.audit(other)
        assert (after.holes, left.holes) == ([], [])
        assert (after.digest, after.results_digest) == (before.digest, before.results_digest)
        assert len(after.notes) == 2
        assert all("expired on" in note and "(class" in note for note in after.notes)
        assert left.notes == []
        assert (await expire(mesh, run=night))["expired"] == []

    on_file(tmp_path / "mesh.db", work)


def test_what_is_gone_is_told_as_expired_and_what_never_was_stays_unknown(tmp_path, jobs):
    async def work(loops):
        mesh, (night, other) = OnServers(loops.mesh), await begin(loops, jobs)
        store = mesh.store
        gone, kept = await journal_ids(store, night), await journal_ids(store, other)
        seen = await show(store, STOCK, PUBLIC)
        state, result = seen["states"][0]["id"], next(r["id"] for r in seen["results"])
        reaction = seen["reactions"][0]["id"]
        await expire(mesh, run=night)
        for id_ in gone:
            assert [one["class"] for one in (await trace(store, id_, ""))["expired"]] == ["journal"]
        for id_ in kept:
            assert "expired" not in await trace(store, id_, "")
        with pytest.raises(NotFoundError, match="nothing of this name"):
            await trace(store, text_id("journal", digest_of("journal", "none")), "")
        told = await trace(store, night, "")
        assert [one["class"] for one in told["expired"]] == ["decisions", "journal"]
        assert (await trace(store, other, ""))["expired"] == []
        for id_, looker in ((state, ""), (state, PUBLIC), (result, "")):
            assert {one["of"] for one in (await trace(store, id_, looker))["expired"]} == {night}
        with pytest.raises(NotFoundError, match=r"expired on .*\(class decisions\)"):
            await trace(store, result, PUBLIC)
        assert (await reproduce(store, result)).is_equal
        assert (await trace(store, reaction, PUBLIC))["told"][0]["from"]["expired"]
        after = await show(store, STOCK, PUBLIC)
        assert (after["states"], after["results"]) == ([], [])
        assert [one["class"] for one in after["expired"]] == ["decisions", "journal"]
        assert after["reactions"] == seen["reactions"]
        # Of the run of another job its channel is told nothing.
        assert (await show(store, STOCK, "other/all"))["expired"] == []
        entry = [e async for e in store.scan(JournalEntry, run=bytes.fromhex(night[4:]), tier="retention")]
        assert [e.instance for e in entry] == ["decisions", "journal"]
        assert (await trace(store, text_id("journal", entry[0].id), ""))["counts"] == {"expired": 1}

    on_file(tmp_path / "mesh.db", work)


def test_channels_are_told_of_an_entry_that_is_gone_only_if_it_was_theirs(tmp_path, jobs):
    async def work(loops):
        mesh, (night, _) = OnServers(loops.mesh), await begin(loops, jobs)
        own = {e.channel: text_id("journal", e.id) for e in (await rows(mesh.store, night))["journal"]}
        await expire(mesh, "journal", run=night)
        assert (await trace(mesh.store, own[PUBLIC], PUBLIC))["expired"]
        with pytest.raises(NotFoundError, match="nothing of this name"):
            await trace(mesh.store, own["night/staff"], PUBLIC)

    on_file(tmp_path / "mesh.db", work)


def test_a_run_that_is_deployed_or_has_expired_is_left_alone_by_the_other_side(tmp_path, jobs):
    async def work(loops):
        mesh, (night, other) = OnServers(loops.mesh), await begin(loops, jobs)
        with pytest.raises(SettingsError, match="deployed"):
            await expire(mesh, run=other)
        told = await expire(mesh, "decisions", before=SOON)
        assert [one["of"] for one in told["expired"]] == [night]
        assert list(told["kept"]) == [other]
        with pytest.raises(SettingsError, match=r"expired on .* --run NAME"):
            await loops.deploy(jobs[0])
        again = await loops.deploy(jobs[0], "again")
        await loops.send(MESSAGES[:5])
        await loops.work()
        found = await loops.audit(text_id("run", again.id))
        assert found.holes == []
        assert found.packets["duplicate"] == 5
        assert (await loops.audit(other)).holes == []

    on_file(tmp_path / "mesh.db", work)


def test_a_run_that_only_its_markers_know_to_be_at_work_has_not_ended(tmp_path, jobs):
    async def work(loops):
        mesh, run = OnServers(loops.mesh), await loops.deploy(jobs[0])
        await loops.send(MESSAGES[:3])
        await loops.work()
        # Of two who deploy at once only the last who wrote is remembered.
        await mesh.store.write([Deployment(run.log, "night", ())])
        with pytest.raises(SettingsError, match="deployed"):
            await expire(mesh, run=text_id("run", run.id))

    on_file(tmp_path / "mesh.db", work)


def test_a_run_has_not_ended_before_every_tier_is_through_with_it(tmp_path, jobs):
    async def work(loops):
        mesh, run = OnServers(loops.mesh), await loops.deploy(jobs[0])
        await loops.deploy(jobs[1])
        await loops.send(MESSAGES)
        await loops.work(tiers=("ingest",))
        await loops.undeploy("night")
        waited = 0
        for _ in range(100):
            if not await why_not_ended(mesh, run):
                break
            with pytest.raises(SettingsError, match="in flight"):
                await expire(mesh, run=text_id("run", run.id))
            waited += 1
            for tier in TIERS:
                await loops.work(tiers=(tier,), steps=1, batch_records=3)
        assert waited > 1
        before = await rows(mesh.store, text_id("run", run.id))
        # Whatever the others have left to do, nothing of the run is.
        await loops.work()
        assert await rows(mesh.store, text_id("run", run.id)) == before
        assert (await loops.audit(text_id("run", run.id))).holes == []

    on_file(tmp_path / "mesh.db", work)


@pytest.mark.parametrize("lagging", range(3))
def test_a_run_has_not_ended_before_it_is_off_in_every_partition(tmp_path, jobs, lagging):
    """What is remembered is written before anybody reads the markers."""

    async def work(loops):
        mesh, run = OnServers(loops.mesh), await loops.deploy(jobs[0])
        await loops.send(MESSAGES[:3])
        await loops.work()
        await loops.undeploy("night")
        assert await deployed_runs(loops.mesh) == {}
        before = await why_not_ended(mesh, run)
        await loops.work(partitions=[number for number in range(3) if number != lagging])
        assert before == await why_not_ended(mesh, run) == "records of it are in flight"
        with pytest.raises(SettingsError, match="in flight"):
            await expire(mesh, run=text_id("run", run.id))
        await loops.work()
        assert await why_not_ended(mesh, run) == ""

    on_file(tmp_path / "mesh.db", work)


@pytest.mark.parametrize("partition", range(3))
def test_a_run_that_is_on_in_one_partition_alone_has_not_ended(tmp_path, jobs, partition):
    """Somebody put the markers of several into the log, in another order in each partition."""

    async def work(loops):
        mesh, run = OnServers(loops.mesh), await loops.deploy(jobs[0])
        await loops.work()
        await loops.undeploy("night")
        await loops.work()
        topic, on = loops.mesh.context.topic(ALERTS), wire.encode(Marker(run.id, "on"))
        await loops.mesh.bus.publish([Outgoing(topic, "", on, partition)])
        await loops.work()
        assert "deployed" in await why_not_ended(mesh, run)

    on_file(tmp_path / "mesh.db", work)


@pytest.mark.parametrize("tier", TIERS[1:])
def test_a_single_tier_that_lags_keeps_a_run_from_expiring(tmp_path, jobs, tier):
    async def work(loops):
        mesh, run = OnServers(loops.mesh), await loops.deploy(jobs[0])
        await loops.send(MESSAGES)
        await loops.work(tiers=("ingest",))
        await loops.undeploy("night")
        await loops.work(tiers=[name for name in TIERS if name != tier])
        assert "in flight" in await why_not_ended(mesh, run)
        await loops.work()
        assert await why_not_ended(mesh, run) == ""

    on_file(tmp_path / "mesh.db", work)


@pytest.mark.parametrize("strikes", range(1, 7))
def test_what_was_interrupted_is_completed_by_the_next_call(tmp_path, jobs, monkeypatch, strikes):
    monkeypatch.setattr(skymesh_local.expiring, "_BURST", 4)

    async def work(loops):
        mesh, (night, other) = OnServers(loops.mesh), await begin(loops, jobs)
        before = await loops.audit(night)
        gone = await journal_ids(mesh.store, night)
        delete, calls = mesh.store.delete, iter(range(strikes))

        async def striking(kind, partitions, **more):
            if next(calls, None) is None:
                raise StoreUnavailableError("the disk is full")
            await delete(kind, partitions, **more)

        with monkeypatch.context() as struck:
            struck.setattr(mesh.store, "delete", striking)
            with pytest.raises(StoreUnavailableError):
                await expire(mesh, run=night)
        between = await loops.audit(night)
        assert between.holes == []
        assert (await loops.audit(other)).holes == []
        with pytest.raises(SettingsError, match="expired"):
            await loops.deploy(jobs[0])
        await expire(mesh, run=night)
        assert not any((await rows(mesh.store, night)).values())
        assert {e.status async for e in mesh.store.scan(Expired)} == {"done"}
        after = await loops.audit(night)
        assert (after.digest, after.results_digest) == (before.digest, before.results_digest)
        for id_ in gone:
            assert (await trace(mesh.store, id_, ""))["expired"]

    on_file(tmp_path / "mesh.db", work)


async def stamps(store, only=lambda _: True):
    """Return the ids of image stamps that arrivals lead to."""
    rows = [a async for a in store.scan(Arrival) if only(a)]
    return {a.alert.cutouts for a in rows if a.alert.cutouts is not None}


def test_image_stamps_expire_and_an_audit_does_not_miss_them(tmp_path, jobs):
    async def work(loops):
        mesh, (_, other) = OnServers(loops.mesh), await begin(loops, jobs)
        store = mesh.store
        (id_,) = await stamps(store)
        results = [r async for r in store.scan(Result) if r.ref.unit == "Looks" and r.outcome == "ok"]
        dry = await expire(mesh, "packets", before=SOON, is_dry=True)
        assert await store.read_cutouts(id_) is not None
        told = await expire(mesh, "packets", before=SOON)
        assert [one["rows"]["cutouts"] for each in (dry, told) for one in each["expired"]] == [1, 1]
        assert await store.read_cutouts(id_) is None
        found = await loops.audit(other)
        assert found.holes == []
        assert "(class packets)" in found.notes[0]
        for looker in ("", "other/all"):
            traced = await trace(store, text_id("cutout", id_), looker)
            assert [one["class"] for one in traced["expired"]] == ["packets"]
            assert ("of" in traced["expired"][0]) == (not looker)
        with pytest.raises(NotFoundError, match="nothing of this name"):
            await trace(store, text_id("cutout", digest_of("cutout", "none")), "")
        with pytest.raises(NotFoundError, match=r"stamps expired on .*\(class packets\)"):
            await reproduce(store, text_id("result", results[0].id))
        assert {one["of"] for one in (await show(store, STOCK, ""))["expired"]} == {text_id("cutout", id_)}
        assert (await expire(mesh, "packets", before=SOON))["expired"] == []
        # The same packets once more bring them back, and are duplicates.
        await loops.send(MESSAGES)
        await loops.work()
        assert await store.read_cutouts(id_) is not None
        assert (await loops.audit(other)).holes == []

    on_file(tmp_path / "mesh.db", work)


def test_image_stamps_of_alerts_in_flight_and_of_later_ones_stay(tmp_path, jobs):
    first, second, third = (packet(jd_utc=JD + n, object_id="ZTF21aaaaabc", cutouts=True) for n in range(3))

    async def work(loops):
        mesh, run = OnServers(loops.mesh), await loops.deploy(jobs[1])
        await loops.send([first], is_keyed=True)
        await loops.work()
        (id_,) = await stamps(mesh.store)
        await loops.send([second], is_keyed=True)
        # The second alert, whose stamps are those of the first, has not been registered, then not come to T2.
        await loops.work(tiers=("ingest",))
        would = await expire(mesh, "packets", before=SOON, is_dry=True)
        await loops.work(tiers=("t0", "t1"))
        told = await expire(mesh, "packets", before=SOON)
        for each in (would, told):
            assert [one["rows"] for one in each["expired"]] == [{"packets": 1}]
        assert await mesh.store.read_cutouts(id_) is not None
        await loops.send([third], is_keyed=True)
        await loops.work()
        batches = mesh.store.scan(JournalEntry, run=loops.mesh.context.owner, tier="t0", instance=BATCH)
        newest = [entry.started_utc async for entry in batches][-1]
        await expire(mesh, "packets", before=datetime.fromisoformat(newest))
        assert await mesh.store.read_cutouts(id_) is not None
        assert (await loops.audit(text_id("run", run.id))).holes == []
        await expire(mesh, "packets", before=SOON)
        assert await mesh.store.read_cutouts(id_) is None
        assert (await loops.audit(text_id("run", run.id))).holes == []

    on_file(tmp_path / "mesh.db", work, partitions=1)


def test_settings_say_how_many_days_after_its_end_a_run_expires(tmp_path, jobs):
    async def work(loops):
        mesh, (night, _) = OnServers(loops.mesh), await begin(loops, jobs)
        assert (await expire(mesh, journal_days=1, decisions_days=1, packets_days=1))["expired"] == []
        now = datetime.now(UTC) + timedelta(days=2)
        asked = asked_of((), "", None, RetentionSettings(journal_days=1), now)
        told = await expire_due(mesh, asked, now, is_dry=False)
        assert [(one["of"], one["class"], one["why"]) for one in told["expired"]] == [
            (night, "journal", "SKYMESH_RETENTION_JOURNAL_DAYS=1")
        ]
        # What it decided is still there, and its digests come from that.
        found = await loops.audit(night)
        assert found.holes == []
        assert found.digest

    on_file(tmp_path / "mesh.db", work)


def test_a_dead_letter_of_what_has_expired_is_not_sent_again(tmp_path, jobs):
    async def work(loops):
        mesh, (night, _) = OnServers(loops.mesh), await begin(loops, jobs)
        context, run = loops.mesh.context, bytes.fromhex(night[4:])
        topic = context.topic("accepted")
        accepted = Accepted(Position(0, 0, 3), STOCK, run, {run: (PUBLIC,)}, Times(0, 0.0))
        original = Original(topic, 0, 1, STOCK.encode())
        letter = DeadLetter(
            context.owner, f"{topic}/0", 1, "poison", "no", wire.encode(accepted), "t1", 1, original
        )
        await expire(mesh, run=night)
        ends = [await mesh.bus.end(topic, number) for number in range(3)]
        with pytest.raises(SettingsError, match=rf"{night} expired on"):
            await redrive(mesh.store, mesh.bus, context, [Found(letter, is_redriven=False)])
        assert [await mesh.bus.end(topic, number) for number in range(3)] == ends

    on_file(tmp_path / "mesh.db", work)


def run_files(tmp_path, job, **more):
    settings = RunSettings(job=str(job), alerts=(tmp_path / "alerts",), **more)
    return asyncio.run(run_job(settings)).numbers


def test_an_embedded_run_expires_as_well_and_another_one_over_its_log_is_whole(tmp_path, jobs):
    write_files(tmp_path, nights.packets())
    path = tmp_path / "store.db"
    first = run_files(tmp_path, jobs[1], store=f"sqlite:{path}", out=tmp_path / "first")

    async def work(embedded):
        return await expire(embedded, before=SOON)

    with open_store(path) as embedded:
        told = asyncio.run(work(embedded))
    assert [one["class"] for one in told["expired"]] == ["decisions", "journal", "packets"]
    assert told["expired"][-1]["rows"] == {"cutouts": 1}
    found = audit_store(path)
    assert found.holes == []
    assert (found.digest, found.packets["read"]) == (first["digest"], first["alerts"]["read"])
    with pytest.raises(SettingsError, match=r"expired on .* --run NAME"):
        run_files(tmp_path, jobs[1], store=f"sqlite:{path}", out=tmp_path / "first")
    again = run_files(tmp_path, jobs[1], store=f"sqlite:{path}", out=tmp_path / "second", name="again")
    assert (again["digest"], again["results_digest"]) == (first["digest"], first["results_digest"])
    assert audit_store(path, run="again").holes == []
    with open_store(path) as embedded:
        told = asyncio.run(work(embedded))
    assert [one["class"] for one in told["expired"]] == ["decisions", "journal", "packets"]
    assert audit_store(path, run="again").holes == []


def test_a_log_without_its_image_stamps_is_not_replayed(tmp_path, jobs):
    write_files(tmp_path, nights.packets())
    url = f"sqlite:{tmp_path / 'store.db'}"
    run_files(tmp_path, jobs[1], store=url, out=tmp_path / "first")
    with open_store(tmp_path / "store.db") as embedded:
        asyncio.run(expire(embedded, "packets", before=SOON))
    settings = RunSettings(job=str(jobs[1]), store=url, log="other", out=tmp_path / "replayed")
    with pytest.raises(SettingsError, match="cannot be replayed: image stamps of its log expired on"):
        asyncio.run(run_job(settings))


def test_it_is_the_same_on_real_servers(tmp_path, jobs, kafka_address, cassandra_address):
    async def first(loops):
        mesh, (night, other) = OnServers(loops.mesh), await begin(loops, jobs)
        before = await loops.audit(night)
        gone = await journal_ids(mesh.store, night)
        with pytest.raises(SettingsError, match="deployed"):
            await expire(mesh, run=other)
        told = await expire(mesh, before=SOON)
        assert [one["class"] for one in told["expired"]] == ["decisions", "journal", "packets"]
        assert list(told["kept"]) == [other]
        return night, other, before, gone

    async def second(loops):
        mesh = OnServers(loops.mesh)
        store = mesh.store
        assert not any((await rows(store, night)).values())
        assert await store.count(Gone) == len(gone)
        assert (await trace(store, gone[0], ""))["expired"]
        (id_,) = await stamps(store)
        assert await store.read_cutouts(id_) is None
        assert (await trace(store, text_id("cutout", id_), ""))["expired"]
        after, left = await loops.audit(night), await loops.audit(other)
        assert after.holes == left.holes == []
        assert (after.digest, after.results_digest) == (before.digest, before.results_digest)
        assert (await expire(mesh, before=SOON))["expired"] == []
        with pytest.raises(SettingsError, match="expired"):
            await loops.deploy(jobs[0])
        await loops.send(MESSAGES)
        await loops.work()
        assert await store.read_cutouts(id_) is not None
        assert (await loops.audit(other)).holes == []
        assert await store.count(Run) == 2

    with servers(kafka_address, cassandra_address) as url:
        night, other, before, gone = on_servers(url, tmp_path, first)
        on_servers(url, tmp_path, second)

"""An audit of a live mesh: runs that come and go by markers, several partitions, one journal for all."""

from __future__ import annotations

import shutil

import msgspec
import pytest

from skymesh.bus.bus import Outgoing
from skymesh.codecs import wire
from skymesh.errors import SettingsError
from skymesh.model.alert import Alert
from skymesh.model.deployment import Marker
from skymesh.model.execution import JournalEntry
from skymesh.provenance.journal import BATCH
from skymesh.runtime.topics import INTENTS
from skymesh_local.audit_journal import collect_journal, sunk, told_since
from skymesh_local.mesh import OnServers
from support import nights
from support.damage import CHANGES, KINDS, OTHER, change, damage, rows_of
from support.live_loops import TIERS, on_file
from support.mesh import channel, write_job
from support.packets import container

MESSAGES = [*(container([item]) for item in nights.records()), nights.DEAD]
ALERTS = len(MESSAGES) - 1
FIRST, SECOND, THIRD = MESSAGES[:4], MESSAGES[4:12], MESSAGES[12:]
TAKEN = (
    "arrivals", "verdicts", "state_links", "states", "settled", "results", "journal", "views", "dead_letters",
    "jobs", "cutouts", "intents", "receipts", "markers",
)  # fmt: skip
# What only runs have that are made from files.
NOT_LIVE = {"logs", "runs", "source_counts"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A mesh in which two jobs began and ended between alerts, one of them twice; and their runs."""
    folder = tmp_path_factory.mktemp("whole")
    night = write_job(folder / "night.yaml", nights.channels(), name="night")
    other = write_job(folder / "other.yaml", {"all": channel()}, name="other")

    async def work(loops):
        runs = {}
        await loops.send(FIRST)
        await loops.work(tiers=("ingest",))
        runs["night"] = (await loops.deploy(night)).id.hex()
        await loops.send(SECOND)
        await loops.work(tiers=("ingest",))
        runs["other"] = (await loops.deploy(other)).id.hex()
        await loops.undeploy("night")
        await loops.send(THIRD[:3])
        await loops.work(tiers=("ingest",))
        await loops.deploy(night)
        await loops.send(THIRD[3:])
        await loops.work()
        return runs

    return folder / "mesh.db", on_file(folder / "mesh.db", work)


@pytest.fixture
def mesh(whole, tmp_path):
    """A copy of it, to be damaged; and its runs."""
    path, runs = whole
    shutil.copy(f"{path}.cutouts", tmp_path / "mesh.db.cutouts")
    return shutil.copy(path, tmp_path / "mesh.db"), runs


def audited(path, run, *, is_final=True):
    return on_file(path, lambda loops: loops.audit(run, is_final=is_final))


def holes(path, runs):
    """Return the holes of both runs."""
    return [hole for run in runs.values() for hole in audited(path, run).holes]


def test_runs_are_balanced_each_with_the_alerts_that_its_markers_leave_it(mesh):
    path, runs = mesh
    night, other = audited(path, runs["night"]), audited(path, runs["other"])
    assert night.holes == other.holes == []
    assert night.notes == other.notes == []
    for found in (night, other):
        packets = found.packets
        assert (packets["read"], packets["published"], packets["dead"]) == (len(MESSAGES), ALERTS, 1)
        of_t0 = ("accepted", "rejected", "duplicate", "before", "off")
        assert sum(packets.get(name, 0) for name in of_t0) == ALERTS
        assert found.inflight == 0
    assert night.packets["before"] == len(FIRST)
    assert night.packets["off"] == 3
    assert other.packets["before"] == len(FIRST) + len(SECOND)
    assert "off" not in other.packets
    assert night.digest != other.digest


def test_several_runs_must_be_told_apart(mesh):
    path, runs = mesh
    with pytest.raises(SettingsError, match=runs["other"]):
        audited(path, "")


def test_a_run_that_has_just_begun_has_judged_nothing(tmp_path):
    job = write_job(tmp_path / "job.yaml", {"all": channel()})

    async def work(loops):
        await loops.send(FIRST)
        await loops.work()
        await loops.deploy(job)
        before = await loops.audit("", is_final=False)
        await loops.work()
        return before, await loops.audit("")

    for found in on_file(tmp_path / "mesh.db", work):
        assert found.holes == []
        assert found.packets["before"] == len(FIRST)
        assert found.packets["accepted"] == 0


@pytest.mark.parametrize("batch_records", [1, 3, 500])
def test_an_audit_between_any_two_batches_finds_no_hole_but_what_is_in_flight(tmp_path, batch_records):
    job = write_job(tmp_path / "job.yaml", nights.channels())

    async def work(loops):
        await loops.deploy(job)
        await loops.send(MESSAGES)
        inflight = []
        for _ in range(200):
            for tier in TIERS:
                await loops.work(tiers=(tier,), steps=1, batch_records=batch_records)
                found = await loops.audit("", is_final=False)
                assert found.holes == [], tier
                inflight.append(found.inflight)
                if found.inflight:
                    final = (await loops.audit("")).holes
                    assert final == [f"{found.inflight} records are still in flight"]
            if not inflight[-1]:
                return inflight
        raise AssertionError("it never ends")

    assert max(on_file(tmp_path / "mesh.db", work)) > 0


def test_an_audit_does_not_miss_what_ingest_hands_over_meanwhile(tmp_path, monkeypatch):
    job = write_job(tmp_path / "job.yaml", {"all": channel()})

    async def work(loops):
        await loops.deploy(job)
        await loops.send(FIRST)

        async def and_ingest_works(*arguments):
            journal = await collect_journal(*arguments)
            await loops.work(tiers=("ingest",))
            return journal

        monkeypatch.setattr("skymesh_local.audit.collect_journal", and_ingest_works)
        return await loops.audit("")

    found = on_file(tmp_path / "mesh.db", work)
    assert found.inflight > 0
    assert f"{found.inflight} records are still in flight" in found.holes


def test_an_audit_that_meets_half_of_what_the_sink_is_keeping_finds_no_hole(tmp_path, monkeypatch):
    job = write_job(tmp_path / "job.yaml", nights.channels())

    async def work(loops):
        mesh, store = OnServers(loops.mesh), loops.mesh.store
        scan = store.scan
        await loops.deploy(job)
        await loops.send(FIRST)
        await loops.work()

        async def keep_half():
            await loops.send(SECOND)
            await loops.work(tiers=("ingest",))
            told = await told_since(mesh, await sunk(mesh, loops.mesh.context))
            half = [entry for entry in told if entry.instance == BATCH]
            assert 0 < len(half) < len(told)
            await store.write(half)

        async def meeting_half(kind, **key):
            if kind is JournalEntry and key.get("tier") == "ingest":
                await keep_half()
            async for row in scan(kind, **key):
                yield row

        monkeypatch.setattr(store, "scan", meeting_half)
        return await loops.audit("", is_final=False)

    found = on_file(tmp_path / "mesh.db", work)
    assert found.holes == []
    assert found.packets["read"] == len(FIRST) + len(SECOND)


@pytest.mark.parametrize("table", TAKEN)
@pytest.mark.parametrize("which", range(3))
def test_a_row_that_was_taken_away_is_missed(mesh, table, which):
    path, runs = mesh
    column, bodies = rows_of(path, table)
    if which < len(bodies):
        damage(path, f"DELETE FROM {table} WHERE {column} = ?", bodies[which])
        assert holes(path, runs) != []


CHANGES_OF_MARKERS = [
    lambda row: msgspec.structs.replace(row, marker=Marker(OTHER, row.marker.switch)),
    lambda row: msgspec.structs.replace(row, marker=Marker(row.marker.run, "off")),
]
ALL_CHANGES = CHANGES | {"markers": CHANGES_OF_MARKERS}
PLACES = [
    (table, number)
    for table, changes in ALL_CHANGES.items()
    for number in range(len(changes))
    if table not in NOT_LIVE
]


@pytest.mark.parametrize("table,number", PLACES)
def test_a_row_that_was_changed_is_noticed(mesh, table, number):
    path, runs = mesh
    change(path, table, ALL_CHANGES[table][number])
    assert holes(path, runs) != []


def _forget(path, partition, below):
    """Let the log forget its records below an offset, as Kafka does in the end."""
    damage(
        path,
        "DELETE FROM records WHERE partition = ? AND offset < ?"
        " AND topic = (SELECT id FROM topics WHERE name = 'skymesh.live.alerts.v1')",
        partition,
        below,
    )


def _busiest(path):
    """Return the partition of the log with most alerts, and the offsets of them."""
    offsets = {}
    for body in rows_of(path, "arrivals", every=True)[1]:
        position = wire.decode(body, KINDS["arrivals"]).position
        offsets.setdefault(position.partition, []).append(position.offset)
    return max(offsets.items(), key=lambda found: len(found[1]))


@pytest.mark.parametrize("share", [0.3, 0.6, 1.0])
def test_what_the_log_has_forgotten_is_said_and_no_hole(mesh, share):
    path, runs = mesh
    before = {name: audited(path, run).packets for name, run in runs.items()}
    partition, offsets = _busiest(path)
    below = sorted(offsets)[int(share * len(offsets)) - 1] + 1
    _forget(path, partition, below)
    for name, run in runs.items():
        found = audited(path, run)
        assert found.holes == []
        assert found.packets == before[name]
        assert [f"below {below} of partition {partition}" in note for note in found.notes] == [True]


def test_an_outlet_that_was_opened_late_leaves_no_hole(tmp_path):
    """What stood in front of the intents for it was for others, and has expired."""
    job = write_job(tmp_path / "job.yaml", nights.channels())
    path, expired = tmp_path / "mesh.db", 3

    async def expire(loops):
        bus, topic = loops.mesh.bus, loops.mesh.context.topic(INTENTS)
        for partition in (0, 2):  # where the night's objects are
            await bus.publish([Outgoing(topic, "", b"for others", partition)] * expired)
        return loops.mesh.context.group("deliver.file"), topic

    group, topic = on_file(path, expire)
    of_topic = "FROM topics JOIN topic_ends ON id = topic WHERE name = ?"
    damage(path, "DELETE FROM records WHERE topic IN (SELECT id FROM topics WHERE name = ?)", topic)
    damage(path, f"INSERT INTO committed SELECT ?, id, partition, next {of_topic}", group, topic)

    async def work(loops):
        await loops.deploy(job)
        await loops.send(MESSAGES)
        await loops.work()
        return await loops.audit("")

    assert on_file(path, work).holes == []
    bodies = rows_of(path, "journal", every=True)[1]
    told = [each for each in bodies if wire.decode(each, JournalEntry).tier == "deliver.file"]
    lost = next(each for each in told if wire.decode(each, JournalEntry).counts.get("delivered"))
    damage(path, "DELETE FROM journal WHERE body = ?", lost)
    assert audited(path, "").holes != []


@pytest.mark.parametrize("table", ["arrivals", "markers"])
def test_a_row_below_what_the_log_has_forgotten_is_missed_too(mesh, table):
    path, runs = mesh
    partition, offsets = _busiest(path)
    _forget(path, partition, max(offsets) + 1)
    bodies = rows_of(path, table, every=True)[1]
    here = [body for body in bodies if wire.decode(body, KINDS[table]).position.partition == partition]
    damage(path, f"DELETE FROM {table} WHERE body = ?", here[1])
    assert holes(path, runs) != []


@pytest.mark.parametrize("altered", [{"id": OTHER}, {"record": OTHER}, {"values": {}}])
def test_an_alert_of_the_log_that_was_changed_is_noticed(mesh, altered):
    path, runs = mesh
    body = next(body for body in rows_of(path, "records", every=True)[1] if _is_alert(body))
    other = wire.encode(msgspec.structs.replace(wire.decode(body, Alert), **altered))
    damage(path, "UPDATE records SET value = ? WHERE value = ?", other, body)
    assert holes(path, runs) != []


def test_an_alert_that_was_taken_from_the_log_is_missed(mesh):
    path, runs = mesh
    body = [body for body in rows_of(path, "records", every=True)[1] if _is_alert(body)][-1]
    damage(path, "DELETE FROM records WHERE value = ?", body)
    assert holes(path, runs) != []


def test_an_alert_that_came_from_nowhere_is_noticed(mesh):
    path, runs = mesh
    body = next(body for body in rows_of(path, "records", every=True)[1] if _is_alert(body))

    async def work(loops):
        topic = loops.mesh.context.topic("alerts")
        await loops.mesh.bus.publish([Outgoing(topic, "", body, 0)])
        await loops.work()

    on_file(path, work)
    assert any("ingest" in hole for hole in holes(path, runs))


def test_every_entry_of_the_journal_counts(mesh, tmp_path):
    path, runs = mesh
    bodies = rows_of(path, "journal", every=True)[1]
    kept = [body for body in bodies if wire.decode(body, JournalEntry).instance == BATCH]
    for number, body in enumerate([*kept[::7], *bodies[::19]]):
        copy = tmp_path / f"{number}.db"
        shutil.copy(path, copy)
        shutil.copy(f"{path}.cutouts", f"{copy}.cutouts")
        damage(copy, "DELETE FROM journal WHERE body = ?", body)
        assert holes(copy, runs) != [], wire.decode(body, JournalEntry)


def _is_alert(body):
    try:
        wire.decode(body, Alert)
    except msgspec.MsgspecError:
        return False
    return True

"""An audit of a live mesh: runs that come and go by markers, several partitions, one journal for all."""

from __future__ import annotations

import shutil

import pytest

from skymesh.errors import SettingsError
from support import nights
from support.damage import CHANGES, change, damage, rows_of
from support.live_loops import on_file
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
    tiers = ("ingest", "t0", "t1", "t2", "t3", "deliver.file", "provenance")

    async def work(loops):
        await loops.deploy(job)
        await loops.send(MESSAGES)
        inflight = []
        for _ in range(200):
            for tier in tiers:
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


@pytest.mark.parametrize("table", TAKEN)
@pytest.mark.parametrize("which", range(3))
def test_a_row_that_was_taken_away_is_missed(mesh, table, which):
    path, runs = mesh
    column, bodies = rows_of(path, table)
    if which < len(bodies):
        damage(path, f"DELETE FROM {table} WHERE {column} = ?", bodies[which])
        assert holes(path, runs) != []


PLACES = [
    (table, number)
    for table, changes in CHANGES.items()
    for number in range(len(changes))
    if table not in NOT_LIVE
]


@pytest.mark.parametrize("table,number", PLACES)
def test_a_row_that_was_changed_is_noticed(mesh, table, number):
    path, runs = mesh
    change(path, table, CHANGES[table][number])
    assert holes(path, runs) != []

"""Reading in a live mesh on real servers: audit, show, trace, reproduce, deployed, and replaying its log."""

from __future__ import annotations

import asyncio
import json

import pytest

from skymesh_local.mesh import open_store
from skymesh_local.reproduce import reproduce
from skymesh_local.trace import trace
from support import nights
from support.live_loops import on_servers, servers
from support.mesh import audit_store, channel, skymesh, write_job
from support.packets import container

MESSAGES = [*(container([item]) for item in nights.records()), nights.DEAD]
ALERTS = len(MESSAGES) - 1
STOCK = "ztf:ZTF21aaaaasn"


@pytest.fixture(scope="module")
def mesh(kafka_address, cassandra_address, tmp_path_factory):
    """A mesh with two jobs: one from the beginning, the other from the fifth alert on."""
    folder = tmp_path_factory.mktemp("live")
    night = write_job(folder / "night.yaml", nights.channels(), name="night")
    other = write_job(folder / "other.yaml", {"all": channel()}, name="other")

    async def work(loops):
        runs = {"night": (await loops.deploy(night)).id.hex()}
        await loops.send(MESSAGES[:5])
        await loops.work(tiers=("ingest",))
        runs["other"] = (await loops.deploy(other)).id.hex()
        await loops.send(MESSAGES[5:])
        await loops.work()
        return runs

    with servers(kafka_address, cassandra_address) as url:
        yield url, folder, on_servers(url, folder, work)


def told(mesh, command, *arguments, code=0):
    done = skymesh(command, *arguments, "--store", mesh[0], "--json")
    assert (done.returncode, done.stderr) == (code, ""), done
    return json.loads(done.stdout)


def test_an_audit_of_each_run_is_balanced(mesh):
    for name, before in (("night", 0), ("other", 5)):
        found = told(mesh, "audit", "--run", mesh[2][name], "--final")
        packets = found["packets"]
        assert (found["balanced"], found["inflight"], found["holes"]) == (True, 0, [])
        assert (packets["read"], packets["published"], packets["dead"]) == (ALERTS + 1, ALERTS, 1)
        assert packets.get("before", 0) == before
        judged = sum(packets[outcome] for outcome in ("accepted", "rejected", "duplicate"))
        assert judged == ALERTS - before


def test_several_runs_must_be_told_apart(mesh):
    done = skymesh("audit", "--store", mesh[0])
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert all(run in done.stderr for run in mesh[2].values())


def test_the_jobs_at_work_are_listed(mesh):
    done = skymesh("deployed", "--store", mesh[0])
    assert done.stdout.splitlines() == [
        f"night  run:{mesh[2]['night']}",
        f"other  run:{mesh[2]['other']}",
    ]


def test_an_object_is_shown_as_a_channel_may_see_it_with_what_filters_said(mesh):
    everything = told(mesh, "show", STOCK)
    assert len(everything["alerts"]) == 8
    verdicts = [verdict for alert in everything["alerts"] for verdict in alert["verdicts"]]
    assert {verdict["channel"] for verdict in verdicts} == {
        "night/public", "night/partners", "night/staff", "other/all",
    }  # fmt: skip
    public = told(mesh, "show", STOCK, "--channel", "night/public")
    assert 0 < len(public["points"]) < len(everything["points"])
    assert public["states"] != []
    assert public["results"] != []
    assert {state["run"] for state in public["states"]} == {f"run:{mesh[2]['night']}"}


def test_every_id_that_is_shown_can_be_traced_and_every_result_reproduced(mesh):
    shown = told(mesh, "show", STOCK)
    ids = [
        shown["alerts"][0]["id"], shown["points"][0]["id"], shown["states"][-1]["id"],
        shown["results"][-1]["id"], shown["reactions"][0]["id"], f"run:{mesh[2]['night']}",
        shown["results"][-1]["config"], next(filter(None, (alert["cutout"] for alert in shown["alerts"]))),
    ]  # fmt: skip
    results = [result["id"] for result in shown["results"]]

    async def read():
        async with open_store(mesh[0]) as store:
            traced = [await trace(store, id_, "") for id_ in ids]
            return traced, [await reproduce(store, id_) for id_ in results]

    traced, again = asyncio.run(read())
    assert [one["id"] for one in traced] == ids
    # How much a run that goes on has read, nobody has written down.
    assert "read" not in traced[5]
    assert [one.is_equal for one in again] == [True] * len(results)


def test_a_result_is_traced_back_to_the_messages_that_it_comes_from(mesh):
    result = told(mesh, "show", STOCK)["results"][-1]["id"]
    points = [point for state in told(mesh, "trace", result)["states"] for point in state["points"]]
    packets = [packet["packet"] for point in points for packet in point["packets"]]
    assert packets
    assert all("survey-ztf.v1/" in packet for packet in packets)
    done = skymesh("reproduce", result, "--store", mesh[0])
    assert (done.returncode, done.stdout) == (0, f"{result} is the same: ok\n")


@pytest.mark.parametrize("name", ["night", "other"])
def test_the_log_that_was_fed_without_keys_replayed_embedded_gives_the_live_digest(mesh, tmp_path, name):
    _, folder, runs = mesh
    live = told(mesh, "audit", "--run", runs[name])
    replay = ("--log", runs[name], "--out", tmp_path / "out")
    numbers = told(mesh, "run", folder / f"{name}.yaml", *replay)
    for digest in ("digest", "results_digest"):
        assert numbers[digest] == live[digest]
    assert audit_store(tmp_path / "out" / "store.db").holes == []
    assert told(mesh, "run", folder / f"{name}.yaml", *replay) == numbers


def test_audits_while_the_tiers_work_find_no_hole(mesh):
    url, folder, runs = mesh

    async def work(loops):
        found = []

        async def feed():
            for _ in range(3):
                await loops.send(MESSAGES)
                await loops.work(batch_records=2)

        async def look():
            while not feeding.done():
                found.append(await loops.audit(runs["night"], is_final=False))

        feeding = asyncio.create_task(feed())
        await asyncio.gather(feeding, look(), look())
        return [*found, await loops.audit(runs["night"])]

    found = on_servers(url, folder, work)
    assert [each.holes for each in found] == [[]] * len(found)
    assert len(found) > 2
    assert found[-1].packets["read"] >= found[0].packets["read"] + 2 * len(MESSAGES)
    assert found[-1].packets["accepted"] == found[0].packets["accepted"]


def test_a_keyspace_that_is_no_store_and_servers_that_are_away_are_told_in_one_line(mesh, monkeypatch):
    server = mesh[0].rpartition("/")[0]
    done = skymesh("show", STOCK, "--store", f"{server}/nobody_made_this")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "skymesh store init" in done.stderr
    done = skymesh("show", STOCK, "--store", "cassandra://127.0.0.1:9/store")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    monkeypatch.delenv("SKYMESH_KAFKA")
    done = skymesh("audit", "--store", mesh[0])
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "SKYMESH_KAFKA" in done.stderr


def test_a_changed_job_takes_the_place_of_the_one_of_its_name_which_then_means_it(
    kafka_address, cassandra_address, tmp_path
):
    first = write_job(tmp_path / "first.yaml", nights.channels(), name="night")
    second = write_job(tmp_path / "second.yaml", {"all": channel()}, name="night")

    def said(*command, code=0):
        # Which store, the environment says.
        done = skymesh(*command)
        assert done.returncode == code, done
        return (done.stdout or done.stderr).splitlines()

    with servers(kafka_address, cassandra_address) as url:
        assert said("deployed") == ["no job is switched on"]
        (begun,) = said("deploy", first)
        assert begun.endswith("of night judges all alerts from here on")
        assert said("deploy", first) == [
            begun.replace("judges all alerts from here on", "already judges all alerts")
        ]
        changed, ended = said("deploy", second)
        assert ended.split()[0] == begun.split()[0] != changed.split()[0]
        on_servers(url, tmp_path, lambda loops: loops.work())
        (audited,) = said("audit", "--run", "night", "--json")
        assert json.loads(audited)["run"] == changed.split()[0]
        assert "there are: night" in said("undeploy", "day", code=2)[0]

"""The mesh as an operator runs it: seven processes on real servers, and the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from skymesh.bus.bus import Outgoing
from skymesh.runtime.live import live_mesh
from skymesh.runtime.topics import survey_record
from support.live_mesh import TIERS, LiveMesh
from support.mesh import channel, messages, run_files, write_job

JOBS = ("fast_decline", "survey_summary")


@pytest.fixture
def mesh(tmp_path, kafka_address, cassandra_address):
    with LiveMesh(tmp_path / "mesh", kafka_address, cassandra_address) as it:
        yield it


def real_packets(shared_data):
    return {"ztf": shared_data / "ztf", "lsst": shared_data / "lsst" / "real_native"}


def numbers_of(name, run):
    """Return an audit's numbers as a run prints them."""
    return {key: run["alerts"][key] for key in ("read", "published", "duplicate", "dead")}


@pytest.mark.slow
def test_real_alerts_give_the_digest_of_a_run_and_every_command_reads_them(mesh, shared_data, tmp_path):
    runs = {job: mesh.deploy(job) for job in JOBS}
    mesh.start_all()
    for survey, folder in real_packets(shared_data).items():
        mesh.publish(folder, survey=survey)
    mesh.wait_drained()
    audits = {job: mesh.audit(run, is_final=True) for job, run in runs.items()}
    for job, told in audits.items():
        embedded = run_embedded(job, real_packets(shared_data).values(), tmp_path / job)
        assert told["digest"] == embedded["digest"]
        assert told["results_digest"] == embedded["results_digest"]
        assert numbers_of(job, embedded).items() <= told["packets"].items()
        if job == "fast_decline":
            assert messages(mesh.folder / "told") == messages(tmp_path / job)
    assert mesh.repeated() == {}
    replay = ("run", "fast_decline", "--store", mesh.url, "--log", "fast_decline")
    replayed = json.loads(mesh.run(*replay, "--json", "--out", tmp_path / "again"))
    assert replayed["digest"] == audits["fast_decline"]["digest"]
    read_back(mesh, tmp_path / "again")
    for service in mesh.services:
        assert service.stop() == 0, service.log.read_text()


def run_embedded(job, folders, out):
    """Run a built-in job over folders; return its numbers."""
    alerts = [argument for folder in folders for argument in ("--alerts", folder)]
    command = [sys.executable, "-m", "skymesh_local", "run", job, *alerts, "--out", out, "--json"]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def read_back(mesh, folder):
    """Trace what was told to its packets, compute a result again, and show its object."""
    (name, *_) = messages(mesh.folder / "told")
    reaction = f"reaction:{Path(name).stem}"
    traced = json.loads(mesh.run("trace", reaction, "--store", mesh.url, "--json"))
    assert reaction in json.dumps(traced)
    embedded = json.loads(mesh.run("trace", reaction, "--store", f"sqlite:{folder / 'store.db'}", "--json"))
    results = found(embedded, "result:")
    assert results
    assert results <= found(traced, "result:")
    mesh.run("reproduce", min(results), "--store", mesh.url)
    stock = next(iter(found(traced, "ztf:")))
    assert json.loads(mesh.run("show", stock, "--store", mesh.url, "--json"))


def found(told, prefix):
    """Return all texts with a prefix in nested plain values."""
    if isinstance(told, str):
        return {told} if told.startswith(prefix) else set()
    parts = told.values() if isinstance(told, dict) else told if isinstance(told, list) else ()
    return set().union(*(found(part, prefix) for part in parts))


@pytest.mark.crash
def test_a_log_fed_without_keys_is_replayed_to_its_own_digest(mesh, tmp_path):
    """What comes through several partitions of a survey has an order of its own, which the log keeps."""
    from benchmarks import replicas

    alerts = tmp_path / "alerts"
    replicas.write_alerts(replicas.simulated_originals(), 40, alerts, range(3))
    job = write_job(tmp_path / "job.yaml", {"all": channel("ztf_public")})
    run = mesh.deploy(job)
    mesh.here(lambda: feed_unkeyed(mesh.url, sorted(alerts.rglob("*.avro"))))
    mesh.start_all()
    mesh.wait_drained()
    live = mesh.audit(run, is_final=True)
    assert live["packets"]["published"] == 120
    replayed = json.loads(
        mesh.run("run", job, "--store", mesh.url, "--log", run, "--json", "--out", tmp_path / "again")
    )
    assert (replayed["digest"], replayed["results_digest"]) == (live["digest"], live["results_digest"])
    in_order = run_files(job, alerts, tmp_path / "in-order")
    assert in_order["digest"] != live["digest"], "the order did not matter, and nothing was tried"


async def feed_unkeyed(url, files):
    """Publish packets round and round over the partitions of the survey's topic, out of order."""
    async with live_mesh(url) as live:
        topic = live.context.topic(survey_record("ztf"))
        outputs = [
            Outgoing(topic, "", path.read_bytes(), partition=number % live.epoch.partitions)
            for number, path in enumerate(sorted(files, key=lambda path: path.name[::-1]))
        ]
        await live.bus.publish(outputs)


@pytest.mark.crash
def test_services_stop_when_told_and_say_in_one_line_what_they_miss(mesh, tmp_path):
    for tier in TIERS:
        # Nothing is warned of where no session ends.
        (service,) = mesh.start(tier, SKYMESH_SESSION_S="60")
        service.wait_ready()
        assert service.get("/live")[0] == service.get("/ready")[0] == 200
        assert service.metric("skymesh_build_info", tier=tier) == 1
        assert service.stop() == 0, service.log.read_text()
        lines = [json.loads(line) for line in service.log.read_text().splitlines()]
        assert [line for line in lines if line["level"] != "info"] == []
        told = Counter(line["event"] for line in lines)
        assert told["at work on a partition"] == told["a partition is given up"] > 0
        assert told["the service is told to stop"] == told["the service has stopped"] == 1
    (service,) = mesh.start("t0", SKYMESH_STORE=mesh.url + "_nowhere")
    assert service.process.wait(180) == 2
    lines = service.log.read_text().splitlines()
    assert lines[-1].startswith("skymesh: ")
    assert "Traceback" not in service.log.read_text()

"""Pools of T2 as services: units run where they belong, and one killed inside a unit loses nothing."""

from __future__ import annotations

import json

import pytest

from support import nights
from support.announced import announce_units
from support.jvm_server import wait_until
from support.live_mesh import LiveMesh
from support.mesh import channel, skymesh, with_path, write_files, write_job

STARTED_S = 180


@pytest.fixture
def units(tmp_path):
    return announce_units(tmp_path / "units", "support.bad_units")


@pytest.fixture
def job(tmp_path):
    """Two channels, one of which goes to the pool, where the first execution hangs, and back."""
    analyse = {
        "summary": {"unit": "LightCurveSummary"},
        "heavy": {"unit": "WaitsOnce", "pool": "heavy", "config": {"flag": str(tmp_path / "flag")}},
        "follower": {"unit": "BuildsOn"},
    }
    summary = {"summary": {"unit": "LightCurveSummary"}}
    channels = {
        "all": channel(analyse=analyse),
        "light": channel("ztf_public", "ztf_private", analyse=summary),
    }
    return write_job(tmp_path / "job.yaml", channels, name="pooled")


@pytest.fixture
def mesh(tmp_path, units, kafka_address, cassandra_address):
    path = with_path(units)["PYTHONPATH"]
    settings = {"SKYMESH_SESSION_S": "6", "SKYMESH_GRACE_S": "10", "PYTHONPATH": path}
    with LiveMesh(tmp_path / "mesh", kafka_address, cassandra_address, **settings) as it:
        yield it


def test_a_pool_that_is_killed_inside_a_unit_is_taken_over_and_the_digest_is_that_of_a_run(
    mesh, job, units, tmp_path
):
    alerts = write_files(tmp_path, nights.packets()) / "alerts"
    assert "SKYMESH_POOL=heavy" in mesh.run("deploy", job)
    mesh.publish(alerts)
    mesh.start_all()
    (pool,) = mesh.start("t2", SKYMESH_POOL="heavy")
    pool.wait_ready()
    wait_until((tmp_path / "flag").exists, "the unit runs", STARTED_S)
    pool.kill()
    (again,) = mesh.start("t2", SKYMESH_POOL="heavy")
    again.wait_ready()
    mesh.wait_drained()
    told = mesh.audit(is_final=True)
    done = skymesh("run", job, "--alerts", alerts, "--out", tmp_path / "out", "--json", path=[units])
    numbers = json.loads(done.stdout)
    assert (told["digest"], told["results_digest"]) == (numbers["digest"], numbers["results_digest"])
    assert mesh.repeated() == {}
    assert again.metric("skymesh_executions_total", tier="t2.heavy", unit="WaitsOnce", outcome="ok") > 0
    assert again.metric("skymesh_unit_cpu_seconds_total", tier="t2.heavy") > 0

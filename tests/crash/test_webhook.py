"""A webhook of a live mesh: never lost, or never told again by itself, whoever dies in between."""

from __future__ import annotations

import json

import pytest

from benchmarks import replicas
from support.chaos import SESSION_S
from support.jvm_server import wait_until
from support.live_mesh import LiveMesh
from support.mesh import channel, write_job
from support.webhook_server import DROP, receiving

OBJECTS, NIGHTS, KILLS, PARTITIONS = 40, 2, 4, 3
EVENT = {"unit": "VOEvent", "once": "state", "to": ["webhook", "file"]}


@pytest.fixture(scope="module")
def packets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("packets") / "alerts"
    replicas.write_alerts(replicas.simulated_originals(), OBJECTS, folder, range(NIGHTS))
    return folder


@pytest.fixture
def receiver():
    with receiving() as told:
        yield told


@pytest.fixture
def mesh(request, tmp_path, receiver, kafka_address, cassandra_address):
    settings = {
        "SKYMESH_SESSION_S": str(SESSION_S),
        "SKYMESH_WEBHOOK_URL": receiver.url,
        "SKYMESH_WEBHOOK_TIMEOUT_S": "3",
        "SKYMESH_WEBHOOK_POLICY": request.param,
    }
    with LiveMesh(
        tmp_path / "mesh", kafka_address, cassandra_address, partitions=PARTITIONS, **settings
    ) as it:
        it.policy = request.param
        yield it


def kill_deliverers(mesh, receiver):
    """Kill the deliverer again and again while it tells, each time with another one in its place."""
    (service,) = mesh.start("deliver")
    for kill in range(KILLS):
        enough = len(receiver.calls) + 5
        wait_until(lambda least=enough: len(receiver.calls) >= least, f"calls before kill {kill}", 180)
        service.kill()
        (service,) = mesh.start("deliver")
    return service


def held(mesh, *arguments):
    return json.loads(mesh.run("held", *arguments, "--store", mesh.url, "--json"))


@pytest.mark.parametrize("mesh", ["resend", "hold"], indirect=True)
def test_a_deliverer_that_is_killed_again_and_again_does_as_its_policy_says(
    mesh, receiver, packets, tmp_path
):
    react = {"event": EVENT, "again": EVENT | {"config": {"stream": "again"}, "once": "stock"}}
    job = write_job(tmp_path / "job.yaml", {"all": channel("ztf_public", react=react)}, name="told")
    run = mesh.deploy(job)
    mesh.publish(packets)
    for service in mesh.start("ingest", "t0", "t1", "t2", "t3", "provenance"):
        service.wait_ready()
    receiver.answers = [204] * 10 + [500, DROP, 503, DROP]
    kill_deliverers(mesh, receiver)
    # Not before: who is killed as it is refused tells it again.
    receiver.answers.append(400)
    mesh.wait_drained()
    mesh.audit(run, is_final=True)
    files = {f"reaction:{path.stem}" for path in (mesh.folder / "told").rglob("*.xml")}
    waiting = {one["id"] for one in held(mesh, "list")["held"]}
    calls = receiver.keys
    assert len(files) > 20
    assert len(set(calls) | waiting) == len(files)
    if mesh.policy == "resend":
        assert len(waiting) == 1
        assert len(set(calls)) == len(files)
    else:
        assert len(calls) == len(set(calls))
        # Each partition may have been about to send when its deliverer was killed.
        assert 5 <= len(waiting) <= 5 + PARTITIONS * KILLS
    assert mesh.repeated() == {}
    released = held(mesh, "release", "--all")["released"]
    mesh.wait_drained()
    mesh.audit(run, is_final=True)
    assert set(released) == waiting
    assert held(mesh, "list")["held"] == []
    assert sorted(receiver.keys[len(calls) :]) == sorted(waiting)

"""The topic of the outlet ``kafka`` on real servers: it is its readers' own, and may come late or go."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from skymesh.model.ids import text_id
from skymesh.model.reaction import Intent
from skymesh.runtime.live import live_mesh
from support import nights, packets
from support.jvm_server import wait_until
from support.live_mesh import LiveMesh
from support.mesh import channel, documents, messages, run_files, write_files, write_job
from support.published import make_topic, told_through_kafka

REACT = {"each": {"unit": "VOEvent", "when": "summary", "once": "state", "to": ["file", "kafka"]}}
AWAY = "there is no such topic for the outlet 'kafka'"
SOON_S = 180


@pytest.fixture
def night(tmp_path):
    """The night in two parts, one after the other, and the job that tells of it."""
    for number, item in enumerate(nights.records()):
        part = "first" if item["candidate"]["jd"] < packets.JD + 1 else "second"
        for folder in (part, "all"):
            write_files(tmp_path / folder, {f"{number:03d}.avro": packets.container([item])})
    return write_job(tmp_path / "job.yaml", {"c": channel(react=REACT)})


@pytest.fixture
def mesh(tmp_path, kafka_address, cassandra_address):
    settings = {"SKYMESH_KAFKA_OUTLET_TOPIC": f"told-{uuid.uuid4().hex}"}
    with LiveMesh(tmp_path / "mesh", kafka_address, cassandra_address, **settings) as it:
        yield it


def topic_of(mesh):
    return mesh.own["SKYMESH_KAFKA_OUTLET_TOPIC"]


def delete_topic(mesh):
    """Delete the outlet's topic, and wait until it is gone."""

    async def delete():
        admin = AIOKafkaAdminClient(bootstrap_servers=mesh.own["SKYMESH_KAFKA"])
        await admin.start()
        await admin.delete_topics([topic_of(mesh)])
        await admin.close()

    async def partitions():
        async with live_mesh(mesh.url) as live:
            return await live.bus.partitions(topic_of(mesh))

    mesh.here(delete)
    wait_until(lambda: mesh.here(partitions) == 0, "the topic is gone", SOON_S)


def intended(folder, target):
    """Return the reactions that a run in this process intends for an outlet."""
    intents = documents(folder / "store.db", Intent)
    return {text_id("reaction", one.id) for one in intents if one.target == target}


def told_files(mesh):
    return {f"reaction:{Path(name).stem}" for name in messages(mesh.folder / "told")}


def test_a_topic_that_is_not_there_holds_back_nobody_else(mesh, night, tmp_path):
    run_files(night, tmp_path / "first", tmp_path / "half")
    run_files(night, tmp_path / "all", tmp_path / "whole")
    half, whole = (
        {target: intended(tmp_path / name, target) for target in ("file", "kafka")}
        for name in ("half", "whole")
    )
    assert 0 < len(half["kafka"]) < len(whole["kafka"])
    mesh.here(lambda: make_topic(mesh, topic_of(mesh)))
    run = mesh.deploy(night)
    delete_topic(mesh)

    mesh.start_all()
    (deliver,) = mesh.of("deliver")
    assert f"{topic_of(mesh)}: {AWAY}" in deliver.log.read_text()
    mesh.publish(tmp_path / "first")
    wait_until(lambda: told_files(mesh) == half["file"], "files are told", SOON_S)
    wait_until(lambda: "a batch is tried again" in deliver.log.read_text(), "it is tried again", SOON_S)
    mesh.here(lambda: make_topic(mesh, topic_of(mesh)))
    mesh.wait_drained()
    assert sorted(mesh.here(lambda: told_through_kafka(mesh))) == sorted(half["kafka"])

    # It goes while the service is at work, and is made anew with fewer partitions.
    delete_topic(mesh)
    before = deliver.metric("skymesh_retries_total")
    mesh.publish(tmp_path / "second")
    wait_until(lambda: told_files(mesh) == whole["file"], "files are told", SOON_S)
    wait_until(lambda: deliver.metric("skymesh_retries_total") > before, "it is tried again", SOON_S)
    mesh.here(lambda: make_topic(mesh, topic_of(mesh), partitions=1))
    mesh.wait_drained()
    told = mesh.here(lambda: told_through_kafka(mesh))
    assert sorted(told) == sorted(whole["kafka"] - half["kafka"])
    assert mesh.audit(run, is_final=True)["balanced"]
    assert deliver.stop() == 0, deliver.log.read_text()


def test_a_job_that_tells_a_topic_that_is_not_there_is_refused(mesh, night):
    line = mesh.mistake("deploy", night, code=2)
    assert line == f"skymesh: {topic_of(mesh)}: {AWAY}\n"
    assert mesh.run("deployed") == "no job is switched on\n"

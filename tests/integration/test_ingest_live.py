"""The service ingest on real servers: published files, a survey's own broker, dead letters sent again."""

from __future__ import annotations

import json
import re
import uuid

import pytest

from skymesh.bus.bus import Outgoing
from skymesh.codecs import wire
from skymesh.model.alert import Alert
from skymesh.model.deployment import LogRecord
from skymesh.runtime.live import live_mesh
from skymesh.runtime.topics import ALERTS
from support.jvm_server import wait_until
from support.live_mesh import LiveMesh
from support.mesh import write_files
from support.packets import JD, container, packet, record
from support.published import records_of

pytestmark = pytest.mark.slow
LIMIT_S = 180
OBJECTS = [f"ZTF21aaaaa{letter}x" for letter in "abcdefgh"]


@pytest.fixture
def mesh(tmp_path, kafka_address, cassandra_address):
    with LiveMesh(tmp_path / "mesh", kafka_address, cassandra_address) as it:
        yield it


def dead(mesh, *arguments):
    return json.loads(mesh.run("dead", *arguments, "--store", mesh.url, "--json"))


def alerts_of(mesh):
    """Return the alerts in the log of a mesh."""

    async def look():
        async with live_mesh(mesh.url) as live:
            values = await records_of(live, live.context.topic(ALERTS))
            records = [wire.decode(value.value, LogRecord) for value in values]
            return [alert for alert in records if isinstance(alert, Alert)]

    return mesh.here(look)


def wait_for(mesh, count):
    found = []

    def is_there():
        found[:] = alerts_of(mesh)
        return len(found) >= count

    wait_until(is_there, f"{count} alerts in the log", LIMIT_S)
    return found


def test_what_is_published_becomes_alerts_or_dead_letters_that_can_be_sent_again(mesh, tmp_path):
    files = {f"{name}.avro": packet(object_id=name) for name in OBJECTS}
    several = container([record(object_id="ZTF21severalx", jd_utc=JD + day) for day in range(3)])
    bad = {"bad.avro": b"no container", "several.avro": several, "invalid.avro": packet(programid=9)}
    folder = write_files(tmp_path / "packets", files | bad)
    published = json.loads(mesh.run("publish", "--survey", "ztf", "--alerts", folder, "--json"))
    assert published == {"messages": len(OBJECTS) + 5, "unreadable": 2}
    (service,) = mesh.start("ingest")
    service.wait_ready()
    alerts = wait_for(mesh, len(OBJECTS) + 3)
    assert sorted({alert.stock for alert in alerts}) == sorted(
        f"ztf:{name}" for name in (*OBJECTS, "ZTF21severalx")
    )
    wait_until(lambda: len(dead(mesh, "list")["dead_letters"]) == 2, "two dead letters", LIMIT_S)
    letters = {letter["code"]: letter for letter in dead(mesh, "list")["dead_letters"]}
    assert set(letters) == {"undecodable", "invalid_data_point"}
    one = letters["undecodable"]
    assert dead(mesh, "show", one["id"], "--out", tmp_path / "bytes") == one
    assert (tmp_path / "bytes").read_bytes() == b"no container"
    assert dead(mesh, "redrive", one["id"]) == {"sent_again": [one["id"]]}
    wait_until(lambda: len(dead(mesh, "list")["dead_letters"]) == 3, "a further attempt", LIMIT_S)
    attempts = [(letter["attempt"], letter["sent_again"]) for letter in dead(mesh, "list")["dead_letters"]]
    assert sorted(attempts) == [(1, False), (1, True), (2, False)]
    assert mesh.repeated() == {}
    assert service.stop() == 0


def test_a_surveys_own_broker_is_read_once_whatever_is_killed(mesh, kafka_address):
    space = uuid.uuid4().hex[:12]
    topic = f"{space}_20260101_programid1"

    async def night():
        async with live_mesh(mesh.url) as live:
            await live.bus.create(topic, partitions=2)
            messages = [packet(object_id=name) for name in OBJECTS]
            await live.bus.publish([Outgoing(topic, "", m, n % 2) for n, m in enumerate(messages)])

    mesh.here(night)
    settings = {
        "SKYMESH_ZTF_KAFKA": kafka_address,
        "SKYMESH_ZTF_TOPICS": rf"^{space}_\d{{8}}_programid1$",
        "SKYMESH_ZTF_GROUP": f"{space}.group",
        "SKYMESH_BATCH_RECORDS": "1",
        "SKYMESH_SESSION_S": "6",
    }
    (first,) = mesh.start("ingest", **settings)
    first.wait_ready()
    wait_for(mesh, 2)
    first.kill()
    (second,) = mesh.start("ingest", **settings)
    # Before that it would not hear that it is to stop: the first one may have read all.
    second.wait_ready()
    alerts = wait_for(mesh, len(OBJECTS))
    assert sorted(alert.stock for alert in alerts) == sorted(f"ztf:{name}" for name in OBJECTS)
    assert all(re.fullmatch(rf"ztf/{topic}/[01]", alert.source.name) for alert in alerts)
    assert second.stop() == 0
    assert mesh.repeated() == {}

"""Whatever is killed, hung, restarted or shared out anew: the mesh makes what a run without trouble makes."""

from __future__ import annotations

import re
import signal
import time
import uuid

import pytest

from benchmarks import replicas
from support.cassandra_server import DURABLE
from support.chaos import SESSION_S, Chaos
from support.jvm_server import wait_until
from support.live_mesh import TIERS, LiveMesh
from support.mesh import channel, run_files, write_job
from support.published import epochs_of_alerts, make_topic, told_through_kafka

REACTIONS = {
    "every": {"unit": "VOEvent", "once": "state", "to": ["file", "kafka"]},
    "once": {"unit": "VOEvent", "config": {"stream": "once"}, "once": "stock", "to": ["file", "kafka"]},
}
OBJECTS, NIGHTS = 200, 3
# The log of what was written needs a new file for every MiB.
SMALL_SEGMENTS = {**DURABLE, "commitlog_segment_size": "1MiB"}


@pytest.fixture(scope="module")
def packets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("packets") / "alerts"
    replicas.write_alerts(replicas.simulated_originals(), OBJECTS, folder, range(NIGHTS))
    return folder


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    path = tmp_path_factory.mktemp("job") / "job.yaml"
    return write_job(path, {"all": channel("ztf_public", react=REACTIONS)}, name="chaos")


@pytest.fixture(scope="module")
def untroubled(job, packets, tmp_path_factory):
    """Return the numbers of an embedded run over the same packets."""
    return run_files(job, packets, tmp_path_factory.mktemp("untroubled"))


@pytest.fixture
def mesh(tmp_path, kafka_address, cassandra_address):
    settings = {
        "SKYMESH_BATCH_RECORDS": "10",
        "SKYMESH_SESSION_S": str(SESSION_S),
        "SKYMESH_KAFKA_OUTLET_TOPIC": f"told-{uuid.uuid4().hex}",
        "SKYMESH_GRACE_S": "10",
    }
    with LiveMesh(tmp_path / "mesh", kafka_address, cassandra_address, **settings) as it:
        it.here(lambda: make_topic(it, settings["SKYMESH_KAFKA_OUTLET_TOPIC"]))
        yield it


def begin(mesh, job, packets):
    """Deploy the job, publish the packets and start all services."""
    run = mesh.deploy(job)
    mesh.publish(packets)
    mesh.start_all()
    return run


def check(mesh, run, untroubled):
    """Wait until all is through, and compare everything with the run that nothing happened to."""
    mesh.wait_drained()
    told = mesh.audit(run, is_final=True)
    assert (told["digest"], told["results_digest"]) == (untroubled["digest"], untroubled["results_digest"])
    alerts, of_channel = untroubled["alerts"], untroubled["channels"]["chaos/all"]
    assert told["packets"] == {
        "read": alerts["read"],
        "published": alerts["published"],
        "accepted": alerts["accepted"],
        "rejected": of_channel["rejected"],
        "duplicate": alerts["duplicate"],
        "dead": alerts["dead"],
    }
    assert mesh.repeated() == {}
    reactions = of_channel["reactions"]
    files = [path for path in (mesh.folder / "told").rglob("*") if path.is_file()]
    assert len(files) == reactions // 2
    keys = mesh.here(lambda: told_through_kafka(mesh))
    assert len(keys) == len(set(keys)) == reactions // 2


@pytest.mark.parametrize("seed", [1])
def test_services_killed_in_turn_and_at_random(mesh, job, packets, untroubled, seed):
    run = begin(mesh, job, packets)
    chaos = Chaos(mesh, seed)
    chaos.kill_each()
    chaos.kill_any(10)
    check(mesh, run, untroubled)


@pytest.mark.parametrize("tier", ["t0", "t1", "t2", "deliver"])
def test_a_service_that_hangs_past_its_session_and_wakes_again_does_no_harm(
    mesh, job, packets, untroubled, tier
):
    run = begin(mesh, job, packets)
    chaos = Chaos(mesh, 2)
    chaos.suspend(tier)
    check(mesh, run, untroubled)


def test_members_that_come_and_go_in_the_middle(mesh, job, packets, untroubled):
    run = begin(mesh, job, packets)
    chaos = Chaos(mesh, 3)
    for tier in TIERS:
        chaos.rebalance(tier)
    check(mesh, run, untroubled)


def test_workers_that_come_and_go_under_load_change_nothing(mesh, job, packets, untroubled):
    run = begin(mesh, job, packets)
    for tier in ("t1", "t2"):
        first = mesh.of(tier)
        more = mesh.start(tier, tier)
        for service in more:
            service.wait_ready()
        for service in (*first, more[0]):
            assert service.stop() == 0, service.log.read_text()
    check(mesh, run, untroubled)


def test_the_log_goes_on_in_a_new_epoch_while_services_hang_and_the_command_is_killed(
    mesh, job, untroubled, tmp_path
):
    originals, earlier, last = replicas.simulated_originals(), tmp_path / "earlier", tmp_path / "last"
    replicas.write_alerts(originals, OBJECTS, earlier, range(NIGHTS - 1))
    replicas.write_alerts(originals, OBJECTS, last, range(NIGHTS - 1, NIGHTS))
    run = begin(mesh, job, earlier)
    chaos = Chaos(mesh, 6)
    wait_until(lambda: bool(mesh.here(lambda: epochs_of_alerts(mesh))), "some alerts", 180)
    for after_s in (1.5, 3.0):
        mesh.run_killed("store", "new-epoch", "--partitions", "5", after_s=after_s)
    (zombie,) = mesh.of("ingest")
    zombie.signal(signal.SIGSTOP)
    chaos.kill("t1")
    told = mesh.run("store", "new-epoch", "--partitions", "5", "--wait", "240")
    # A killed command may have been through already; then this one began another epoch.
    number = int(re.search(r"epoch (\d+), 5 partitions\n$", told)[1])
    mesh.start("ingest")
    mesh.publish(last)
    zombie.signal(signal.SIGCONT)
    check(mesh, run, untroubled)
    assert {0, number} <= set(mesh.here(lambda: epochs_of_alerts(mesh)))


@pytest.mark.parametrize("own_cassandra", [DURABLE], indirect=True, ids=["durable"])
def test_servers_that_are_away_for_a_while(own_kafka, own_cassandra, tmp_path, job, packets, untroubled):
    settings = {"SKYMESH_BATCH_RECORDS": "10", "SKYMESH_KAFKA_OUTLET_TOPIC": "told"}
    with LiveMesh(tmp_path / "mesh", own_kafka.address, own_cassandra.address, **settings) as mesh:
        mesh.here(lambda: make_topic(mesh, "told"))
        run = begin(mesh, job, packets)
        for server in (own_kafka, own_cassandra):
            Chaos(mesh, 4).wait_for_some_work()
            server.stop()
            server.start()
        Chaos(mesh, 5).wait_for_some_work()
        own_kafka.kill()
        own_kafka.start()
        check(mesh, run, untroubled)


def test_a_full_disk_under_the_store_is_waited_for(
    own_cassandra, kafka_address, tmp_path, job, packets, untroubled
):
    told = f"told-{uuid.uuid4().hex}"
    own_cassandra.restart(SMALL_SEGMENTS)
    with LiveMesh(
        tmp_path / "mesh", kafka_address, own_cassandra.address, SKYMESH_KAFKA_OUTLET_TOPIC=told
    ) as mesh:
        mesh.here(lambda: make_topic(mesh, told))
        run = mesh.deploy(job)
        mesh.start_all()
        own_cassandra.fill_disk()
        mesh.publish(packets)
        (ingest,) = mesh.of("ingest")
        wait_until(lambda: "nothing is lost" in ingest.log.read_text(), "the full disk is told", 180)
        wait_until(lambda: ingest.get("/ready")[0] == 503, "the service is not ready", 180)
        # Partitions with nothing to write are no sign that the store is back.
        for _ in range(50):
            assert ingest.get("/ready")[0] == 503
            time.sleep(0.05)
        assert all(service.is_alive for service in mesh.services)
        own_cassandra.restart(SMALL_SEGMENTS)
        check(mesh, run, untroubled)

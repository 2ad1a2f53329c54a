"""The health server tells over real HTTP what the service says of itself, whatever that computes."""

from __future__ import annotations

import socket
import threading

import httpx
import pytest
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain
from structlog.testing import capture_logs

from skymesh.errors import SettingsError
from skymesh.telemetry.health import Health, HealthServer


class HandClock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def health(clock):
    return Health(("group", "store"), stale_after_s=30, clock=clock)


@pytest.fixture
def registry():
    registry = CollectorRegistry()
    Counter("skymesh_seen_total", "What was seen.", registry=registry).inc(3)
    return registry


@pytest.fixture
def ask(health, registry):
    with (
        HealthServer(health, registry, host="127.0.0.1") as server,
        httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=5) as client,
    ):
        yield client.get


def test_a_service_lives_as_long_as_it_beats(ask, health, clock):
    assert ask("/live").status_code == 200
    clock.seconds += 30
    assert ask("/live").status_code == 200
    clock.seconds += 1
    stuck = ask("/live")
    assert (stuck.status_code, stuck.text) == (503, "no progress for 31 s, the limit is 30 s\n")
    health.beat()
    assert ask("/live").status_code == 200


def test_a_service_is_ready_once_every_condition_holds_and_while_it_does(ask, health):
    assert ask("/ready").text == "group: not yet; store: not yet\n"
    health.met("group")
    assert ask("/ready").status_code == 503
    health.met("store")
    assert (ask("/ready").status_code, ask("/ready").text) == (200, "ready\n")
    health.unmet("store", "no host\nanswers")
    away = ask("/ready")
    assert (away.status_code, away.text) == (503, "store: no host answers\n")


@pytest.mark.parametrize(
    "accept,read", [("application/openmetrics-text; version=1.0.0", openmetrics), ("text/plain", plain)]
)
def test_metrics_come_in_the_format_that_is_asked_for(ask, accept, read):
    answer = ask("/metrics", headers={"Accept": accept})
    assert answer.headers["Content-Type"].startswith(accept.partition(";")[0])
    samples = [sample for family in read(answer.text) for sample in family.samples]
    assert ("skymesh_seen_total", 3.0) in [(sample.name, sample.value) for sample in samples]


def test_other_paths_are_not_found_and_a_query_is_no_other_path(ask):
    assert ask("/").status_code == 404
    assert ask("/metrics/../live2").status_code == 404
    assert ask("/live?verbose=1").status_code == 200


def test_it_answers_while_the_main_thread_computes(health, registry):
    answered = []
    with HealthServer(health, registry, host="127.0.0.1") as server:
        url = f"http://127.0.0.1:{server.port}/live"
        prober = threading.Thread(target=lambda: answered.append(httpx.get(url, timeout=10).status_code))
        prober.start()
        while prober.is_alive():
            sum(range(10_000))
    assert answered == [200]


def test_the_free_port_is_logged_and_requests_are_not(health, registry, capfd):
    with capture_logs() as logs, HealthServer(health, registry, host="127.0.0.1") as server:
        httpx.get(f"http://127.0.0.1:{server.port}/live")
        httpx.get(f"http://127.0.0.1:{server.port}/nothing")
    assert [(log["event"], log["port"]) for log in logs] == [("metrics and health are served", server.port)]
    assert capfd.readouterr() == ("", "")


def test_a_port_that_is_taken_is_told_in_one_line(health, registry):
    with HealthServer(health, registry, host="127.0.0.1") as server:
        with pytest.raises(SettingsError) as refused:
            HealthServer(health, registry, port=server.port, host="127.0.0.1")
        assert str(refused.value).startswith(f"SKYMESH_METRICS_PORT: cannot listen on port {server.port}: ")
    with pytest.raises(SettingsError):
        HealthServer(health, registry, port=70_000)


def test_after_its_end_nothing_listens_even_if_a_client_never_spoke(health, registry):
    server = HealthServer(health, registry, host="127.0.0.1")
    with socket.create_connection(("127.0.0.1", server.port)):
        server.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port))
    assert "health" not in {thread.name for thread in threading.enumerate()}


def test_a_metric_that_fails_is_logged_and_the_server_goes_on(health, registry):
    class Broken:
        def describe(self):
            return []

        def collect(self):
            raise ValueError("no number")

    registry.register(Broken())
    with (
        capture_logs() as logs,
        HealthServer(health, registry, host="127.0.0.1") as server,
        httpx.Client(base_url=f"http://127.0.0.1:{server.port}") as client,
    ):
        with pytest.raises(httpx.RemoteProtocolError):
            client.get("/metrics")
        assert client.get("/live").status_code == 200
    assert [log["problem"] for log in logs[1:]] == ["ValueError('no number')"]

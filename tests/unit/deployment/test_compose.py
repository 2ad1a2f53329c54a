"""The compose file names what exists, pins what it does not build, and starts in an order that works."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
from pathlib import Path

import pytest
import yaml

from support.dockerfile import stages_of

TIERS = ("ingest", "t0", "t1", "t2", "t3", "deliver", "provenance")
SERVERS = ("kafka", "cassandra", "prometheus", "grafana")
SETTINGS = {
    "SKYMESH_KAFKA",
    "SKYMESH_STORE",
    "SKYMESH_METRICS_PORT",
    "SKYMESH_LOG_LEVEL",
    "SKYMESH_OUTLET_FOLDER",
}


@pytest.fixture
def root(pytestconfig):
    return pytestconfig.rootpath


@pytest.fixture
def compose(root):
    return yaml.safe_load((root / "docker-compose.yml").read_text())


@pytest.fixture
def services(compose):
    return compose["services"]


def test_every_tier_has_a_service_and_every_service_is_known(services):
    assert set(services) == {*TIERS, *SERVERS, "init", "skymesh"}


def test_what_is_not_built_here_is_pinned_to_a_full_version(services):
    for name in SERVERS:
        assert re.fullmatch(r"[a-z]+(?:/[a-z]+)?:v?\d+\.\d+\.\d+", services[name]["image"])
        assert "build" not in services[name]


def test_every_service_is_built_as_a_target_that_runs_its_own_module(root, services):
    for name in (*TIERS, "init", "skymesh"):
        build = services[name]["build"]
        assert build["context"] == "."
        stages = stages_of(root / build["dockerfile"])
        entry = json.loads(stages[build["target"]].of("ENTRYPOINT")[-1].rest)
        assert entry == (["python", "-m", f"skymesh_{name}"] if name in TIERS else ["skymesh"])


@pytest.mark.parametrize("tier", TIERS)
def test_the_module_of_every_tier_can_be_run(tier):
    assert importlib.util.find_spec(f"skymesh_{tier}.__main__") is not None


def test_servers_with_one_copy_of_everything_lose_nothing_when_they_are_killed_or_alone_for_long(services):
    options = services["cassandra"]["environment"]["JVM_EXTRA_OPTS"].split()
    assert "-Dcassandra.config.allow_system_properties=true" in options
    assert "-Dcassandra.settings.commitlog_sync=batch" in options
    month_minutes = 30 * 24 * 60
    assert int(services["kafka"]["environment"]["KAFKA_OFFSETS_RETENTION_MINUTES"]) > month_minutes


def test_settings_are_documented_ones(services):
    for name in (*TIERS, "init", "skymesh"):
        assert set(services[name]["environment"]) <= SETTINGS
        assert {"SKYMESH_KAFKA", "SKYMESH_STORE"} <= set(services[name]["environment"])


def test_services_name_each_other_as_they_are_called(services):
    environment = services["t0"]["environment"]
    assert environment["SKYMESH_KAFKA"].partition(":")[0] in services
    assert re.fullmatch(r"cassandra://([a-z]+):\d+/\w+", environment["SKYMESH_STORE"])[1] in services
    advertised = services["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    assert f"//{environment['SKYMESH_KAFKA']}," in advertised


def test_a_tier_starts_once_the_store_is_made_and_that_once_the_servers_answer(services):
    for name in (*TIERS, "skymesh"):
        assert services[name]["depends_on"] == {"init": {"condition": "service_completed_successfully"}}
    assert services["init"]["command"] == ["store", "init"]
    assert services["init"]["depends_on"] == {
        server: {"condition": "service_healthy"} for server in ("kafka", "cassandra")
    }
    assert "restart" not in services["init"]
    for service in services.values():
        for other, how in service.get("depends_on", {}).items():
            assert "healthcheck" in services[other] or how["condition"] != "service_healthy"


def test_every_lasting_service_has_a_health_check_and_time_to_stop(services):
    for name in (*TIERS, *SERVERS):
        assert services[name]["healthcheck"]["test"][0] == "CMD"
        assert services[name]["restart"] == "unless-stopped"
    for name in (*TIERS, "kafka", "cassandra"):
        assert "stop_grace_period" in services[name]


def test_the_health_check_of_a_tier_is_a_program_that_asks_the_port_of_its_setting(services):
    for name in TIERS:
        *command, program = services[name]["healthcheck"]["test"]
        assert command == ["CMD", "python", "-c"]
        ast.parse(program)
        assert f"http://127.0.0.1:{services[name]['environment']['SKYMESH_METRICS_PORT']}/ready" in program


def test_tiers_may_be_scaled(services):
    for name in TIERS:
        assert not {"container_name", "ports", "hostname"} & set(services[name])


def test_ports_are_open_to_this_machine_alone(services):
    for service in services.values():
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:")


def test_there_are_no_secrets(root):
    text = (root / "docker-compose.yml").read_text()
    names = re.findall(r"^ *([A-Z][A-Z_]+):", text, re.MULTILINE)
    assert not [name for name in names if re.search("PASSWORD|TOKEN|SECRET|KEY", name)]


def test_our_own_containers_may_do_as_little_as_possible(services):
    for name in (*TIERS, "init", "skymesh"):
        service = services[name]
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_volumes_are_declared_and_used_and_mounted_folders_exist(root, compose, services):
    mounts = [mount for service in services.values() for mount in service.get("volumes", ())]
    sources = {mount.split(":")[0] for mount in mounts}
    named = {source for source in sources if not source.startswith(".")}
    assert named == set(compose["volumes"])
    for folder in sources - named:
        assert (root / Path(folder)).is_dir()

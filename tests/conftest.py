"""What all tests share: the folder of real alerts, real servers, and an account of whatever was not run.

Tests that read real alerts ask for the fixture `shared_data`; whoever does carries the marker of the
same name. Without the folder they are skipped, and one loud line of the report says how many.

Tests on real servers ask for `kafka_address` or `cassandra_address`, or, if they stop and start a
server, for `own_kafka` or `own_cassandra`; they carry the marker `real_servers`. Where no server can
be had they are skipped as loudly.

In continuous integration (``CI`` is set) nothing may be skipped but for want of the folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from support.cassandra_server import CassandraServer
from support.jvm_server import is_jvm_there
from support.kafka_server import KafkaServer
from support.servers import NONE_THERE, address_of, begin_session, end_session

VARIABLE = "SKYMESH_TEST_DATA"
ABSENT = "the shared data is absent"
_ON_SERVERS = {"kafka_address", "cassandra_address", "own_kafka", "own_cassandra"}
_FOREIGN = {"COLUMNS", "FORCE_COLOR", "PY_COLORS", "PYTHONWARNINGS"}
_session = pytest.StashKey[Path]()

settings.register_profile("skymesh", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("skymesh")


def _folder(config: pytest.Config) -> Path:
    named = os.environ.get(VARIABLE)
    return Path(named) if named else config.rootpath.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data(pytestconfig: pytest.Config) -> Path:
    """The folder of real alerts; to be read, never to be written to or copied from."""
    folder = _folder(pytestconfig)
    if not folder.is_dir():
        pytest.skip(f"{ABSENT}: {folder}")
    return folder


@pytest.fixture(scope="session")
def kafka_address() -> str:
    """Bootstrap address of the session's Kafka, which all its tests share."""
    return _address("kafka")


@pytest.fixture(scope="session")
def cassandra_address() -> str:
    """Host and port of the session's Cassandra, which all its tests share."""
    return _address("cassandra")


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[KafkaServer]:
    """A Kafka of the test's own, to be stopped, killed and started."""
    _need_jvm()
    with KafkaServer(tmp_path / "kafka") as server:
        yield server


@pytest.fixture
def own_cassandra(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[CassandraServer]:
    """A Cassandra of the test's own, to be stopped, killed and started; a parameter is more settings."""
    _need_jvm()
    with CassandraServer(tmp_path / "cassandra", settings=getattr(request, "param", {})) as server:
        yield server


def _address(name: str) -> str:
    address = address_of(name)
    if address is None:
        pytest.skip(f"{NONE_THERE}: {name}")
    return address


def _need_jvm() -> None:
    if not is_jvm_there():
        pytest.skip(f"{NONE_THERE} that a test may stop: no java and mvn")


def pytest_configure(config: pytest.Config) -> None:
    # Not in a worker of xdist: its session is that of whoever started it.
    if not hasattr(config, "workerinput"):
        config.stash[_session] = begin_session()


def pytest_sessionstart() -> None:
    """Have the same environment wherever tests are run: no settings in it, no proxy before this machine."""
    # Not as early as when pytest is configured: its own report heeds some of it.
    for name in list(os.environ):
        if name in _FOREIGN or (name.startswith("SKYMESH_") and not name.startswith("SKYMESH_TEST_")):
            del os.environ[name]
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost,.invalid"


def pytest_unconfigure(config: pytest.Config) -> None:
    if _session in config.stash:
        end_session(config.stash[_session])


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    folder = _folder(config)
    for item in items:
        if "shared_data" in getattr(item, "fixturenames", ()):
            item.add_marker("shared_data")
        if _ON_SERVERS.intersection(getattr(item, "fixturenames", ())):
            item.add_marker("real_servers")
            # The contracts and one run end to end are tried each time; the rest takes its time.
            if "integration" in item.path.parts:
                item.add_marker("crash")
        if not folder.is_dir() and item.get_closest_marker("shared_data") is not None:
            item.add_marker(pytest.mark.skip(reason=f"{ABSENT}: {folder}"))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if _forbidden_skips(session.config) and session.exitstatus in {
        pytest.ExitCode.OK,
        pytest.ExitCode.NO_TESTS_COLLECTED,
    }:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    without_data = [why for _, why in _skips(config) if ABSENT in why]
    if without_data:
        terminalreporter.write_line(
            f"!!! {len(without_data)} TESTS WERE NOT RUN: {ABSENT}: {_folder(config)} (set {VARIABLE})",
            red=True,
            bold=True,
        )
    without_server = [why for _, why in _skips(config) if NONE_THERE in why]
    if without_server:
        terminalreporter.write_line(
            f"!!! {len(without_server)} TESTS WERE NOT RUN: {NONE_THERE} (set SKYMESH_TEST_KAFKA and "
            "SKYMESH_TEST_CASSANDRA, or install java and mvn, or a container engine)",
            red=True,
            bold=True,
        )
    for name, why in _forbidden_skips(config):
        terminalreporter.write_line(f"!!! SKIPPED, WHICH CI FORBIDS: {name} ({why})", red=True, bold=True)


def _forbidden_skips(config: pytest.Config) -> list[tuple[str, str]]:
    return [skip for skip in _skips(config) if ABSENT not in skip[1]] if os.environ.get("CI") else []


def _skips(config: pytest.Config) -> list[tuple[str, str]]:
    """Return names and reasons of what was skipped; nothing in a worker of xdist."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    reports = [] if reporter is None else reporter.stats.get("skipped", [])
    return [(report.nodeid, _reason(report.longrepr)) for report in reports]


def _reason(longrepr: object) -> str:
    return str(longrepr[2]) if isinstance(longrepr, tuple) else str(longrepr)

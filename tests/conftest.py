"""What all tests share: the folder of real alerts, and an account of whatever was not run.

Tests that read real alerts ask for the fixture `shared_data`; whoever does carries the marker of the
same name. Without the folder they are skipped, and one loud line of the report says how many. In
continuous integration (``CI`` is set), with the folder there, nothing may be skipped.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

VARIABLE = "SKYMESH_TEST_DATA"
ABSENT = "the shared data is absent"

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


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    folder = _folder(config)
    for item in items:
        if "shared_data" in getattr(item, "fixturenames", ()):
            item.add_marker("shared_data")
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
    for name, why in _forbidden_skips(config):
        terminalreporter.write_line(f"!!! SKIPPED, WHICH CI FORBIDS: {name} ({why})", red=True, bold=True)


def _forbidden_skips(config: pytest.Config) -> list[tuple[str, str]]:
    return _skips(config) if os.environ.get("CI") and _folder(config).is_dir() else []


def _skips(config: pytest.Config) -> list[tuple[str, str]]:
    """Return names and reasons of what was skipped; nothing in a worker of xdist."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    reports = [] if reporter is None else reporter.stats.get("skipped", [])
    return [(report.nodeid, _reason(report.longrepr)) for report in reports]


def _reason(longrepr: object) -> str:
    return str(longrepr[2]) if isinstance(longrepr, tuple) else str(longrepr)

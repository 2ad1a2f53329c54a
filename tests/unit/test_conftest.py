"""Tests that did not run are counted aloud, and forbidden where everything is there to run them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"
CONFIG = f"""[pytest]
pythonpath = {CONFTEST.parent}
markers =
    shared_data: needs data
    real_servers: needs servers
"""
NEEDS_DATA = "def test_reads_real_alerts(shared_data):\n    assert shared_data.is_dir()\n"
MARKED = "import pytest\n\n@pytest.mark.shared_data\ndef test_marked():\n    pass\n"
SKIPS = "import pytest\n\n@pytest.mark.skip(reason='too lazy')\ndef test_lazy():\n    pass\n"
NEEDS_SERVER = "def test_asks_a_broker(kafka_address):\n    assert kafka_address == 'there:1'\n"
ENVIRONMENT = """
import os
from urllib.request import getproxies, proxy_bypass

def test_environment():
    assert not {"SKYMESH_STORE", "FORCE_COLOR", "COLUMNS"} & set(os.environ)
    assert "SKYMESH_TEST_DATA" in os.environ
    assert getproxies()["http"] == "http://proxy:3128"
    assert proxy_bypass("127.0.0.1:9092") and proxy_bypass("localhost")
"""
PASSES = "def test_passes():\n    pass\n"


@pytest.fixture
def session(tmp_path):
    """Runs a test file under the project's conftest; returns exit status and output."""

    def run(text, *, data="nowhere", ci=False, **more):
        (tmp_path / "test_it.py").write_text(text)
        (tmp_path / "pytest.ini").write_text(CONFIG)
        shutil.copy(CONFTEST, tmp_path / "conftest.py")
        env = {name: value for name, value in os.environ.items() if not name.startswith(("CI", "PYTEST"))}
        env |= {"SKYMESH_TEST_DATA": str(data), "PY_COLORS": "0"} | ({"CI": "true"} if ci else {}) | more
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout

    return run


def test_without_the_data_its_tests_are_skipped_and_counted_in_one_line(session, tmp_path):
    status, output = session(NEEDS_DATA + MARKED + PASSES, data=tmp_path / "nowhere")
    assert status == 0
    (line,) = [line for line in output.splitlines() if "NOT RUN" in line]
    assert line.startswith("!!! 2 TESTS WERE NOT RUN")
    assert str(tmp_path / "nowhere") in line


def test_with_the_data_its_tests_run(session, tmp_path):
    status, output = session(NEEDS_DATA + MARKED, data=tmp_path)
    assert status == 0
    assert "2 passed" in output
    assert "!!!" not in output


def test_ci_with_the_data_fails_for_any_skipped_test_and_names_it(session, tmp_path):
    status, output = session(PASSES + SKIPS, data=tmp_path, ci=True)
    assert status == 1
    (line,) = [line for line in output.splitlines() if line.startswith("!!!")]
    assert "test_it.py::test_lazy" in line or "test_it.py" in line
    assert "too lazy" in line


def test_ci_with_the_data_passes_if_everything_ran(session, tmp_path):
    assert session(PASSES + NEEDS_DATA, data=tmp_path, ci=True)[0] == 0


def test_ci_without_the_data_only_says_so(session, tmp_path):
    status, output = session(NEEDS_DATA, data=tmp_path / "nowhere", ci=True)
    assert status == 0
    assert "!!! 1 TESTS WERE NOT RUN" in output


def test_without_servers_their_tests_are_skipped_and_counted_in_one_line(session, tmp_path):
    status, output = session(NEEDS_SERVER + PASSES, PATH=str(tmp_path), SKYMESH_TEST_KAFKA="")
    assert status == 0
    (line,) = [line for line in output.splitlines() if "NOT RUN" in line]
    assert line.startswith("!!! 1 TESTS WERE NOT RUN: there is no real server")


def test_ci_without_servers_fails(session, tmp_path):
    status, output = session(NEEDS_SERVER, PATH=str(tmp_path), SKYMESH_TEST_KAFKA="", ci=True)
    assert status == 1
    assert "SKIPPED, WHICH CI FORBIDS" in output


def test_a_server_that_the_environment_names_is_the_one(session):
    status, output = session(NEEDS_SERVER, SKYMESH_TEST_KAFKA="there:1", ci=True)
    assert (status, "1 passed" in output) == (0, True)


def test_the_environment_is_that_of_the_tests_whoever_runs_them(session):
    own = {"SKYMESH_STORE": "cassandra://mine/x", "FORCE_COLOR": "1", "COLUMNS": "20"}
    status, output = session(ENVIRONMENT, HTTP_PROXY="http://proxy:3128", NO_PROXY="", **own)
    assert (status, "1 passed" in output) == (0, True)

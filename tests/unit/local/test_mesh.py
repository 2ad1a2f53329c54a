"""What a URL may be, and that a live mesh's clients are loaded for live meshes alone."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from skymesh.errors import SettingsError, StoreUnavailableError
from skymesh_local.mesh import open_mesh, open_store, store_path
from support.mesh import skymesh

MISTAKES = {
    "": "sqlite:PATH or cassandra://host:port/keyspace",
    "sqlite:": "sqlite:PATH or cassandra://host:port/keyspace",
    "store.db": "sqlite:PATH or cassandra://host:port/keyspace",
    "postgres://localhost/store": "sqlite:PATH or cassandra://host:port/keyspace",
    "sqlite:not_there.db": "there is no store at this place",
    "cassandra://": "cassandra://host:port",
    "cassandra://localhost:9042": "cassandra://host:port",
    "cassandra://localhost:none/store": "cassandra://host:port",
}


def _open(opening, url):
    async def work():
        async with opening(url):
            pass

    asyncio.run(work())


@pytest.mark.parametrize("opening", [open_mesh, open_store])
@pytest.mark.parametrize("url", MISTAKES)
def test_an_address_that_is_none_is_told_in_one_line(tmp_path, monkeypatch, opening, url):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SKYMESH_KAFKA", "127.0.0.1:9")
    with pytest.raises(SettingsError) as told:
        _open(opening, url)
    assert MISTAKES[url] in str(told.value)
    assert list(tmp_path.iterdir()) == []


def test_a_live_mesh_needs_to_know_its_kafka(monkeypatch):
    monkeypatch.delenv("SKYMESH_KAFKA", raising=False)
    with pytest.raises(SettingsError, match="SKYMESH_KAFKA"):
        _open(open_mesh, "cassandra://127.0.0.1:9/store")


@pytest.mark.parametrize("opening", [open_mesh, open_store])
def test_a_store_that_does_not_answer_is_away(monkeypatch, opening):
    monkeypatch.setenv("SKYMESH_KAFKA", "127.0.0.1:9")
    with pytest.raises(StoreUnavailableError, match=r"127[.]0[.]0[.]1:9/store"):
        _open(opening, "cassandra://127.0.0.1:9/store")


def test_a_store_of_an_embedded_run_is_a_file():
    with pytest.raises(SettingsError, match="in a file: sqlite:PATH"):
        store_path("cassandra://localhost:9042/store")


@pytest.mark.parametrize(
    "command", [("audit",), ("show", "x"), ("trace", "run:0"), ("reproduce", "result:0")]
)
def test_a_command_says_so_and_exits_with_2(command):
    done = skymesh(*command, "--store", "postgres://localhost/store")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "postgres://localhost/store" in done.stderr


@pytest.mark.parametrize(
    "command, place",
    [
        (("store", "init"), "SKYMESH_KAFKA=127.0.0.1:9: Kafka: "),
        (("audit",), "cassandra://127.0.0.1:9/store: Cassandra does not answer: "),
        (("deploy", "fast_decline"), "cassandra://127.0.0.1:9/store: Cassandra does not answer: "),
    ],
)
def test_servers_that_do_not_answer_are_told_in_one_line(monkeypatch, command, place):
    monkeypatch.setenv("SKYMESH_KAFKA", "127.0.0.1:9")
    done = skymesh(*command, "--store", "cassandra://127.0.0.1:9/store")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith(f"skymesh: {place}")
    assert "nothing is lost" not in done.stderr


def test_the_command_line_loads_no_client_of_a_server():
    look = "import sys, skymesh_local.cli; print({'aiokafka', 'cassandra'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"

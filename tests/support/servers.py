"""Real servers for tests and benchmarks: one of each kind for a session, started by whoever needs it first.

From the shell, ``python -m support.servers kafka`` (in the folder ``tests``) starts one, prints its
address and stops it when it is told to end.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from support.cassandra_server import PATIENT, CassandraServer
from support.container_server import ContainerServer, cassandra_container, is_engine_there, kafka_container
from support.jvm_server import JvmServer, is_jvm_there, locked
from support.kafka_server import KafkaServer

NONE_THERE = "there is no real server"
SESSION = "SKYMESH_TEST_SESSION"
"""Names the folder in which the processes of one test session tell each other which servers run."""
VARIABLES = {"kafka": "SKYMESH_TEST_KAFKA", "cassandra": "SKYMESH_TEST_CASSANDRA"}
_CONTAINERS = {"kafka": kafka_container, "cassandra": cassandra_container}
_WATCH_S = 1.0
_STOP_S = 60


def address_of(name: str) -> str | None:
    """Return the address of this session's server, ``kafka`` or ``cassandra``; started now if nobody has yet.

    None if neither the environment names one nor Java nor a container engine is there.
    """
    if given := os.environ.get(VARIABLES[name]):
        return given
    if not is_jvm_there() and not is_engine_there():
        return None
    folder = Path(os.environ[SESSION])
    with locked(folder / f"{name}.lock"):
        told = folder / f"{name}.address"
        if not told.exists():
            address, pid = _start_keeper(name, folder)
            (folder / f"{name}.pid").write_text(str(pid))
            told.write_text(address)
        return told.read_text()


def begin_session() -> Path:
    """Make the folder of a session and name it in the environment, which workers inherit."""
    folder = Path(tempfile.mkdtemp(prefix="skymesh-servers-"))
    os.environ[SESSION] = str(folder)
    (folder / "session").write_text(str(os.getpid()))
    return folder


def end_session(folder: Path) -> None:
    """Stop the servers of a session and forget it."""
    pids = [int(path.read_text()) for path in folder.glob("*.pid")]
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    end = time.monotonic() + _STOP_S
    while any(map(is_alive, pids)) and time.monotonic() < end:
        time.sleep(0.05)
    shutil.rmtree(folder)


def _start_keeper(name: str, folder: Path) -> tuple[str, int]:
    """Start a process that starts a server, and ends it with the session: also with one that was killed."""
    owner = (folder / "session").read_text()
    with (folder / f"{name}.log").open("wb") as log:
        keeper = subprocess.Popen(
            [sys.executable, "-m", "support.servers", name, "--owner", owner],
            cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, stderr=log, start_new_session=True,
        )  # fmt: skip
    assert keeper.stdout is not None
    with keeper.stdout as stdout:
        address = stdout.readline().decode().strip()
    if not address:
        raise RuntimeError(f"{name} did not start: {(folder / f'{name}.log').read_text()}")
    # It outlives this process, if this is a worker that has done its part.
    keeper.returncode = 0
    return address, keeper.pid


def is_alive(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    # A zombie has ended, even if nobody has asked how.
    return not status.rpartition(") ")[2].startswith("Z")


def _new_server(name: str, home: Path, heap: str) -> AbstractContextManager[JvmServer | ContainerServer]:
    if not is_jvm_there():
        return _CONTAINERS[name]()
    if name == "cassandra":
        return CassandraServer(home, heap=heap, settings=PATIENT)
    return KafkaServer(home, heap=heap)


def main() -> None:
    """Keep a server until told to end, or until the owner is gone."""
    parser = argparse.ArgumentParser(description="Start a real server and keep it until told to end.")
    parser.add_argument("server", choices=sorted(VARIABLES))
    parser.add_argument("--heap", default="", help="size of its heap, e.g. 1G, for one that runs long")
    parser.add_argument("--owner", type=int, help="end with the process of this number")
    arguments = parser.parse_args()
    told_to_end = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told_to_end.set())
    with (
        tempfile.TemporaryDirectory(prefix=f"skymesh-{arguments.server}-") as home,
        _new_server(arguments.server, Path(home), arguments.heap) as server,
    ):
        print(server.address, flush=True)  # noqa: T201 - whoever started it reads this
        while not told_to_end.wait(_WATCH_S):
            if arguments.owner is not None and not is_alive(arguments.owner):
                break
        # Nobody will look at its data again: it need not put them away.
        if isinstance(server, JvmServer):
            server.kill()


if __name__ == "__main__":
    main()

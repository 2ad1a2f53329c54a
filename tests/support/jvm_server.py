"""A server of the Java world as a child process, from jars that Maven brings."""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ClassVar, Self
from xml.etree import ElementTree as ET

READY_S = 300
STOP_S = 120
_POLL_S = 0.05
_HERE = Path(__file__).parent
_PORTS = range(20_000, 32_000)
# Not the one of `random`, which a test's seed may have set to what another process has.
_RANDOM = random.SystemRandom()


class JvmServer:
    """One node, with its data in a folder of its own.

    It may be stopped or killed and started again: it comes back at the same address, with its data.

    Parameters
    ----------
    home
        Folder of its configuration, data and log; made if it is not there.
    ports
        The ports it listens to, the one for clients first; free ones if not given.
    heap
        Size of its heap, for one that is to run long. Unless given it is small, and code is compiled quickly
        rather than well: most of what a test's server computes is the compiling.
    """

    name: ClassVar[str]
    main: ClassVar[str]
    port_count: ClassVar[int]
    small_heap: ClassVar[str]
    ready_line: ClassVar[str]
    """What it writes to its log when it is ready."""

    def __init__(self, home: Path, ports: Sequence[int] = (), *, heap: str = "") -> None:
        self.home = home
        self.ports = tuple(ports) or free_ports(self.port_count)
        self._heap = heap
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Host and port for clients."""
        return f"127.0.0.1:{self.ports[0]}"

    @property
    def log(self) -> Path:
        """Where it writes what it does."""
        return self.home / "server.log"

    def __enter__(self) -> Self:
        self.configure()
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def configure(self) -> None:
        """Write its configuration and begin with no data."""
        raise NotImplementedError

    def options(self) -> Iterable[str]:
        """Return options of the Java machine."""
        raise NotImplementedError

    def memory(self) -> Iterable[str]:
        """Return those options of the Java machine that depend on how long it is to run."""
        heap = self._heap or self.small_heap
        yield from (f"-Xms{heap}", f"-Xmx{heap}", "-XX:+UseG1GC")
        if not self._heap:
            yield "-XX:TieredStopAtLevel=1"

    def arguments(self) -> Sequence[str]:
        """Return the arguments of the server's main class."""
        return ()

    def start(self) -> None:
        """Start it and wait until it answers."""
        written = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                ["java", *self.options(), "-cp", self.class_path(), self.main, *self.arguments()],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.home,
            )  # fmt: skip
        wait_until(lambda: self._is_ready(written), f"{self.name} to be ready", READY_S)

    def stop(self) -> None:
        """End it as an operator does; by force if it does not heed."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def kill(self) -> None:
        """End it in the middle of whatever it does."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def suspend(self) -> None:
        """Let it hang: connections stay open, nothing is answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `suspend`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def class_path(self) -> str:
        """Return the class path of its jars."""
        return f"{self.home}:{jars(self.name)}/*"

    def _is_ready(self, written: int) -> bool:
        assert self._process is not None
        with self.log.open("rb") as log:
            log.seek(written)
            said = log.read().decode(errors="replace")
        if self._process.poll() is not None:
            raise RuntimeError(f"{self.name} ended: {' | '.join(said.splitlines()[-8:])}")
        return self.ready_line in said and is_open(self.ports[0])


def is_jvm_there() -> bool:
    """Return whether servers can be started from jars."""
    return all(map(shutil.which, ("java", "mvn")))


def jars(name: str) -> Path:
    """Return the folder of a server's jars; Maven brings them the first time."""
    pom = _HERE / f"{name}-pom.xml"
    version = ET.parse(pom).findtext("{*}version")
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = caches / "skymesh" / f"{name}-{version}" / "libs"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder.with_name("libs.lock")):
        if not folder.is_dir():
            # Into place by a rename: a download that was interrupted is none.
            part = folder.with_name("libs.part")
            command = ["mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies"]
            subprocess.run([*command, f"-DoutputDirectory={part}"], check=True, stdout=subprocess.DEVNULL)
            part.rename(folder)
    return folder


def free_ports(count: int) -> tuple[int, ...]:
    """Return ports that nobody listens to now, of those that the system gives nobody by itself."""
    found: set[int] = set()
    while len(found) < count:
        port = _RANDOM.choice(_PORTS)
        with socket.socket() as tried, suppress(OSError):
            tried.bind(("127.0.0.1", port))
            found.add(port)
    return tuple(found)


def is_open(port: int) -> bool:
    """Return whether something answers at a port of this machine."""
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex(("127.0.0.1", port)) == 0


def wait_until(condition: Callable[[], bool], what: str, limit_s: float, *, every_s: float = _POLL_S) -> None:
    """Wait until a condition holds.

    Raises
    ------
    TimeoutError
        If it does not within the limit.
    """
    end = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {limit_s:g} s in vain for {what}")
        time.sleep(every_s)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Be the only process of this machine inside, by a lock on a file."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield

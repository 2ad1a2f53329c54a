"""A live mesh on real servers, its services as processes that a test starts, stops and kills."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
from contextlib import suppress
from pathlib import Path

from skymesh.errors import MeshError
from skymesh.model.run import JobRecord
from skymesh_local.audit import unread_messages
from skymesh_local.audit_journal import collect_journal
from skymesh_local.find import find_run
from skymesh_local.mesh import open_mesh
from support.cassandra_store import run_statements
from support.jvm_server import wait_until
from support.mesh import with_path
from support.published import repeated

TIERS = ("ingest", "t0", "t1", "t2", "t3", "deliver", "provenance")
READY_S = 180
DRAINED_S = 400
STOP_S = 120
_ANSWER_S = 30
_TOLD_LINES = 15
_LOOK_S = 1.0


class Service:
    """One process of a tier.

    Parameters
    ----------
    mesh
        Its mesh.
    tier
        What it serves.
    log
        Where its output goes.
    settings
        Further settings of this process.
    code
        Python that serves the tier in another way, for tests that strike inside.
    """

    def __init__(self, mesh, tier, log, settings=None, code=""):
        self.tier = tier
        self.log = log
        command = [sys.executable, *(["-c", code] if code else ["-m", f"skymesh_{tier}"])]
        environment = {**mesh.environment, **(settings or {})}
        self.is_struck = False
        with log.open("wb") as out:
            self.process = subprocess.Popen(command, env=environment, stdout=out, stderr=subprocess.STDOUT)

    @property
    def is_alive(self):
        return self.process.poll() is None

    @property
    def port(self):
        found = re.search(r'"port": (\d+)', self.log.read_text())
        return int(found[1]) if found else None

    def get(self, path):
        """Return status and text of an answer; (0, "") before there is one."""
        if self.port is None:
            return 0, ""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=_ANSWER_S) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except (OSError, http.client.HTTPException):
            return 0, ""

    def metric(self, name, **labels):
        """Return the sum of a metric over all series with these labels."""
        total = 0.0
        for line in self.get("/metrics")[1].splitlines():
            named = re.fullmatch(rf"{name}(?:\{{(.*)\}})? (\S+)", line)
            if named and all(f'{key}="{value}"' in (named[1] or "") for key, value in labels.items()):
                total += float(named[2])
        return total

    def wait_ready(self):
        def is_ready():
            self.check()
            return self.get("/ready")[0] == 200

        try:
            wait_until(is_ready, f"{self.tier} ready", READY_S)
        except TimeoutError:
            raise AssertionError(f"{self.get('/ready')}\n{self.told()}") from None

    def check(self):
        """Fail if it has ended, and nobody has told it to or has killed it."""
        assert self.is_alive or self.is_struck, f"{self.process.returncode}\n{self.told()}"

    def told(self):
        """Return the end of what it has said."""
        lines = self.log.read_text().splitlines()
        return "\n".join([f"{self.log.name}:", *lines[-_TOLD_LINES:]])

    def signal(self, number):
        if self.is_alive:
            os.kill(self.process.pid, number)

    def kill(self):
        """Kill it as if its machine had lost power."""
        self.is_struck = True
        self.signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        """Tell it to stop; return its exit code."""
        self.is_struck = True
        self.signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it does not stop\n{self.told()}") from None


class LiveMesh:
    """A mesh with names of its own, so that tests share the servers.

    Parameters
    ----------
    folder
        For logs and the files of outlets.
    kafka, cassandra
        Addresses of the servers.
    partitions
        Of every topic.
    settings
        Further settings of all services.
    """

    def __init__(self, folder: Path, kafka, cassandra, *, partitions=3, **settings):
        name = f"t{uuid.uuid4().hex[:12]}"
        self.folder = folder
        self.url = f"cassandra://{cassandra}/{name}"
        self.own = {
            "SKYMESH_KAFKA": kafka,
            "SKYMESH_STORE": self.url,
            "SKYMESH_MESH": name,
            "SKYMESH_PARTITIONS": str(partitions),
            "SKYMESH_OUTLET_FOLDER": str(folder / "told"),
            **settings,
        }
        self.environment = {**with_path(), **self.own}
        # Nobody tries a command again.
        self._patient = {**self.own, "SKYMESH_STORE_TIMEOUT_S": "60"}
        self.services: list[Service] = []
        self.runs: list[str] = []
        self._started = 0

    def __enter__(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        self.run("store", "init")
        return self

    def __exit__(self, *error):
        for service in self.services:
            service.signal(signal.SIGCONT)
            service.kill()
        # Each keyspace has dozens of tables, and a small server has no room for many.
        with suppress(MeshError):
            run_statements(self.url, (f"DROP KEYSPACE IF EXISTS {self.own['SKYMESH_MESH']}",))

    def run(self, *arguments, code=0):
        """Run a command on this mesh; return what it wrote to standard output."""
        return self._done(arguments, code).stdout

    def mistake(self, *arguments, code):
        """Run a command that fails; return what it wrote to standard error."""
        return self._done(arguments, code).stderr

    def run_killed(self, *arguments, after_s):
        """Begin a command, and kill it in the middle."""
        command = [sys.executable, "-m", "skymesh_local", *map(str, arguments)]
        with subprocess.Popen(command, env={**self.environment, **self._patient}) as process:
            try:
                process.wait(after_s)
            except subprocess.TimeoutExpired:
                process.kill()

    def _done(self, arguments, code):
        command = [sys.executable, "-m", "skymesh_local", *map(str, arguments)]
        done = self._ended(command)
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def _ended(self, command):
        environment = {**self.environment, **self._patient}
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=600
        )

    def start(self, *tiers, code="", **settings):
        """Start services; return them."""
        started = []
        for tier in tiers:
            self._started += 1
            log = self.folder / f"{tier}-{self._started}.log"
            started.append(Service(self, tier, log, settings, code))
        self.services += started
        return started

    def start_all(self):
        """Start one service of every tier and wait until they are ready."""
        for service in self.start(*TIERS):
            service.wait_ready()

    def of(self, tier):
        """Return the living services of a tier."""
        return [service for service in self.services if service.tier == tier and service.is_alive]

    def check_services(self):
        """Fail if any service has ended by itself."""
        for service in self.services:
            service.check()

    def publish(self, *paths, survey="ztf"):
        """Publish packets."""
        return self.run("publish", "--survey", survey, *(a for path in paths for a in ("--alerts", path)))

    def deploy(self, job):
        """Deploy a job; return the id of its run."""
        run = re.search(r"run:([0-9a-f]{32})", self.run("deploy", job))[1]
        self.runs.append(run)
        return run

    def wait_drained(self, limit_s=DRAINED_S):
        """Wait until nothing is in flight any more."""
        waiting = {}

        def is_through(run):
            self.check_services()
            waiting.update(self.here(lambda: in_flight(self.url, run)))
            return not any(waiting.values())

        for run in self.runs:
            try:
                # To look reads much: not again and again while the services need the processors.
                wait_until(lambda run=run: is_through(run), "all is through", limit_s, every_s=_LOOK_S)
            except TimeoutError:
                told = "\n".join(service.told() for service in self.services)
                raise AssertionError(f"not through: {waiting}\n{told}") from None

    def audit(self, run="", *, is_final=False):
        """Return what an audit says; a hole fails."""
        arguments = ["audit", "--store", self.url, "--json", *(["--run", run] if run else [])]
        command = [sys.executable, "-m", "skymesh_local", *arguments, *(["--final"] if is_final else [])]
        done = self._ended(command)
        assert done.stdout, done.stderr
        told = json.loads(done.stdout)
        assert (done.returncode, told["balanced"]) == (0, True), told["holes"]
        return told

    def repeated(self):
        """Return what stands more than once in any topic, by kind of record."""
        return self.here(lambda: repeated(self.url))

    def here(self, work):
        """Do something in this process, with the settings of the mesh in the environment."""
        before = dict(os.environ)
        os.environ.update(self._patient)
        try:
            return asyncio.run(work())
        finally:
            os.environ.clear()
            os.environ.update(before)


async def in_flight(url, run):
    """Return how many records each tier has not completed."""
    async with open_mesh(url) as mesh:
        found = await find_run(mesh.store, run)
        # First what ingest has left: what it completes from here on, the tiers are found to have.
        unread = await unread_messages(mesh, await mesh.context(found))
        journal = await collect_journal(mesh, found, await mesh.store.get(JobRecord, id=found.job))
        return {"ingest": unread, **journal.left}

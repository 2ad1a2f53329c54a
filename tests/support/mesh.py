"""Running the embedded mesh in tests, and looking at everything that a run left behind."""

from __future__ import annotations

import asyncio
import os
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
import yaml

from skymesh.bus.bus import Outgoing
from skymesh.codecs import wire
from skymesh.jobs.deployed import Deployed
from skymesh.jobs.loader import load_job
from skymesh.jobs.plan import plan_job
from skymesh.model.execution import JournalEntry, Result, Settled
from skymesh.model.ids import digest_of, digest_sequence
from skymesh.model.reaction import Intent
from skymesh.model.run import Run, RunSummary
from skymesh.model.state import StateLink
from skymesh.runtime.tier import Context
from skymesh.runtime.topics import ALERTS, topic_of
from skymesh.store.tables import TABLES
from skymesh_deliver.door import folder_door
from skymesh_local.app import open_embedded, run_tiers
from skymesh_local.audit import audit
from skymesh_local.delivery import open_delivery
from skymesh_local.find import find_run
from skymesh_local.run import run_job
from skymesh_local.settings import RunSettings
from support.forks import fork

TESTS = Path(__file__).parents[1]
ANALYSE = {"summary": {"unit": "LightCurveSummary"}, "decline": {"unit": "FastDecliner"}}


def channel(*labels, unit="AcceptAll", config=None, analyse=None, **more):
    """Return a channel as a job file has it."""
    chosen = {"unit": unit} | ({} if config is None else {"config": config})
    analyse = ANALYSE if analyse is None else analyse
    return {"access": list(labels) or ["ztf_public"], "filter": chosen, "analyse": analyse, **more}


def write_job(path, channels, *, name="job", **more):
    """Write a job file; return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump({"name": name, "channels": channels, **more}))
    return path


def write_files(folder, packets):
    """Write bytes under names; return the folder."""
    for name, data in packets.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def run_files(job, alerts, out, **settings):
    """Run a job over files in this process; return its numbers."""
    given = RunSettings(job=str(job), alerts=(alerts,), out=out, **settings)
    return asyncio.run(run_job(given)).numbers


def constant(numbers):
    """Return a run's numbers without those that may differ between equal runs."""
    units = {
        name: {key: value for key, value in unit.items() if key not in {"seconds", "memoised"}}
        for name, unit in numbers["units"].items()
    }
    return {key: value for key, value in numbers.items() if key != "seconds"} | {"units": units}


def skymesh(*arguments, path=()):
    """Run the command line as a process of its own, with further folders to import from."""
    done = fork(*arguments, path=[*path, TESTS], env=with_path(*path))
    return subprocess.CompletedProcess(arguments, *done)


def with_path(*folders):
    """Return the environment with the tests' folder, and others, to import from."""
    path = [*map(str, folders), str(TESTS), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path))}


@contextmanager
def open_store(path):
    """Open a store that is there, with its bus."""
    embedded = open_embedded(Path(path), must_exist=True)
    try:
        yield embedded
    finally:
        asyncio.run(embedded.close())


def documents(path, kind, **key):
    """Return all documents of a kind, in order of the key."""

    async def scan(store):
        return [document async for document in store.scan(kind, **key)]

    with open_store(path) as embedded:
        return asyncio.run(scan(embedded.store))


def audit_store(path, *, run="", is_final=True):
    """Audit a store in this process."""

    async def work(embedded):
        return await audit(embedded, await find_run(embedded.store, run), is_final=is_final)

    with open_store(path) as embedded:
        return asyncio.run(work(embedded))


def contents(path):
    """Return all rows of all tables, with times, and what was remembered, left out."""
    tables = {table.name: [_timeless(d) for d in documents(path, kind)] for kind, table in TABLES.items()}
    with open_store(path) as embedded:
        run = embedded.bus._file.connection.execute
        tables["ends"] = run(
            "SELECT name, partition, next FROM topic_ends JOIN topics ON id = topic ORDER BY 1"
        ).fetchall()
        tables["committed"] = run(
            "SELECT reader, name, next FROM committed JOIN topics ON id = topic ORDER BY 1, 2"
        ).fetchall()
        tables["records"] = run(
            "SELECT name, offset, key, value FROM records JOIN topics ON id = topic ORDER BY 1, 2"
        ).fetchall()
        tables["cutouts"] = run("SELECT id, size FROM cutouts ORDER BY id").fetchall()
    return tables


def _timeless(document):
    change = msgspec.structs.replace
    if isinstance(document, Result):
        return change(document, seconds=0.0)
    if isinstance(document, RunSummary):
        return change(document, numbers=constant(document.numbers))
    if isinstance(document, JournalEntry):
        lines = tuple(change(line, seconds=0.0, cpu_s=0.0, is_memoised=False) for line in document.lines)
        counts = {key: count for key, count in document.counts.items() if key != "memoised"}
        return change(document, seconds=0.0, cpu_s=0.0, started_utc="", counts=counts, lines=lines)
    return document


def messages(folder):
    """Return the messages of reactions that a run wrote as files, by name."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.glob("*/*")
        if path.suffix == ".xml"
    }


class Picture(NamedTuple):
    """What a run made, whatever its batches were."""

    links: dict
    """(channel, stock, alert) → the states held there, and those reached there first."""

    results: set
    """channel, state, instance, result, outcome, digest of the content."""

    reactions: set
    """channel, state, instance, stock, alert, reaction, digest of the messages."""

    def of(self, name):
        """Return the part of one channel."""
        links = {place: link for place, link in self.links.items() if place[0] == name}
        results, reactions = (
            {made for made in each if made[0] == name} for each in (self.results, self.reactions)
        )
        return Picture(links, results, reactions)


def picture(path, run=None):
    """Return what a run made: the only one of a store, unless it is named."""
    run = documents(path, Run)[0].id if run is None else run
    links, results = {}, set()
    for link in documents(path, StateLink, run=run):
        for name, held in link.states.items():
            links[name, link.stock, link.alert] = (held, link.emitted.get(name, ()))
    for settled in documents(path, Settled, run=run):
        for name, by_state in settled.results.items():
            for state, by_instance in by_state.items():
                results |= {
                    (name, state, instance, told.id, told.outcome, told.digest)
                    for instance, told in by_instance.items()
                }
    reactions = {
        (intent.channel, intent.state, intent.instance, intent.stock, intent.alert, intent.id, intent.digest)
        for intent in documents(path, Intent, run=run)
    }
    return Picture(links, results, reactions)


def run_stream(alerts, job, folder, *, batch_records=500):
    """Run a job over alerts in exactly this order, past intake; return what it made."""
    plan = plan_job(load_job(job, {}), job.name)
    log = digest_sequence("log", (alert.id + alert.record for alert in alerts))
    run = digest_of("run", [plan.id, log])

    async def work():
        embedded = open_embedded(folder / "stream.db")
        topic = topic_of(ALERTS, log.hex())
        await embedded.bus.create(topic)
        await embedded.bus.publish([Outgoing(topic, alert.stock, wire.encode(alert)) for alert in alerts])
        job = Deployed(run, "simulated", plan)
        await run_tiers(
            embedded,
            Context(log, run),
            job,
            deliveries=[open_delivery(folder_door("file"), embedded.store, log, folder)],
            workers=1,
            batch_records=batch_records,
        )
        await embedded.close()

    asyncio.run(work())
    return picture(folder / "stream.db", run)

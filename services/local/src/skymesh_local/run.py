"""One embedded run, from the job file to its numbers."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import closing
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, NamedTuple

from skymesh.errors import JobError, SettingsError
from skymesh.jobs.deployed import Deployed
from skymesh.jobs.loader import builtin_jobs, load_job
from skymesh.jobs.plan import JobPlan, plan_job
from skymesh.model.ids import digest_of
from skymesh.model.run import Log, Run, RunSummary
from skymesh.runtime.expired import refuse_expired
from skymesh.runtime.registering import register_job
from skymesh.surveys.ztf.simulated_night import simulated_night
from skymesh.telemetry.logs import get_log
from skymesh.telemetry.progress import meter
from skymesh_deliver.doors import outlet_grants
from skymesh_ingest.reading import Container, Unreadable
from skymesh_ingest.schemas import schemas_of
from skymesh_local.app import Embedded, open_embedded, run_tiers
from skymesh_local.delivery import Delivery, check_ways, doors_of, is_waiting, open_delivery
from skymesh_local.digests import run_numbers
from skymesh_local.intake import Intake, journal_intake
from skymesh_local.mesh import store_path
from skymesh_local.messages import write_messages_anew
from skymesh_local.packet_files import PacketFile, find_files, name_of, read_containers
from skymesh_local.products import Names, newest_views, write_products
from skymesh_local.replay import Account, Prefix, Wanted, find_prefix, replay_log
from skymesh_local.report.page import PAGE_NAME, write_page
from skymesh_local.settings import OUT, STORE_NAME, RunSettings
from skymesh_local.spool import SpooledViews

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


class Finished(NamedTuple):
    """A run that is complete.

    Attributes
    ----------
    numbers
        What ``--json`` prints.
    folder
        Where its files are.
    products
        Names of the files that its summaries made.
    messages
        Names of the folders with the messages of its reactions.
    page
        Where the page is that shows it all.
    """

    numbers: dict[str, Any]
    folder: Path
    products: tuple[str, ...]
    messages: tuple[str, ...]
    page: Path


def find_job(name: str) -> Path | Traversable:
    """Return a job's file: a path, or the name of a built-in job.

    Raises
    ------
    JobError
        If there is neither.
    """
    if Path(name).is_file():
        return Path(name)
    jobs = builtin_jobs("skymesh_local")
    if name in jobs:
        return jobs[name]
    raise JobError(f"neither a file nor a built-in job; built in: {', '.join(sorted(jobs))}", where=name)


def load_plan(name: str, parameters: dict[str, str]) -> JobPlan:
    """Read and resolve a job.

    Raises
    ------
    JobError
        With one line for every mistake.
    SettingsError
        If the setting of an outlet does not fit.
    """
    source = find_job(name)
    folder = source.parent if isinstance(source, Path) else Path()
    return plan_job(load_job(source, parameters), source.name, folder, outlets=outlet_grants())


async def run_job(settings: RunSettings) -> Finished:
    """Run a job to the end, or on from where a killed run stopped.

    Raises
    ------
    SettingsError
        If the job, a path or the store is wrong.
    TransientError
        If the store cannot be written.
    """
    plan = load_plan(settings.job, settings.parameters)
    if settings.log and settings.alerts:
        raise SettingsError("a log is replayed as it is: give either --log or --alerts", where="--log")
    if settings.log and not settings.store:
        raise SettingsError("say in which store the log lies, with --store or SKYMESH_STORE", where="--log")
    if settings.name and not _NAME.fullmatch(settings.name):
        raise SettingsError(
            "a name is letters, digits, '_', '-' and '.', and begins with a letter or digit", where="--run"
        )
    files = find_files(settings.alerts)
    if settings.alerts and not files:
        raise SettingsError(
            "no Avro file, no *.confluent.bin and no tar in there",
            where=", ".join(map(name_of, settings.alerts)),
        )
    # Refused before anything is read.
    doors_of(plan, "real", settings)
    prefix = await find_prefix(settings.store, settings.log) if settings.log else None
    folder = settings.out or OUT / _folder_name(settings, plan, prefix)
    _make(folder)
    embedded = open_embedded(_store_file(settings, folder))
    try:
        return await _run(settings, plan, prefix or files, folder, embedded)
    finally:
        await embedded.close()


async def _run(
    settings: RunSettings, plan: JobPlan, read: Prefix | list[PacketFile], folder: Path, embedded: Embedded
) -> Finished:
    start = time.perf_counter()
    schemas = schemas_of(settings.schemas)
    wanted = Wanted(plan.id, plan.name, settings.name)
    with closing(Intake(embedded, folder, schemas)) as intake:
        if isinstance(read, Prefix):
            run, is_new = await replay_log(settings.store, read, embedded, wanted)
        else:
            run, is_new = await _take_in(intake, read, embedded, wanted)
        await refuse_expired(embedded.store, run.id)
        plan = await register_job(embedded.store, plan)
        if is_new:
            # The account was written first: a run that is there has all of it.
            await journal_intake(embedded, run)
            await embedded.store.write([run])
    _name_by_run(settings, folder, run)
    summary = await embedded.store.get(RunSummary, run=run.id)
    doors = doors_of(plan, run.origin, settings)
    await check_ways(embedded.store, run.id, doors)
    # Somebody may have released what was held, after the run was finished.
    if summary is None or await is_waiting(embedded.bus, await embedded.context(run), doors.values()):
        deliveries = [open_delivery(door, embedded.store, run.log, folder) for door in doors.values()]
        await _run_tiers(settings, plan, run, deliveries, embedded)
    if not is_new:
        await write_messages_anew(embedded.store, run.id, folder)
    file = _store_file(settings, folder)
    with SpooledViews() as views:
        newest = newest_views(embedded.store, run.id, (channel.name for channel in plan.channels))
        if plan.summaries:
            await views.fill(newest)
        products = await write_products(embedded.store, run, plan, Names(folder, plan, file), views)
        if summary is None:
            # First byte read to last commit.
            seconds = round(time.perf_counter() - start, 3)
            summary = RunSummary(run.id, {**await run_numbers(embedded.store, run), "seconds": seconds})
            await embedded.store.write([summary])
        if not plan.summaries:
            await views.fill(newest)
        await write_page(embedded.store, run, plan, summary.numbers, views, folder, file)
    get_log().info("run finished", run=run.id.hex(), folder=str(folder), alerts=run.published)
    return Finished(summary.numbers, folder, products, _messages(plan, folder), folder / PAGE_NAME)


async def _run_tiers(
    settings: RunSettings, plan: JobPlan, run: Run, deliveries: list[Delivery], embedded: Embedded
) -> None:
    with meter("alerts", run.published) as progress:
        await run_tiers(
            embedded,
            await embedded.context(run),
            Deployed(run.id, run.origin, plan),
            deliveries=deliveries,
            workers=settings.workers,
            batch_records=settings.batch_records,
            on_alerts=progress.advance,
        )


async def _take_in(
    intake: Intake, files: list[PacketFile], embedded: Embedded, wanted: Wanted
) -> tuple[Run, bool]:
    """Make files a log; return the run over it, and whether it is still to be written."""
    log = await _read(intake, files)
    run = wanted.run_over(log.id, "real" if files else "simulated", Account(*intake.totals()))
    is_new = await embedded.store.get(Run, id=run.id) is None
    if is_new:
        await intake.account(run.id)
    return run, is_new


async def _read(intake: Intake, files: list[PacketFile]) -> Log:
    with meter("packets", len(files) or None) as progress:
        if not files:
            await intake.read(_simulated())
        for file in files:
            await intake.read(read_containers(file))
            progress.advance(1)
    log = await intake.finish()
    _, dead = intake.totals()
    if dead:
        get_log().warning("packets could not be read; skymesh trace RUN names them", dead=dead)
    return log


def _messages(plan: JobPlan, folder: Path) -> tuple[str, ...]:
    names = dict.fromkeys(reaction.name for channel in plan.channels for reaction in channel.reactions)
    return tuple(name for name in names if (folder / name).is_dir())


def _simulated() -> Iterator[Container | Unreadable]:
    for number, packet in enumerate(simulated_night()):
        yield Container(f"simulated/{number:03d}.avro", packet)


def _folder_name(settings: RunSettings, plan: JobPlan, prefix: Prefix | None) -> str:
    """Return a name that is the same for the same command, before it is known which run it is.

    A log that has grown is another one: its replay has a folder of its own.
    """
    if settings.name:
        return settings.name
    paths = sorted(name_of(path.resolve()) for path in settings.alerts)
    replayed = [] if prefix is None else [prefix.original.id, *prefix.ends]
    return f"{plan.name}-{digest_of('digest', [plan.id, paths, replayed]).hex()[:8]}"


def _name_by_run(settings: RunSettings, folder: Path, run: Run) -> None:
    """Let the run's folder be found under the run's id too; of several replays, the last one's."""
    link = OUT / run.id.hex()
    if settings.out is None and run.ends and link.is_symlink():
        link.unlink()
    if settings.out is None and not link.exists() and not link.is_symlink():
        link.symlink_to(folder.name)


def _store_file(settings: RunSettings, folder: Path) -> Path:
    if settings.store and not settings.log:
        return store_path(settings.store)
    return folder / STORE_NAME


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"cannot be written: {error.strerror}", where=str(folder)) from None

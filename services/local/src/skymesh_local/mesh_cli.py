"""The commands of the live mesh: making it, serving its tiers, switching jobs on and off.

The clients of Kafka and Cassandra are loaded by the commands that need them: the others start fast.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from skymesh.errors import OutletUnavailableError, SettingsError
from skymesh.jobs.plan import JobPlan
from skymesh.jobs.pools import named_pools
from skymesh.model.ids import Digest, text_id
from skymesh.model.run import Run
from skymesh.settings.environment import from_environment
from skymesh.settings.retention import RetentionSettings
from skymesh_local.expiring import expire_due
from skymesh_local.mesh import open_mesh
from skymesh_local.retention import asked_of, now_utc

if TYPE_CHECKING:
    from skymesh.runtime.live import LiveMesh
    from skymesh_deliver.door import Door

T = TypeVar("T")
TIERS = ("ingest", "t0", "t1", "t2", "t3", "deliver", "provenance")

store_app = typer.Typer(no_args_is_help=True, help="The store of a live mesh.")
StoreUrl = Annotated[str, typer.Option(help="URL of the store; else SKYMESH_STORE.", show_default=False)]


@store_app.command()
def init(store: StoreUrl = "") -> None:
    """Make keyspace, tables, topics and log of a live mesh; what is there already stays."""
    from skymesh.runtime.live import make_mesh

    epoch = _run(make_mesh(store_url(store)))
    print(f"log:{epoch.log.hex()}, epoch {epoch.number}, {epoch.partitions} partitions")


@store_app.command()
def new_epoch(
    store: StoreUrl = "",
    partitions: Annotated[
        int, typer.Option(min=0, max=10_000, help="Of each of its topics; 0: as many as before.")
    ] = 0,
    wait: Annotated[float, typer.Option(min=0.0, help="How long to wait for the tiers, in seconds.")] = 60.0,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Go on in the old ones after all.")] = False,
) -> None:
    """Let the log of a live mesh go on in new topics, once the tiers are through with the old ones."""
    from skymesh.runtime.epochs import withdraw_epoch
    from skymesh_local.renewing import renew

    if withdraw:
        given_up = on_mesh(store_url(store), lambda mesh: withdraw_epoch(mesh.store, mesh.epoch.log))
        print(f"log:{given_up.log.hex()}, epoch {given_up.number} is withdrawn")
        return
    epoch = _run(renew(store_url(store), partitions, patience_s=wait))
    print(f"log:{epoch.log.hex()}, epoch {epoch.number}, {epoch.partitions} partitions")


@store_app.command()
def expire(
    store: StoreUrl = "",
    run: Annotated[str, typer.Option(help="What this run has, by id or name.", show_default=False)] = "",
    before: Annotated[
        str, typer.Option(help="What ended or came in before: ISO 8601, UTC.", show_default=False)
    ] = "",
    class_: Annotated[
        list[str] | None,
        typer.Option("--class", help="Only of this class; see the README of local.", show_default=False),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Delete what runs that have ended and old packets left, as SKYMESH_RETENTION_… or the options say."""
    now = now_utc()
    settings = from_environment(RetentionSettings)
    asked = asked_of(class_ or (), run, _time_of(before), settings, now)

    async def work() -> dict[str, Any]:
        async with open_mesh(store_url(store)) as mesh:
            return await expire_due(mesh, asked, now, is_dry=dry_run)

    told = _run(work())
    if as_json:
        print(json.dumps(told))
        return
    for each in told["expired"]:
        rows = ", ".join(f"{count} {name}" for name, count in each["rows"].items()) or "nothing"
        print(f"{each['of']}  {each['class']}{' would expire' if dry_run else ' expired'}: {rows}")
    for name, why in told["kept"].items():
        print(f"{name}  kept: {why}")
    if not told["expired"]:
        print("nothing else is old enough, or it has expired before" if told["kept"] else "nothing is due")


def _time_of(text: str) -> datetime | None:
    """Return a time; what names no time zone is UTC."""
    try:
        time = datetime.fromisoformat(text) if text else None
    except ValueError:
        raise SettingsError("expected a date or time in ISO 8601", where=f"--before {text}") from None
    return time.replace(tzinfo=UTC) if time is not None and time.tzinfo is None else time


def serve_tier(tier: str) -> None:
    """Serve a tier until told to stop."""
    if tier not in TIERS:
        raise SettingsError(f"there is no such tier; there are: {', '.join(TIERS)}", where=tier)
    sys.exit(importlib.import_module(f"skymesh_{tier}.app").main())


def deploy_job(plan: JobPlan, name: str, store: str) -> None:
    """Switch a job on, in the place of the one of its name; refuse outlets that are not there."""
    from skymesh.runtime.deploying import deploy, deployed_runs
    from skymesh_deliver.doors import door_to

    told = dict.fromkeys(outlet for c in plan.channels for r in c.reactions for outlet in r.outlets)
    doors = [door_to(target) for target in told]

    async def work(mesh: LiveMesh) -> tuple[tuple[Digest, ...], Run]:
        for door in doors:
            await _refuse_missing_topic(mesh, door)
        before = (await deployed_runs(mesh)).get(plan.name, ())
        return before, await deploy(mesh, plan, name)

    before, run = on_mesh(store_url(store), work)
    since = "already judges all alerts" if run.id in before else "judges all alerts from here on"
    print(f"{text_id('run', run.id)} of {plan.name} {since}")
    for other in before:
        if other != run.id:
            print(f"{text_id('run', other)} of {plan.name} judges no more alerts; what it began is completed")
    for pool in sorted(named_pools(plan.resolved)):
        print(f"its units of pool {pool} are run by `skymesh serve t2` with SKYMESH_POOL={pool}")


async def _refuse_missing_topic(mesh: LiveMesh, door: Door) -> None:
    from skymesh_deliver.kafka_outlet import KafkaOutlet

    if door.is_transactional:
        try:
            await KafkaOutlet(mesh.bus, door.topic).ready()
        except OutletUnavailableError as error:
            raise SettingsError(error.problem, where=error.where) from None


def undeploy_job(job: str, store: str) -> None:
    """Switch the job of a name off."""
    from skymesh.runtime.deploying import undeploy

    for run in on_mesh(store_url(store), lambda mesh: undeploy(mesh, job)):
        print(f"{text_id('run', run)} of {job} judges no more alerts; what it began is completed")


def list_deployed(store: str) -> None:
    """Print the jobs at work."""
    from skymesh.runtime.deploying import deployed_runs

    jobs = on_mesh(store_url(store), deployed_runs)
    for name, runs in sorted(jobs.items()):
        print(f"{name}  {', '.join(text_id('run', run) for run in runs)}")
    if not jobs:
        print("no job is switched on")


def on_mesh(url: str, work: Callable[[LiveMesh], Awaitable[T]]) -> T:
    """Open a live mesh, do something, and close it again."""
    from skymesh.runtime.live import live_mesh

    async def opened() -> T:
        async with live_mesh(url) as mesh:
            return await work(mesh)

    return _run(opened())


def _run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def given_store(store: str) -> str:
    """Return the URL that an option gives, else the environment; empty if neither does."""
    return store or os.environ.get("SKYMESH_STORE", "")


def store_url(store: str) -> str:
    """Return the URL of the store that is meant.

    Raises
    ------
    SettingsError
        If none is named.
    """
    url = given_store(store)
    if not url:
        raise SettingsError("say which store, with --store or SKYMESH_STORE", where="--store")
    return url

"""The command line."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer

from skymesh.errors import JobError, MeshError, SettingsError
from skymesh.store import store as documents
from skymesh.telemetry.logs import configure_logs
from skymesh_ingest.schemas import schema_settings
from skymesh_local import catalogue_cli, dead_cli, held_cli, mesh_cli, printing
from skymesh_local.app import collect_garbage_rarely
from skymesh_local.audit import Audit
from skymesh_local.audit import audit as audit_run
from skymesh_local.find import find_run
from skymesh_local.mesh import open_mesh, open_store
from skymesh_local.publish_cli import publish_files
from skymesh_local.reproduce import reproduce as compute_again
from skymesh_local.run import load_plan, run_job
from skymesh_local.settings import RunSettings, log_level
from skymesh_local.show import show as show_object
from skymesh_local.trace import trace as trace_id

T = TypeVar("T")
STOPPED = "stopped; the same command again goes on"
# The class of all mistakes in options and arguments; typer names only this one of its children.
_USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[1]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Analyses on streams of astronomical alerts.",
)
app.add_typer(catalogue_cli.app, name="catalogue")
app.add_typer(held_cli.app, name="held")
app.add_typer(mesh_cli.store_app, name="store")
app.add_typer(dead_cli.app, name="dead")

Job = Annotated[str, typer.Argument(help="A job file, or the name of a built-in job.", show_default=False)]
Store = Annotated[
    str,
    typer.Option(
        help="URL of the store: sqlite:PATH, or cassandra://host:port/keyspace.",
        envvar="SKYMESH_STORE",
        show_default=False,
    ),
]
Channel = Annotated[str, typer.Option(help="Show only what this channel may see.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command()
def run(
    job: Job,
    alerts: Annotated[
        list[Path] | None, typer.Option(help="Packets: files, folders, tars.", show_default=False)
    ] = None,
    store: Annotated[
        str,
        typer.Option(
            help="URL of the store, sqlite:PATH, else one in DIR; with --log any store, else SKYMESH_STORE.",
            show_default=False,
        ),
    ] = "",
    run: Annotated[str, typer.Option(help="Make the run apart by a name.", show_default=False)] = "",
    log: Annotated[str, typer.Option(help="Replay the log of this run of --store.", show_default=False)] = "",
    out: Annotated[Path | None, typer.Option(help="Folder for files.", show_default=False)] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="A job parameter, k=v.", show_default=False)
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes for units; 1 runs them in this one.")] = 1,
    deliver: Annotated[
        bool, typer.Option("--deliver", help="Tell real alerts where the job says, not to files alone.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Run a job to the end; the same command again goes on where it was killed."""
    settings = RunSettings(
        job=job,
        alerts=tuple(alerts or ()),
        store=mesh_cli.given_store(store) if log else store,
        name=run,
        log=log,
        out=out,
        parameters=_parameters(set_ or []),
        workers=workers,
        deliver=deliver,
        schemas=schema_settings(),
    )
    collect_garbage_rarely()
    # What units print is no output of this command.
    with contextlib.redirect_stdout(sys.stderr):
        finished = _run(run_job(settings))
    if as_json:
        _print_json(finished.numbers)
    else:
        printing.print_run(finished)


@app.command()
def check(
    job: Job, set_: Annotated[list[str] | None, typer.Option("--set", help="A job parameter, k=v.")] = None
) -> None:
    """Validate a job and print its plan."""
    printing.print_plan(load_plan(job, _parameters(set_ or [])))


@app.command()
def units(name: Annotated[str, typer.Argument(help="One unit.", show_default=False)] = "") -> None:
    """List the installed units, or document one."""
    printing.print_units(name)


@app.command()
def show(
    stock: Annotated[
        str, typer.Argument(help="The object: ztf:ZTF18abxhyqv, or the name alone.", show_default=False)
    ],
    store: Store,
    channel: Channel = "",
    as_json: Json = False,
) -> None:
    """Show an object: its points, states and results, as a channel may see them."""
    told = _looked(store, lambda opened: show_object(opened, stock, channel))
    _print_json(told) if as_json else printing.print_object(told)


@app.command()
def trace(
    id_: Annotated[
        str, typer.Argument(metavar="ID", help="Any id, <kind>:<32 hex digits>.", show_default=False)
    ],
    store: Store,
    channel: Channel = "",
    as_json: Json = False,
) -> None:
    """Tell what made an id, from what, with which version and config, back to the packets."""
    told = _looked(store, lambda opened: trace_id(opened, id_, channel))
    _print_json(told) if as_json else printing.print_trace(told)


@app.command()
def reproduce(
    id_: Annotated[str, typer.Argument(metavar="ID", help="The id of a result.", show_default=False)],
    store: Store,
) -> None:
    """Compute a result again from its recorded inputs; exit 1 if it is not the same."""
    again = _looked(store, lambda opened: compute_again(opened, id_))
    print("\n".join(again.lines))
    raise typer.Exit(0 if again.is_equal else 1)


@app.command()
def audit(
    store: Store,
    run: Annotated[
        str, typer.Option(help="Which run, by id or name; else the only one.", show_default=False)
    ] = "",
    final: Annotated[bool, typer.Option("--final", help="What is still in flight is a hole too.")] = False,
    as_json: Json = False,
) -> None:
    """Prove that everything a run read is accounted for; exit 1 on any hole."""

    async def look() -> Audit:
        async with open_mesh(store) as mesh:
            return await audit_run(mesh, await find_run(mesh.store, run), is_final=final)

    found = _run(look())
    _print_json(found.told()) if as_json else printing.print_audit(found)
    raise typer.Exit(1 if found.holes else 0)


@app.command()
def serve(
    tier: Annotated[str, typer.Argument(help=f"One of {', '.join(mesh_cli.TIERS)}.", show_default=False)],
) -> None:
    """Serve a tier of a live mesh until told to stop; its settings are in the environment."""
    mesh_cli.serve_tier(tier)


@app.command()
def publish(
    survey: Annotated[str, typer.Option(help="Whose packets they are: ztf, lsst.", show_default=False)],
    alerts: Annotated[list[Path], typer.Option(help="Packets: files, folders, tars.", show_default=False)],
    store: mesh_cli.StoreUrl = "",
    as_json: Json = False,
) -> None:
    """Send packets to a live mesh, in canonical order; the same again are duplicates there."""
    published = publish_files(survey, alerts, store)
    if as_json:
        _print_json(published._asdict())
    else:
        print(f"{published.messages} messages, {published.unreadable} of them not readable")


@app.command()
def deploy(
    job: Job,
    store: mesh_cli.StoreUrl = "",
    run: Annotated[str, typer.Option(help="Make the run apart by a name.", show_default=False)] = "",
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="A job parameter, k=v.", show_default=False)
    ] = None,
) -> None:
    """Switch a job on in a live mesh, in the place of the one of its name."""
    mesh_cli.deploy_job(load_plan(job, _parameters(set_ or [])), run, store)


@app.command()
def undeploy(
    job: Annotated[str, typer.Argument(help="The job's name; see `skymesh deployed`.", show_default=False)],
    store: mesh_cli.StoreUrl = "",
) -> None:
    """Switch a job off in a live mesh; what it began is completed."""
    mesh_cli.undeploy_job(job, store)


@app.command()
def deployed(store: mesh_cli.StoreUrl = "") -> None:
    """List the jobs that are switched on in a live mesh."""
    mesh_cli.list_deployed(store)


def _looked(url: str, look: Callable[[documents.Store], Awaitable[T]]) -> T:
    """Open a store, look, and close it again."""

    async def work() -> T:
        async with open_store(url) as opened:
            return await look(opened)

    return _run(work())


def _run(work: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        _fail((STOPPED,), 130)


def main() -> None:
    """Run the command line: a mistake of the user is one line and exit code 2."""
    try:
        configure_logs(log_level())
        sys.exit(app(standalone_mode=False) or 0)
    except _USAGE_ERROR as error:
        _fail((f"{' '.join(_said(error).split())} (see skymesh --help)",), 2)
    except JobError as error:
        _fail(error.lines, 2)
    except SettingsError as error:
        _fail((str(error),), 2)
    except MeshError as error:
        _fail((str(error),), 1)
    except (KeyboardInterrupt, typer.Abort):
        _fail((STOPPED,), 130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)


def _said(error: Exception) -> str:
    said = getattr(error, "format_message", error.__str__)
    return str(said())


def _fail(lines: tuple[str, ...], code: int) -> NoReturn:
    for line in lines:
        shown = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in line)
        print(f"skymesh: {shown}", file=sys.stderr)
    sys.exit(code)


def _parameters(given: list[str]) -> dict[str, str]:
    parameters = {}
    for item in given:
        key, separator, value = item.partition("=")
        if not separator or not key:
            raise SettingsError("expected NAME=VALUE", where=f"--set {item}")
        parameters[key] = value
    return parameters


def _print_json(value: dict[str, Any]) -> None:
    print(json.dumps(value, allow_nan=False))

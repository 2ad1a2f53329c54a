"""The command line."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer

from skymesh.errors import JobError, MeshError, SettingsError
from skymesh.telemetry.logs import configure_logs
from skymesh_local import printing
from skymesh_local.run import load_plan, run_job
from skymesh_local.settings import RunSettings, log_level

app = typer.Typer(
    add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help="Analyses on streams of astronomical alerts."
)

Job = Annotated[str, typer.Argument(help="A job file, or the name of a built-in job.", show_default=False)]
Store = Annotated[str, typer.Option(help="URL of the store, sqlite:PATH.", show_default=False)]
Channel = Annotated[str, typer.Option(help="Show only what this channel may see.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command()
def run(
    job: Job,
    alerts: Annotated[list[Path] | None, typer.Option(help="Avro files, folders, tars.", show_default=False)] = None,
    store: Annotated[str, typer.Option(help="URL of the store, sqlite:PATH; else one in DIR.", show_default=False)] = "",
    run: Annotated[str, typer.Option(help="Make the run apart by a name.", show_default=False)] = "",
    log: Annotated[str, typer.Option(help="Replay the log of this run of --store.", show_default=False)] = "",
    out: Annotated[Path | None, typer.Option(help="Folder for files.", show_default=False)] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="A job parameter, k=v.", show_default=False)] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes for units; 1 runs them in this one.")] = 1,
    as_json: Json = False,
) -> None:
    """Run a job to the end; the same command again goes on where it was killed."""
    settings = RunSettings(
        job=job,
        alerts=tuple(alerts or ()),
        store=store,
        name=run,
        log=log,
        out=out,
        parameters=_parameters(set_ or []),
        workers=workers,
    )
    finished = asyncio.run(run_job(settings))
    if as_json:
        _print_json(finished.numbers)
    else:
        printing.print_run(finished)


@app.command()
def check(job: Job, set_: Annotated[list[str] | None, typer.Option("--set", help="A job parameter, k=v.")] = None) -> None:
    """Validate a job and print its plan."""
    printing.print_plan(load_plan(job, _parameters(set_ or [])))


@app.command()
def units(name: Annotated[str, typer.Argument(help="One unit.", show_default=False)] = "") -> None:
    """List the installed units, or document one."""
    printing.print_units(name)


def main() -> None:
    """Run the command line: a mistake of the user is one line and exit code 2."""
    try:
        configure_logs(log_level())
        app()
    except JobError as error:
        _fail(error.lines, 2)
    except SettingsError as error:
        _fail((str(error),), 2)
    except MeshError as error:
        _fail((str(error),), 1)
    except KeyboardInterrupt:
        _fail(("stopped; the same command again goes on",), 130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)


def _fail(lines: tuple[str, ...], code: int) -> None:
    for line in lines:
        print(f"skymesh: {line}", file=sys.stderr)
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


def _wait(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)

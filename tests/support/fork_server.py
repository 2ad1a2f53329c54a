"""Runs commands in forked children: one request per line in, ``[exit code, stdout, stderr]`` per line out."""

from __future__ import annotations

import gc
import json
import os
import resource
import select
import signal
import sys
import tempfile
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points
from typing import IO, Any

SECONDS = 180
BYTES = 3 << 30


def load() -> Callable[[], None]:
    """Load all that commands load; return the command line."""
    # What is loaded stays: a child that looks through it for garbage, now or at its end, copies every page.
    gc.disable()
    from skymesh_local.cli import main
    from skymesh_local.report.rendering import _environment

    import_module("httpx")
    for module in {point.module for point in entry_points(group="skymesh.units")}:
        import_module(module)
    for template in _environment().list_templates(extensions=["jinja"]):
        _environment().get_template(template)
    gc.freeze()
    gc.enable()
    return main


def become_command(request: dict[str, Any], streams: list[IO[bytes]]) -> None:
    """Turn this child into the command: bounded in memory, so that a bomb ends it alone."""
    for number, stream in enumerate(streams):
        os.dup2(stream.fileno(), number)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    sys.path[:0] = request["path"]
    sys.argv = ["skymesh", *request["arguments"]]
    resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
    if request["file_bytes"] is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (request["file_bytes"], request["file_bytes"]))


def end_of(child: int) -> tuple[int, str]:
    """Wait for a child; return its exit code, and what is to be said of one that had to be killed.

    Its own alarm would not do: that is the one which deadlines of units set, and take away.
    """
    handle = os.pidfd_open(child)
    has_ended, *_ = select.select([handle], [], [], SECONDS)
    os.close(handle)
    if not has_ended:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), "" if has_ended else f"killed after {SECONDS} s\n"


def text_of(stream: IO[bytes]) -> str:
    """Return what a child wrote."""
    stream.seek(0)
    return stream.read().decode(errors="replace")


def serve() -> None:
    """Answer requests until stdin ends; a child goes on behind this instead."""
    for line in sys.stdin:
        request = json.loads(line)
        with (
            tempfile.TemporaryFile() as nothing,
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as err,
        ):
            child = os.fork()
            if child == 0:
                become_command(request, [nothing, out, err])
                return
            code, said = end_of(child)
            answer = [code, text_of(out), text_of(err) + said]
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    os._exit(0)


# The processes that a command starts load this module too, under another name.
if __name__ == "__main__":
    command = load()
    serve()
    command()

"""Runs commands in forked children: one request per line in, ``[exit code, stdout, stderr]`` per line out."""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import tempfile
from typing import IO

from skymesh_local.cli import main

SECONDS = 20
BYTES = 3 << 30


def become_command(arguments: list[str], cwd: str, streams: list[IO[bytes]]) -> None:
    """Turn this child into the command: bounded in time and memory, so that a bomb ends it alone."""
    for number, stream in enumerate(streams):
        os.dup2(stream.fileno(), number)
    os.chdir(cwd)
    sys.argv = ["skymesh", *arguments]
    resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
    signal.alarm(SECONDS)


def text_of(stream: IO[bytes]) -> str:
    """Return what a child wrote."""
    stream.seek(0)
    return stream.read().decode(errors="replace")


def serve() -> None:
    """Answer requests until stdin ends; a child goes on to `main` instead."""
    for line in sys.stdin:
        request = json.loads(line)
        with tempfile.TemporaryFile() as nothing, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            child = os.fork()
            if child == 0:
                become_command(request["arguments"], request["cwd"], [nothing, out, err])
                return
            _, status = os.waitpid(child, 0)
            answer = [os.waitstatus_to_exitcode(status), text_of(out), text_of(err)]
        print(json.dumps(answer), flush=True)
    os._exit(0)


serve()
main()

"""Many short commands, each in a process of its own that is forked from one warm Python."""

from __future__ import annotations

import atexit
import functools
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

_SERVER = Path(__file__).with_name("fork_server.py")


class Answer(NamedTuple):
    """What a command left: its exit code (minus the signal that killed it) and what it printed."""

    code: int
    out: str
    err: str


def fork(
    *arguments: object,
    env: Mapping[str, str],
    cwd: Path | None = None,
    path: Sequence[Path | str] = (),
    file_bytes: int | None = None,
) -> Answer:
    """Run a command to its end; one that takes too long is killed, which its errors end with.

    All that it shares with others is the import of the modules, most of a short command's second.

    Parameters
    ----------
    *arguments
        Of the command.
    env
        Its environment.
    cwd
        Its folder; that of this process if not given.
    path
        Further folders to import from.
    file_bytes
        No file may grow beyond this: a disk that is full.
    """
    request = {
        "arguments": list(map(str, arguments)),
        "env": dict(env),
        "cwd": str(cwd or Path.cwd()),
        "path": list(map(str, path)),
        "file_bytes": file_bytes,
    }
    server = _server()
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(json.dumps(request) + "\n")
    server.stdin.flush()
    return Answer(*json.loads(server.stdout.readline()))


@functools.cache
def _server() -> subprocess.Popen[str]:
    """Start the warm process of this one, which ends with it."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("SKYMESH_")}
    server = subprocess.Popen(
        [sys.executable, _SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=plain
    )
    atexit.register(server.communicate)
    return server

"""A command on one core, with what it used: a small program, so that its own memory does not count.

The peak memory of a process includes that of the one that started it, until it runs something else;
so commands are started from here and not from the harness, which has held packets.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Any


def run_pinned(core: int, command: list[str]) -> dict[str, Any]:
    """Run a command that prints one JSON object.

    Parameters
    ----------
    core
        The core it may use.
    command
        Program and arguments.

    Returns
    -------
    dict
        ``output``, ``wall_s``, ``cpu_s`` (user and system) and ``peak_mib``.
    """
    done = subprocess.run(
        [sys.executable, __file__, str(core), *command], stdout=subprocess.PIPE, check=True, text=True
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def main() -> None:
    """Run what the arguments say and print what it used."""
    core, *command = sys.argv[1:]
    os.sched_setaffinity(0, {int(core)})
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    output = process.stdout.read() if process.stdout else b""
    _, status, used = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - start
    if status:
        sys.exit(f"failed: {' '.join(command)}")
    numbers = {"wall_s": wall_s, "cpu_s": used.ru_utime + used.ru_stime, "peak_mib": used.ru_maxrss / 1024}
    json.dump({"output": json.loads(output), **numbers}, sys.stdout)


if __name__ == "__main__":
    main()

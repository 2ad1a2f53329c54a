"""The command as a person starts it: a process with arguments, streams and an exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from support.forks import fork

COMMAND = Path(sys.executable).with_name("skymesh")
PATIENCE_S = 180


class Done(NamedTuple):
    """What a command left: its exit code (minus the signal that killed it) and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one object on stdout; a second one, or anything beside it, is an error."""
        assert self.code in {0, 1}, self
        return json.loads(self.out)

    @property
    def mistakes(self) -> list[str]:
        """The lines on stderr, which must be all that was said, and nothing else than lines for people."""
        assert self.out == "", self
        lines = self.err.splitlines()
        assert lines, self
        for line in lines:
            assert line.startswith("skymesh: "), self
            assert line.isprintable(), self
        return [line.removeprefix("skymesh: ") for line in lines]


def environment(**more: str) -> dict[str, str]:
    """Return the environment of the tests with more in it."""
    return {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **more}


def skymesh(*arguments: object, cwd: Path, env: Mapping[str, str] | None = None, **more: Any) -> Done:
    """Run the installed command to its end, away from any terminal."""
    done = subprocess.run(
        [COMMAND, *map(str, arguments)], cwd=cwd, env=environment(**(env or {})), capture_output=True,
        stdin=subprocess.DEVNULL, text=True, timeout=PATIENCE_S, check=False, **more,
    )  # fmt: skip
    return Done(done.returncode, done.stdout, done.stderr)


def forked(*arguments: object, cwd: Path, env: Mapping[str, str] | None = None, **more: Any) -> Done:
    """Run a command in a process forked from a warm one; see `fork`."""
    return Done(*fork(*arguments, cwd=cwd, env=environment(**(env or {})), **more))


def audit(store: Path, *, cwd: Path) -> dict[str, Any]:
    """Audit a finished run, and check that its numbers add up."""
    done = forked("audit", "--store", f"sqlite:{store}", "--final", "--json", cwd=cwd)
    assert (done.code, done.err) == (0, ""), done
    told = done.json
    packets = told["packets"]
    assert told["balanced"]
    assert (told["holes"], told["inflight"]) == ([], 0)
    assert packets["read"] == packets["published"] + packets["dead"]
    assert packets["published"] == packets["accepted"] + packets["rejected"] + packets["duplicate"]
    return told


def lasting(numbers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the numbers of a run without those that may differ when it is started again."""
    units = {
        name: {key: value for key, value in unit.items() if key not in {"seconds", "memoised"}}
        for name, unit in numbers["units"].items()
    }
    return {key: value for key, value in numbers.items() if key != "seconds"} | {"units": units}


def write_files(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Write files into a new folder."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def only(items: Sequence[Any]) -> Any:
    """Return the one item."""
    (item,) = items
    return item

"""Whether an alert costs more when more is stored: the same alerts into a small store and into a big one.

Both stores hold two nights, of few and of many objects. Then both get the third night, the fourth, and so
on, of the objects that they share, in turn; so the work is the same and only what lies around it differs.
Run as ``python tests/benchmarks/growth.py``; see the README beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import replicas
from pinned import run_pinned
from throughput import JOBS, SKYMESH, machine, needs_room, originals_of, say, write_job

SHARED_OBJECTS = 1500
NIGHTS_BEFORE = 2


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Compare the cost of alerts in a small and in a big store.")
    parser.add_argument("--alerts", type=int, default=100_000, help="alerts in the big one (default: 100000)")
    parser.add_argument("--packets", type=Path, help="folder of ZTF packets to replicate")
    parser.add_argument("--nights", type=int, default=6, help="further nights, 1500 alerts each (default: 6)")
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)), help="the core to use")
    return parser.parse_args()


class Growth:
    """Two stores in a temporary folder, and the commands that feed them."""

    def __init__(self, folder: Path, originals: list[replicas.Original], core: int) -> None:
        self._folder = folder
        self._originals = originals
        self._core = core
        self._job = write_job(folder, "accept_all")

    def fill(self, store: str, objects: int) -> dict[str, Any]:
        """Run two nights of some objects into a store."""
        return self._run(store, objects, range(NIGHTS_BEFORE))

    def night(self, store: str, number: int) -> dict[str, Any]:
        """Run one further night of the objects that both stores know."""
        return self._run(store, SHARED_OBJECTS, range(number, number + 1))

    def _run(self, store: str, objects: int, nights: range) -> dict[str, Any]:
        alerts, out = self._folder / "alerts", self._folder / "out"
        replicas.write_alerts(self._originals, objects, alerts, nights)
        command = [SKYMESH, "run", str(self._job), "--alerts", str(alerts), "--out", str(out), "--json"]
        used = run_pinned(self._core, [*command, "--store", f"sqlite:{self._folder / store}"])
        shutil.rmtree(alerts)
        shutil.rmtree(out)
        say(f"{store}: {_line(used)}")
        return used


def _us(used: dict[str, Any]) -> float:
    """Return µs per alert, first byte read to last commit."""
    seconds: float = used["output"]["seconds"]
    return 1e6 * seconds / int(used["output"]["alerts"]["published"])


def _line(used: dict[str, Any]) -> str:
    alerts = used["output"]["alerts"]["published"]
    return f"{alerts} alerts, {1e6 / _us(used):.0f}/s, peak {used['peak_mib']:.0f} MiB"


def main() -> None:
    """Measure and print."""
    asked = arguments()
    originals, source = originals_of(asked.packets)
    on = machine(asked.core)
    with tempfile.TemporaryDirectory(prefix="skymesh-growth-") as path:
        needs_room(Path(path), asked.alerts)
        growth = Growth(Path(path), originals, asked.core)
        small = growth.fill("small.db", SHARED_OBJECTS)
        big = growth.fill("big.db", asked.alerts // NIGHTS_BEFORE)
        pairs = []
        for night in range(NIGHTS_BEFORE, NIGHTS_BEFORE + asked.nights):
            # In turn, and each first once: the speed of a shared machine drifts.
            order = ("small.db", "big.db") if night % 2 else ("big.db", "small.db")
            us = {store: _us(growth.night(store, night)) for store in order}
            pairs.append(us["big.db"] / us["small.db"])
    measured = {
        "machine": on,
        "input": source,
        "job": JOBS["accept_all"][0],
        "filled": {"small": _line(small), "big": _line(big)},
        "cost in the big store / in the small one": {"median": median(pairs), "nights": pairs},
    }
    json.dump(measured, sys.stdout, indent=2)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()

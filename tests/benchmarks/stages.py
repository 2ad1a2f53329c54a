"""What the stages of a run cost: the real run with stopwatches around its parts, in one process.

A program of its own, which the harness starts on one core. It prints one JSON object.
"""

from __future__ import annotations

import asyncio
import cProfile
import inspect
import io
import json
import pstats
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from skymesh.bus.sqlite import SqliteBus
from skymesh.codecs.avro import iter_records
from skymesh.runtime.loop import TierLoop
from skymesh.store.sqlite import SqliteStore
from skymesh.surveys import registry
from skymesh.telemetry.logs import configure_logs
from skymesh_ingest.reading import Packet, read_packets
from skymesh_local import run as local_run
from skymesh_local.app import collect_garbage_rarely
from skymesh_local.intake import Intake
from skymesh_local.packet_files import find_files, read_containers
from skymesh_local.settings import RunSettings, log_level

MOST_DECODED = 3000
TOP = 15
PARTS = {"_take_in": "intake", "run_tiers": "tiers", "run_numbers": "numbers", "write_products": "products"}
PHASES = {
    (SqliteBus, "read"): "read",
    (TierLoop, "_decoded"): "decode",
    (TierLoop, "_found"): "find",
    (SqliteStore, "write"): "store",
    (TierLoop, "_outputs"): "encode",
    (SqliteBus, "commit"): "commit",
}


class Stopwatches:
    """Seconds by name, and the steps of the tiers in their order."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.steps: list[tuple[str, int, float]] = []
        self.tier = ""

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Add the time of a block to a name."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the time of a block to a phase of the tier that steps; outside of tiers, nothing."""
        if not self.tier:
            yield
            return
        with self.timed(f"{self.tier}.{name}"):
            yield

    async def step(self, original: Callable[[TierLoop], Any], loop: TierLoop) -> int:
        """Take the time of a step."""
        start, self.tier = time.perf_counter(), loop._tier.name
        handled: int = await original(loop)
        self.steps.append((self.tier, handled, time.perf_counter() - start))
        self.tier = ""
        return handled


def wrap(owner: Any, name: str, around: Callable[[], Any]) -> None:
    """Put a context around every call of a function of a module or class."""
    original = getattr(owner, name)

    async def waiting(*args: Any, **named: Any) -> Any:
        with around():
            return await original(*args, **named)

    def calling(*args: Any, **named: Any) -> Any:
        with around():
            return original(*args, **named)

    setattr(owner, name, waiting if inspect.iscoroutinefunction(original) else calling)


def decode(folder: Path) -> dict[str, Any]:
    """Decode packets, then decode and shape them; reading files and compiling decoders does not count."""
    _decode(folder)
    return _decode(folder)


def _decode(folder: Path) -> dict[str, Any]:
    decoding, shaping, count = 0.0, 0.0, 0
    containers = (container for file in find_files([folder]) for container in read_containers(file))
    for container in containers:
        start = time.perf_counter()
        for _ in iter_records(container.data, lambda header: registry.of_header(header)[1]):
            count += 1
        middle = time.perf_counter()
        for packet in read_packets(container):
            if isinstance(packet, Packet):
                packet.survey.shape(packet.record.value, packet.source)
        decoding += middle - start
        shaping += time.perf_counter() - middle
        if count >= MOST_DECODED:
            break
    return {"alerts": count, "decode": decoding, "decode_shape": shaping}


def run(job: Path, folder: Path, out: Path) -> dict[str, Any]:
    """Run a job with stopwatches."""
    # mypy neither infers a lambda's default nor lets a method be replaced: both are meant here.
    watches = Stopwatches()
    for name, part in PARTS.items():
        wrap(local_run, name, lambda part=part: watches.timed(part))  # type: ignore[misc]
    wrap(Intake, "finish", lambda: watches.timed("intake.finish"))
    for (owner, name), phase in PHASES.items():
        wrap(owner, name, lambda phase=phase: watches.phase(phase))  # type: ignore[misc]
    original = TierLoop.step
    TierLoop.step = lambda loop: watches.step(original, loop)  # type: ignore[method-assign, assignment]
    numbers = _run(job, folder, out)
    return {"numbers": numbers, "seconds": watches.seconds, "steps": watches.steps}


def profile(job: Path, folder: Path, out: Path) -> dict[str, Any]:
    """Run a job with a profiler for each part and tier; return the tops of their lists as text."""
    profiles: dict[str, cProfile.Profile] = {}

    @contextmanager
    def profiled(name: str) -> Iterator[None]:
        profiler = profiles.setdefault(name, cProfile.Profile())
        profiler.enable()
        try:
            yield
        finally:
            profiler.disable()

    async def step(loop: TierLoop) -> int:
        with profiled(loop._tier.name):
            return await original(loop)

    for name in ("_take_in", "run_numbers", "write_products"):
        wrap(local_run, name, lambda name=name: profiled(PARTS[name]))  # type: ignore[misc]
    original = TierLoop.step
    # Replacing a method is what mypy warns of, and what a profiler does.
    TierLoop.step = step  # type: ignore[method-assign]
    _run(job, folder, out)
    return {name: _top(profiler) for name, profiler in profiles.items()}


def _run(job: Path, folder: Path, out: Path) -> dict[str, Any]:
    return asyncio.run(local_run.run_job(RunSettings(job=str(job), alerts=(folder,), out=out))).numbers


def _top(profiler: cProfile.Profile) -> str:
    lines: list[str] = []
    for order in ("tottime", "cumulative"):
        text = io.StringIO()
        pstats.Stats(profiler, stream=text).sort_stats(order).print_stats(TOP)
        kept = (_short(line) for line in text.getvalue().splitlines() if line.strip())
        lines += [f"by {order}:", *islice(kept, TOP + 4)]
    return "\n".join(lines)


def _short(line: str) -> str:
    """Return a line of a profile with the last three parts of its path alone."""
    return re.sub(r" /\S*?((?:[^/\s]+/){2}[^/\s]+:)", r" \1", line)


def main() -> None:
    """Do what the arguments say."""
    what, *paths = sys.argv[1:]
    configure_logs(log_level())
    collect_garbage_rarely()
    json.dump({"decode": decode, "run": run, "profile": profile}[what](*map(Path, paths)), sys.stdout)


if __name__ == "__main__":
    main()

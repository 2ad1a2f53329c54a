"""What the live mesh does with a visit, and with a steady stream: all services and servers on one machine.

Run as ``python tests/benchmarks/mesh.py``; see the README beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import replicas
from lsst_replicas import lsst_packets

from skymesh.bus.bus import Outgoing
from skymesh.codecs import wire
from skymesh.runtime.live import LiveMesh as Opened
from skymesh.runtime.live import live_mesh
from skymesh.runtime.topics import ACCEPTED, ALERTS, PROVENANCE, RESULTS, STATES, survey_record
from skymesh_ingest.reading import alerts_in
from support.live_mesh import TIERS, LiveMesh
from support.servers import address_of, begin_session, end_session

READS = {"t0": ALERTS, "t1": ACCEPTED, "t2": STATES, "t3": RESULTS, "provenance": PROVENANCE}
TARGET_ALERTS, TARGET_RATE, TARGET_S = 10_000, 0.1, 35
_POLL_S = 0.25
_AT_ONCE = 100
_PER_S = 5
_WARM = 300
_IN_A_FILE = 500
# From the survey's stream to the log, and from there to the stored results.
_TIMED = ("ingest", "t2")
_TICKS = os.sysconf("SC_CLK_TCK")

Keyed = tuple[str, bytes]
"""Object and bytes of a packet."""


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Measure the live mesh on this machine.")
    parser.add_argument(
        "--alerts", type=int, default=TARGET_ALERTS, help="alerts of the visit (default: 10000)"
    )
    parser.add_argument("--rate", type=float, default=TARGET_RATE, help="fraction accepted (default: 0.1)")
    parser.add_argument("--survey", choices=("ztf", "lsst"), default="ztf")
    parser.add_argument("--no-cutouts", action="store_true", help="packets without image stamps")
    parser.add_argument("--no-packets", action="store_true", help="do not keep shaped packets in the store")
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--steady", type=float, default=0, help="alerts per second, instead of a visit")
    parser.add_argument("--seconds", type=float, default=600, help="how long the steady stream lasts")
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    asked = arguments()
    session = begin_session()
    try:
        kafka, cassandra = address_of("kafka"), address_of("cassandra")
        if kafka is None or cassandra is None:
            raise SystemExit("real servers are needed: see tests/support/servers.py")
        for _ in range(asked.repeats):
            with tempfile.TemporaryDirectory(prefix="skymesh-mesh-") as folder:
                measure(asked, Path(folder), kafka, cassandra)
    finally:
        end_session(session)


def measure(asked: argparse.Namespace, folder: Path, kafka: str, cassandra: str) -> None:
    """Run one mesh of its own and print what it did."""
    settings = {"SKYMESH_SESSION_S": "120", "SKYMESH_KEEP_PACKETS": str(not asked.no_packets).lower()}
    with LiveMesh(folder / "mesh", kafka, cassandra, partitions=asked.partitions, **settings) as mesh:
        mesh.deploy(_write_job(folder / "visit.yaml", asked.rate))
        mesh.start_all()
        count = asked.alerts if not asked.steady else round(asked.steady * asked.seconds)
        mesh.here(lambda: _publish(mesh.url, asked.survey, _packets(asked, 0, _WARM)))
        mesh.here(lambda: _drained(mesh.url, asked.survey))
        visit = Packets(folder / "packets", _packets(asked, _WARM, count))
        sys.stdout.write(
            f"{count} {asked.survey} alerts of {visit.size_bytes / count / 1000:.1f} kB, "
            f"{asked.rate:.0%} accepted, "
            f"{asked.partitions} partitions, image stamps {'off' if asked.no_cutouts else 'on'}, "
            f"packets {'not kept' if asked.no_packets else 'kept'}\n"
        )
        sys.stdout.flush()
        if asked.steady:
            mesh.here(lambda: _feed(mesh, asked, visit, count))
        else:
            _visit(mesh, asked, visit, count)


class Packets:
    """Packets made beforehand, in files that go as they are read: ten minutes of them fill no memory.

    Attributes
    ----------
    size_bytes
        Of all.
    """

    def __init__(self, folder: Path, packets: Iterable[Keyed]) -> None:
        folder.mkdir()
        self.size_bytes = 0
        self._paths = []
        rest = iter(packets)
        while part := list(islice(rest, _IN_A_FILE)):
            self.size_bytes += sum(len(body) for _, body in part)
            self._paths.append(folder / str(len(self._paths)))
            self._paths[-1].write_bytes(wire.encode(part))

    def __iter__(self) -> Iterator[Keyed]:
        for path in self._paths:
            part = wire.decode(path.read_bytes(), list[Keyed])
            path.unlink()
            yield from part


def _visit(mesh: LiveMesh, asked: argparse.Namespace, visit: Packets, count: int) -> None:
    """Have the visit in the survey's topic while ingest is stopped, then let it go on."""
    (ingest,) = mesh.of("ingest")
    ingest.signal(signal.SIGSTOP)
    mesh.here(lambda: _publish(mesh.url, asked.survey, visit))
    before = _cpu_s(mesh)
    ingest.signal(signal.SIGCONT)
    start = time.monotonic()
    mesh.here(lambda: _drained(mesh.url, asked.survey))
    seconds = time.monotonic() - start
    spent = {tier: used - before[tier] for tier, used in _cpu_s(mesh).items()}
    sys.stdout.write(f"{seconds:.1f} s to the last result, {count / seconds:.0f} alerts/s")
    if (count, asked.rate) == (TARGET_ALERTS, TARGET_RATE):
        sys.stdout.write(f" (target {TARGET_S} s: {'reached' if seconds < TARGET_S else 'MISSED'})")
    sys.stdout.write("\n")
    sys.stdout.write("CPU seconds: " + ", ".join(f"{tier} {used:.1f}" for tier, used in spent.items()) + "\n")


async def _feed(mesh: LiveMesh, asked: argparse.Namespace, visit: Packets, count: int) -> None:
    """Publish at a steady rate; print latency, lag and memory of each tenth of the time."""
    async with live_mesh(mesh.url) as live:
        topic = live.context.topic(survey_record(asked.survey))
        start, sent, tenth = time.monotonic(), 0, count // 10
        seen, packets = {tier: _buckets(mesh, tier) for tier in _TIMED}, iter(visit)
        while part := list(islice(packets, max(1, round(asked.steady / _PER_S)))):
            await live.bus.publish([Outgoing(topic, key, body) for key, body in part])
            sent += len(part)
            ahead_s = sent / asked.steady - (time.monotonic() - start)
            if ahead_s > 0:
                await asyncio.sleep(ahead_s)
            if sent // tenth > (sent - len(part)) // tenth:
                await asyncio.to_thread(_tell_tenth, mesh, sent / count, seen, ahead_s)


def _tell_tenth(mesh: LiveMesh, done: float, seen: dict[str, dict[float, float]], ahead_s: float) -> None:
    """Print how it went since it was last asked; `seen` is what the histograms held then."""
    latency = {}
    for tier in _TIMED:
        now = _buckets(mesh, tier)
        counts = {bound: count - seen[tier].get(bound, 0) for bound, count in now.items()}
        latency[tier] = [_quantile(counts, q) for q in (0.5, 0.98)]
        seen[tier] = now
    lag = {tier: sum(s.metric("skymesh_lag_records") for s in mesh.of(tier)) for tier in TIERS}
    memory = sum(s.metric("process_resident_memory_bytes") for tier in TIERS for s in mesh.of(tier)) / 2**20
    sys.stdout.write(
        f"{done:4.0%}: latency (median, 98 %): "
        f"{'; '.join(f'{tier} {median:.2f} s, {high:.2f} s' for tier, (median, high) in latency.items())}; "
        f"lag {sum(lag.values()):.0f} records; {memory:.0f} MiB in all services; "
        f"CPU s {' '.join(f'{tier} {used:.0f}' for tier, used in _cpu_s(mesh).items())}"
        f"{f'; the stream is {-ahead_s:.1f} s late' if ahead_s < 0 else ''}\n"
    )
    sys.stdout.flush()


def _buckets(mesh: LiveMesh, tier: str) -> dict[float, float]:
    """Return a tier's cumulative latencies from arrival, by the upper bound of each bucket.

    They are added up over channels: the job has one, and so each record counts once.
    """
    found: dict[float, float] = {}
    for service in mesh.of(tier):
        for line in service.get("/metrics")[1].splitlines():
            if line.startswith("skymesh_latency_from_arrival_seconds_bucket"):
                bound = float(line.partition('le="')[2].partition('"')[0].replace("+Inf", "inf"))
                found[bound] = found.get(bound, 0) + float(line.rpartition(" ")[2])
    return found


def _quantile(counts: dict[float, float], q: float) -> float:
    """Return a quantile within its bucket, as Prometheus does."""
    bounds = sorted(counts)
    wanted, lower, below = q * counts[bounds[-1]], 0.0, 0.0
    for bound in bounds:
        if counts[bound] >= wanted:
            inside = counts[bound] - below
            return lower if not inside else lower + (bound - lower) * (wanted - below) / inside
        lower, below = bound, counts[bound]
    return lower


def _packets(asked: argparse.Namespace, first: int, count: int) -> Iterator[Keyed]:
    """Yield object and bytes of distinct packets."""
    if asked.survey == "lsst":
        yield from lsst_packets(first, count, has_cutouts=not asked.no_cutouts)
        return
    originals = replicas.read_originals(replicas.default_folders()) or replicas.simulated_originals()
    for body in replicas.containers(originals, range(first, first + count), has_cutouts=not asked.no_cutouts):
        yield next(alerts_in(body)).stock, body


async def _publish(url: str, survey: str, packets: Iterable[Keyed]) -> None:
    async with live_mesh(url) as live:
        topic = live.context.topic(survey_record(survey))
        rest = iter(packets)
        while part := list(islice(rest, _AT_ONCE)):
            await live.bus.publish([Outgoing(topic, key, body) for key, body in part])


async def _drained(url: str, survey: str) -> None:
    """Wait until every tier has committed all that there is, each after the one before."""
    async with live_mesh(url) as live:
        for tier, record in {"ingest": survey_record(survey), **READS}.items():
            for partition in range(live.epoch.partitions):
                await _committed(live, tier, record, partition)


async def _committed(live: Opened, tier: str, record: str, partition: int) -> None:
    place = live.context.group(tier), live.context.topic(record), partition
    while True:
        end = await live.bus.end(*place[1:])
        # One marker of a transaction may be all that lies behind.
        if end - await live.bus.committed(*place) <= 1 or not await live.bus.waiting(*place):
            return
        await asyncio.sleep(_POLL_S)


def _cpu_s(mesh: LiveMesh) -> dict[str, float]:
    """Return the CPU seconds of each tier's processes, with their children."""
    return {tier: sum(_of_process(service.process.pid) for service in mesh.of(tier)) for tier in TIERS}


def _of_process(pid: int) -> float:
    total = 0.0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields: list[Any] = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(path.parent.name) == pid or int(fields[1]) == pid:
            total += (int(fields[11]) + int(fields[12])) / _TICKS
    return total


def _write_job(path: Path, rate: float) -> Path:
    path.write_text(f"""\
name: visit
channels:
  all:
    access: [lsst_public, ztf_public]
    filter: {{unit: SampleFilter, config: {{rate: {rate}}}}}
    analyse:
      summary: {{unit: LightCurveSummary}}
      decline: {{unit: FastDecliner}}
""")
    return path


if __name__ == "__main__":
    main()

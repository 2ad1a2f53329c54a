"""What an LSST packet with a long history costs: Rubin's deep-field alerts, up to 1,120 previous sources.

Run as ``python tests/benchmarks/lsst.py``; see the README beside it.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from statistics import mean
from typing import Any

import fastavro
import figures
import replicas
from throughput import Bench, machine, say, write_job

FILES = "lsst/real_native/rubin_ddf_*.avro"
_HISTORY = ("prvDiaSources", "prvDiaForcedSources")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Measure what LSST packets with long histories cost.")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each measurement (default: 3)")
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)), help="the core to use")
    parser.add_argument("--profile", action="store_true", help="print only where the time goes")
    return parser.parse_args()


def write_packets(folder: Path) -> list[int]:
    """Write the packets, uncompressed, a file each, as they travel; return the points of each."""
    folder.mkdir()
    points = []
    for path in sorted(replicas.data_folder().glob(FILES)):
        with path.open("rb") as stream:
            reader = fastavro.reader(stream)
            schema = fastavro.parse_schema(reader.writer_schema)
            for record in reader:
                with (folder / f"{len(points):04d}.avro").open("wb") as out:
                    fastavro.writer(out, schema, [record])
                points.append(1 + sum(len(record[name] or ()) for name in _HISTORY))
    return points


def report(points: list[int], decoded: dict[str, Any], stages: dict[str, Any], runs: list[Any]) -> str:
    """Return the figures as text."""
    command = figures.of_commands(runs)
    lines = _per_packet(decoded, stages)
    text = [f"{len(points)} packets of {mean(points):.0f} points on average, at most {max(points)}"]
    text += [
        f"  {name:14} {us / 1000:8.2f} ms/packet {us / mean(points):7.2f} µs/point"
        for name, us in lines.items()
    ]
    rate = command["alerts_per_s"]
    text.append(
        f"  {'command':14} {1000 / rate:8.2f} ms/packet, {rate:.0f} alerts/s"
        f" ({command['lowest_per_s']:.0f}-{command['highest_per_s']:.0f}), peak {command['peak_mib']:.0f} MiB"
    )
    return "\n".join(text)


def _per_packet(decoded: dict[str, Any], stages: dict[str, Any]) -> dict[str, float]:
    """Return µs per packet of reading and of each tier."""
    number = stages["numbers"]["alerts"]["published"]
    lines = {name: 1e6 * decoded[name] / decoded["alerts"] for name in ("decode", "decode_shape")}
    lines["intake"] = 1e6 * stages["seconds"]["intake"] / number
    for tier in figures.TIERS:
        seconds = sum(seconds for name, _, seconds in stages["steps"] if name == tier)
        lines[tier] = 1e6 * seconds / number
    return lines


def main() -> None:
    """Measure and print."""
    asked = arguments()
    on = machine(asked.core)
    with tempfile.TemporaryDirectory(prefix="skymesh-benchmark-") as path:
        bench = Bench(Path(path), asked.core)
        points = write_packets(bench.alerts)
        if not points:
            sys.exit(f"no {FILES} ({replicas.DATA_VARIABLE} says where the data is)")
        if asked.profile:
            sys.stdout.write(bench.profile("all") + "\n")
            return
        job, out = write_job(Path(path), "accept_all"), Path(path) / "out"
        say("decoding, the stages, the command")
        decoded = min((bench.stage("decode", bench.alerts) for _ in range(asked.repeats)),
                      key=lambda run: run["decode_shape"])  # fmt: skip
        stages = min((bench.stage("run", job, bench.alerts, out) for _ in range(asked.repeats)),
                     key=lambda run: run["numbers"]["seconds"])  # fmt: skip
        runs = [bench.command(job, bench.alerts) for _ in range(asked.repeats)]
    lines = [f"{name:10} {value}" for name, value in on.items()]
    sys.stdout.write("\n".join([*lines, "", report(points, decoded, stages, runs)]) + "\n")


if __name__ == "__main__":
    main()

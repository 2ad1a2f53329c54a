"""How many alerts per second the embedded mesh handles on one core, stage by stage.

Run as ``python tests/benchmarks/throughput.py``; see the README beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sqlite3
import sys
import tempfile
from pathlib import Path
from typing import Any

import figures
import replicas
from pinned import run_pinned

STAGES = str(Path(__file__).with_name("stages.py"))
SKYMESH = str(Path(sys.executable).with_name("skymesh"))
# Room for the packets, and for the store with their image stamps.
DISK_BYTES_PER_ALERT = 300_000

# The limits are so wide that only the last cut rejects: what DecentFilter costs at most, Gaia's stars apart.
OPEN_LIMITS = (
    "min_ndet: 1, min_tspan: -1, max_tspan: 1.0e+4, min_rb: 0, min_drb: 1.0e-9, max_fwhm: 1.0e+3,"
    " max_elong: 1.0e+3, max_magdiff: 1.0e+3, max_nbad: 1000, min_sso_dist: 0, min_gal_lat: 0,"
    " ps1_sgveto_rad: 1, ps1_sgveto_th: 2, ps1_confusion_rad: 0, ps1_confusion_sg_tol: 0, gaia_rs: 0,"
    " gaia_pm_signif: 3, gaia_plx_signif: 3, gaia_veto_gmag_min: 9, gaia_veto_gmag_max: 20,"
    " gaia_excessnoise_sig_max: 999, max_limit_age_days: 0"
)
JOBS = {
    "accept_all": (
        "every alert accepted, one analyser",
        "filter: {unit: AcceptAll}, analyse: {decline: {unit: FastDecliner}}",
    ),
    "accept_none": ("no alert accepted", "filter: {unit: SampleFilter, config: {rate: 0}}"),
    "decent_none": (
        "DecentFilter, no alert accepted",
        f"filter: {{unit: DecentFilter, config: {{{OPEN_LIMITS}}}}}",
    ),
}


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Measure the throughput of the embedded mesh.")
    parser.add_argument("--alerts", type=int, default=3000, help="alerts, two per object (default: 3000)")
    parser.add_argument("--packets", type=Path, help="folder of ZTF packets to replicate")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each measurement (default: 3)")
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)), help="the core to use")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parts = ("intake", *figures.TIERS, "numbers", "all")
    parser.add_argument("--profile", choices=parts, help="print only where the time goes in a part")
    return parser.parse_args()


def originals_of(packets: Path | None) -> tuple[list[replicas.Original], str]:
    """Return the packets to replicate and what they are."""
    folders = [packets] if packets else replicas.default_folders()
    originals = replicas.read_originals(folders)
    if originals:
        return originals, f"{len(originals)} real packets: {', '.join(folder.name for folder in folders)}"
    if packets:
        sys.exit(f"no Avro packet in {packets}")
    say(f"NO REAL PACKETS FOUND ({replicas.DATA_VARIABLE} says where they are): THE SIMULATED NIGHT STANDS")
    say("IN, whose packets are smaller and more alike. The figures do not compare to those of real packets.")
    return replicas.simulated_originals(), "THE SIMULATED NIGHT, not real packets"


def say(text: str) -> None:
    """Tell what goes on, on standard error."""
    sys.stderr.write(f"{text}\n")


def write_job(folder: Path, name: str) -> Path:
    """Write a job's file."""
    path = folder / f"{name}.yaml"
    path.write_text(
        f"name: {name}\nchannels:\n  all: {{access: [lsst_public, ztf_public], {JOBS[name][1]}}}\n"
    )
    return path


def needs_room(folder: Path, alerts: int) -> None:
    """Leave if the disk has no room for so many alerts."""
    needed = alerts * DISK_BYTES_PER_ALERT
    if shutil.disk_usage(folder).free < needed:
        sys.exit(f"{alerts} alerts need {needed >> 30} GiB in the temporary folder: set TMPDIR")


class Bench:
    """Measurements in a temporary folder.

    Parameters
    ----------
    folder
        The folder.
    core
        The core that measured programs may use.
    """

    def __init__(self, folder: Path, core: int) -> None:
        self._folder = folder
        self._core = core
        self.alerts = folder / "alerts"
        self.quarter = folder / "quarter"

    def command(self, job: Path, alerts: Path) -> dict[str, Any]:
        """Run the real command once, in a folder that is empty before and after."""
        out = self._folder / "out"
        used = run_pinned(
            self._core, [SKYMESH, "run", str(job), "--alerts", str(alerts), "--out", str(out), "--json"]
        )
        shutil.rmtree(out)
        return used

    def stage(self, what: str, *paths: Path) -> dict[str, Any]:
        """Run a program of `stages`; a last path `out` is made and removed."""
        used = run_pinned(self._core, [sys.executable, STAGES, what, *map(str, paths)])
        shutil.rmtree(self._folder / "out", ignore_errors=True)
        output: dict[str, Any] = used["output"]
        return output

    def measure(self, name: str, decoded: dict[str, Any], repeats: int) -> dict[str, Any]:
        """Return all figures of a job."""
        job = write_job(self._folder, name)
        say(f"{name}: the command")
        runs = [self.command(job, self.alerts) for _ in range(repeats)]
        quarters = [self.command(job, self.quarter) for _ in range(repeats)]
        say(f"{name}: the stages")
        out = self._folder / "out"
        stages = min(
            (self.stage("run", job, self.alerts, out) for _ in range(repeats)),
            key=lambda run: run["numbers"]["seconds"],
        )
        return {
            "says": JOBS[name][0],
            "command": figures.of_commands(runs),
            "command_quarter": figures.of_commands(quarters),
            "stages": figures.per_alert(decoded, stages),
        }

    def profile(self, part: str) -> str:
        """Return the tops of the profiles of a part, or of all."""
        tops = self.stage("profile", write_job(self._folder, "accept_all"), self.alerts, self._folder / "out")
        chosen = tops if part == "all" else {part: tops[part]}
        return "\n\n".join(f"== {name}\n{top}" for name, top in chosen.items())


def machine(core: int) -> dict[str, str]:
    """Return what the figures were measured on."""
    return {
        "cores": f"{os.cpu_count()}, of which number {core} alone is used",
        "load": " ".join(f"{load:.2f}" for load in os.getloadavg()) + " (1, 5, 15 min, before)",
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
    }


def prepare(asked: argparse.Namespace, bench: Bench, folder: Path) -> dict[str, str]:
    """Write the alerts; return what they are."""
    needs_room(folder, asked.alerts)
    originals, source = originals_of(asked.packets)
    say(f"writing {asked.alerts} alerts from {source}")
    size = replicas.write_alerts(originals, asked.alerts // 2, bench.alerts)
    if not asked.profile:
        replicas.write_alerts(originals, asked.alerts // 8, bench.quarter)
    alerts = asked.alerts // 2 * 2
    return {"source": source, "alerts": f"{alerts}, {size / alerts / 1000:.1f} kB each with image stamps"}


def main() -> None:
    """Measure and print."""
    asked = arguments()
    on = machine(asked.core)
    with tempfile.TemporaryDirectory(prefix="skymesh-benchmark-") as path:
        bench = Bench(Path(path), asked.core)
        source = prepare(asked, bench, Path(path))
        if asked.profile:
            sys.stdout.write(bench.profile(asked.profile) + "\n")
            return
        decoded = min(
            (bench.stage("decode", bench.alerts) for _ in range(asked.repeats)),
            key=lambda run: run["decode_shape"],
        )
        jobs = {name: bench.measure(name, decoded, asked.repeats) for name in JOBS}
    measured = {"machine": on, "input": source, "targets_per_s": figures.TARGETS_PER_S, "jobs": jobs}
    sys.stdout.write((json.dumps(measured) if asked.json else figures.report(measured)) + "\n")


if __name__ == "__main__":
    main()

"""A unit in a package of somebody's own, built and installed by pip, beside skymesh and apart from it."""

from __future__ import annotations

import csv
import subprocess
import sys

import pytest

from e2e.command import only, skymesh
from support.packets import JD, as_history, candidate, packet

PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "bright-points"
version = "2.5"
dependencies = ["skymesh"]

[project.entry-points."skymesh.units"]
BrightPoints = "bright_points.unit:BrightPoints"
"""
UNIT = '''
from skymesh.units import Analyser, LightCurve, Result


class BrightPointCount(Result):
    """How many there are.

    Attributes
    ----------
    count
        Measurements above the limit.
    """

    count: int


class BrightPoints(Analyser):
    """Count the measurements that stand out of the noise."""

    version = "1"
    min_significance: float = 5.0

    def run(self, curve: LightCurve) -> BrightPointCount:
        significance = curve.good.flux_njy / curve.good.flux_err_njy
        return BrightPointCount(count=int((significance > self.min_significance).sum()))
'''
JOB = """
name: own
channels:
  all:
    access: [ztf_public]
    filter: {unit: AcceptAll}
    analyse: {bright: {unit: BrightPoints, config: {min_significance: 10}}}
summarise:
  table: {unit: CandidateTable, channels: [all], to: [file]}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder to install to; a job; and two packets of an object."""
    folder = tmp_path_factory.mktemp("own")
    package = folder / "project" / "bright_points"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "unit.py").write_text(UNIT)
    (folder / "project" / "pyproject.toml").write_text(PROJECT)
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
    ]
    subprocess.run([*pip, "--target", folder / "installed", folder / "project"], check=True, timeout=300)
    (folder / "job.yaml").write_text(JOB)
    first = candidate(jd_utc=JD, magpsf=18.0, sigmapsf=0.02)
    (folder / "packets").mkdir()
    (folder / "packets" / "1.avro").write_bytes(packet(trigger=first))
    (folder / "packets" / "2.avro").write_bytes(
        packet(jd_utc=JD + 1, magpsf=20.5, sigmapsf=0.2, history=[as_history(first)])
    )
    return folder


def test_it_is_not_there_without_the_package(place):
    done = skymesh("check", "job.yaml", cwd=place)
    assert done.code == 2
    assert "BrightPoints" in only(done.mistakes)


def test_it_runs_by_its_name_alone(place):
    beside = {"PYTHONPATH": str(place / "installed")}
    run = ("run", "job.yaml", "--alerts", "packets", "--out", "out", "--json")
    done = skymesh(*run, cwd=place, env=beside)
    assert (done.code, done.json["units"]["own/all.bright"]["ok"]) == (0, 2), done.err
    with (place / "out" / "table.csv").open(newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert row["bright.count"] == "1"
    again = skymesh(
        "reproduce", row["bright.result"], "--store", "sqlite:out/store.db", cwd=place, env=beside
    )
    assert (again.code, again.err) == (0, "")
    told = skymesh("units", "BrightPoints", cwd=place, env=beside).out
    assert told.startswith("BrightPoints 1, Analyser (bright-points 2.5, bright_points.unit, code ")
    assert "Measurements above the limit." in told

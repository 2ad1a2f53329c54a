"""Units with every kind of wiring, installed for the tests of jobs as a user's distribution would be."""

from __future__ import annotations

import sys

import pytest

from skymesh.units import installed
from support.plugins import write_distribution

UNITS = """
from collections.abc import Mapping

from skymesh.units import (
    Analyser, DataPoints, Delivery, Earlier, LightCurve, Message, ObjectView, Reaction, Reactor, Result,
    State,
)


class Fit(Result):
    x: float


class Rise(Result):
    x: float


class Score(Result):
    x: float


class MakesFit(Analyser):
    version = "1"
    scale: float = 1.0
    def run(self, curve: LightCurve) -> Fit: return Fit(x=self.scale)


class AlsoMakesFit(Analyser):
    version = "1"
    def run(self, points: DataPoints, state: State) -> Fit: return Fit(x=2.0)


class NeedsFit(Analyser):
    version = "1"
    def run(self, fit: Fit) -> Score: return Score(x=fit.x)


class MayUseFit(Analyser):
    version = "1"
    def run(self, curve: LightCurve, fit: Fit | None) -> Score: return Score(x=0.0)


class UsesAllFits(Analyser):
    version = "1"
    def run(self, fits: Mapping[str, Fit]) -> Score: return Score(x=float(len(fits)))


class WantsList(Analyser):
    version = "1"
    def run(self, fits: list[Fit]) -> Score: return Score(x=0.0)


class NoHint(Analyser):
    version = "1"
    def run(self, fit) -> Score: return Score(x=0.0)


class NoResult(Analyser):
    version = "1"
    def run(self, fit: Fit) -> float: return 0.0


class RefinesFit(Analyser):
    version = "1"
    def run(self, fit: Fit) -> Fit: return fit


class RiseOfScore(Analyser):
    version = "1"
    def run(self, score: Score) -> Rise: return Rise(x=0.0)


class ScoreOfRise(Analyser):
    version = "1"
    def run(self, rise: Rise) -> Score: return Score(x=0.0)


class TellsAll(Reactor):
    version = "1"
    text: str = ""
    def react(self, view: ObjectView, curve: LightCurve, reaction: Reaction) -> Message: return None


class TellsFit(Reactor):
    version = "1"
    def react(self, fit: Fit, rise: Rise | None, scores: Mapping[str, Score]) -> Message | None: return None


class Remembers(Reactor):
    version = "1"
    def react(self, previous: Earlier[Fit] | None, last: Delivery | None) -> Message | None: return None


class Presumes(Reactor):
    version = "1"
    def react(self, previous: Earlier[Fit]) -> Message: return None


class PresumesDelivery(Reactor):
    version = "1"
    def react(self, last: Delivery) -> Message: return None


class RemembersNothing(Reactor):
    version = "1"
    def react(self, previous: Earlier | None) -> Message: return None


class RemembersAnything(Reactor):
    version = "1"
    def react(self, previous: Earlier[int] | None) -> Message: return None


class TellsPoints(Reactor):
    version = "1"
    def react(self, points: DataPoints) -> Message: return None


class TellsUnhinted(Reactor):
    version = "1"
    def react(self, fit) -> Message: return None


class TellsNothing(Reactor):
    version = "1"


class AnalysesViews(Analyser):
    version = "1"
    def run(self, view: ObjectView) -> Rise: return Rise(x=0.0)


class RunsInHeavy(Analyser):
    version = "1"
    pool = "heavy"
    def run(self, state: State) -> Rise: return Rise(x=0.0)


class RunsNowhere(Analyser):
    version = "1"
    pool = "Heavy.Duty"
    def run(self, state: State) -> Rise: return Rise(x=0.0)


class NotAUnit:
    version = "1"


class NoVersion(Analyser):
    def run(self, fit: Fit) -> Score: return Score(x=0.0)
"""
NAMES = [
    line.removeprefix("class ").partition("(")[0].rstrip(":")
    for line in UNITS.splitlines()
    if line.startswith("class ")
]


def forget():
    for cached in (installed.units, installed.load, installed.code_digest):
        cached.cache_clear()


@pytest.fixture(autouse=True)
def _units(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("distribution")
    points = {name: name for name in NAMES} | {"Broken": "ThereIsNone"}
    write_distribution(folder, "skymesh_made_up", UNITS, {"skymesh.units": points})
    monkeypatch.syspath_prepend(folder)
    sys.modules.pop("skymesh_made_up", None)
    forget()
    yield
    sys.modules.pop("skymesh_made_up", None)
    forget()


@pytest.fixture
def write_job(tmp_path):
    """Writes a job file; returns its path."""

    def write(text, name="job.yaml"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write

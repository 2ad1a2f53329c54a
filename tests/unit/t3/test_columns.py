"""Columns are those that the results of some channel can have; whatever a map may hold passes."""

from __future__ import annotations

from typing import Any

import pytest

from skymesh.units import Result
from skymesh_t3.columns import problem_of_column
from skymesh_t3.units.candidate_table import CandidateTable
from skymesh_t3.units.light_curve_plot import LightCurvePlot


class Part(Result):
    depth: float


class Decline(Result):
    fast: bool
    rate: dict[str, float]
    best: Part | None
    either: float | dict[str, float]
    bands: tuple[str, ...]
    free: Any


class Host(Result):
    z: float


CHANNELS = {"one": {"decline": Decline}, "two": {"decline": Host, "host": Host}}


@pytest.mark.parametrize("column", [
    "stock", "channel", "alert", "state", "decline.fast", "decline.rate.ztfg", "decline.rate.a.b",
    "decline.best.depth", "decline.either", "decline.either.x", "decline.bands", "decline.free",
    "decline.free.x", "decline.result", "decline.z", "host.z", "host.result",
])  # fmt: skip
def test_what_some_channel_may_have_is_a_column(column):
    assert problem_of_column(column, CHANNELS) == ""


@pytest.mark.parametrize("column, said", [
    ("declin.fast", "there is no column 'declin.fast'; there are: stock, channel, alert, state, "),
    ("fast", "there is no column 'fast'; "),
    ("decline.fsat", "decline has no 'fsat'; it has: fast, rate, best, either, bands, free"),
    ("decline.fast.x", "decline.fast is bool, without parts"),
    ("decline.bands.0", "decline.bands is tuple, without parts"),
    ("decline.rate", "decline.rate has a column for each of its keys: say decline.rate.KEY"),
    ("decline.best", "decline.best has a column for each of its parts: depth"),
    ("decline.best.width", "decline.best has no 'width'; it has: depth"),
    ("decline", "decline has a column for each of its parts: fast, "),
    ("decline.result.x", "decline has no 'result'; it has: "),
    ("host.Z", "host has no 'Z'; it has: z"),
])  # fmt: skip
def test_what_no_channel_can_have_is_one_line_that_says_what_there_is(column, said):
    problem = problem_of_column(column, CHANNELS)
    assert problem.startswith(said)
    assert "\n" not in problem


def test_summaries_check_every_column_that_they_are_told():
    table = CandidateTable(only="decline.fsat", first="decline.fast", columns=("host.z", "hots.z"))
    assert [line.partition(":")[0] for line in table.problems(CHANNELS)] == ["only", "columns"]
    assert [line.partition(":")[0] for line in LightCurvePlot(only="fast").problems(CHANNELS)] == ["only"]
    for fine in (CandidateTable(), LightCurvePlot(), LightCurvePlot(only="decline.fast")):
        assert list(fine.problems(CHANNELS)) == []

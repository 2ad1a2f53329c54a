"""What a column measures, by its name; and which columns the results of some channel can have."""

from __future__ import annotations

from typing import Any

import pytest
from astropy.io.votable.ucd import parse_ucd
from astropy.units import Unit

from skymesh.units import Result
from skymesh_t3.columns import Quantity, problem_of_column, quantity_of
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


@pytest.mark.parametrize("column, unit, ucd", [
    ("summary.ra_deg", "deg", "pos.eq.ra"), ("dec_deg", "deg", "pos.eq.dec"), ("a.galactic_b_deg", "deg", ""),
    ("decline.rate_mag_per_day.ztfg", "mag/d", "arith.rate;phot.mag"), ("njy", "nJy", "phot.flux.density"),
    ("a.peak_flux_njy", "nJy", "phot.flux.density"), ("a.rise_days.ztfg.0.3", "d", "time.duration"),
    ("a.newest_mag_ab", "mag", "phot.mag"), ("a.t0_mjd_tai", "d", "time.epoch"),
    ("a.distance_arcsec", "arcsec", "pos.angDistance"),
])  # fmt: skip
def test_the_end_of_a_part_of_the_name_says_the_unit(column, unit, ucd):
    assert quantity_of(column) == (unit, ucd)
    assert Unit(unit) == Unit(unit, format="vounit")
    assert not ucd or parse_ucd(ucd, check_controlled_vocabulary=True)


@pytest.mark.parametrize("column", ["a.x_njy_ratio", "a.flux_njy_per_day", "a.degrees", "a.count", ""])
def test_what_stands_elsewhere_in_the_name_says_nothing(column):
    assert quantity_of(column) == Quantity()

"""The small figure of the page: where things lie, and that any curve can be drawn."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skymesh_local.report.drawing import BOTTOM, LEFT, MOST_ROWS, RIGHT, TOP, draw
from support.curves import curve


def places(path):
    return [(float(x), float(y)) for x, y in re.findall(r"M([-\d.]+),([-\d.]+)", path)]


def test_brighter_is_up_and_newer_is_right():
    drawn = draw(curve([(0, "ztfg", 19.0), (5, "ztfg", 18.0)], [(-2, "ztfg", 20.5)]))
    (band,) = drawn.bands
    (old, faint), (new, bright) = places(band.points)
    ((earliest, depth),) = places(band.limits)
    assert earliest < old < new <= RIGHT
    assert TOP <= bright < faint < depth <= BOTTOM
    assert drawn.quantity == "AB magnitude"
    assert drawn.origin == "days since MJD 59505.0000 (TAI)"
    assert [float(tick.text.replace("−", "-")) for tick in drawn.x_ticks][-1] == 0
    assert [tick.at for tick in drawn.y_ticks] == sorted(tick.at for tick in drawn.y_ticks)
    assert drawn.told == ("2 in ztfg; 1 upper limit; AB magnitude 18.00 to 19.00; MJD 59498.00 to 59505.00.")


def test_an_object_fainter_than_its_template_is_drawn_as_fluxes():
    drawn = draw(curve([(0, "ztfg", -19.0), (1, "ztfr", -18.0)]))
    assert drawn.quantity == "flux / µJy"
    heights = {band.band: places(band.points)[0][1] for band in drawn.bands}
    assert heights["ztfr"] > heights["ztfg"]


@pytest.mark.parametrize("mag, unit", [(-22.5, "nJy"), (-20.0, "µJy"), (-13.0, "mJy")])
def test_fluxes_have_a_unit_of_which_few_digits_are_needed(mag, unit):
    drawn = draw(curve([(0, "lsstr", mag), (1, "lsstr", mag + 0.5)]))
    assert drawn.quantity == f"flux / {unit}"
    assert max(len(tick.text) for tick in drawn.y_ticks) <= 7
    assert f" {unit}; MJD" in drawn.told


def test_where_most_is_fainter_than_the_template_fluxes_are_drawn():
    rows = [(0, "lsstr", 19.0), (1, "lsstr", -19.0), (2, "lsstr", -19.5)]
    assert draw(curve(rows)).quantity == "flux / µJy"
    assert draw(curve(rows)).bands[0].n_points == 3
    assert draw(curve([*rows, (3, "lsstr", 18.0)])).quantity == "AB magnitude"


def test_measurements_without_a_place_are_counted():
    drawn = draw(curve([(0, "ztfg", 19.0), (1, "ztfg", -19.0), (2, "ztfg", None)]))
    assert drawn.without_magnitude == 1
    assert drawn.bands[0].n_points == 1


def test_of_a_long_curve_the_newest_rows_are_drawn():
    drawn = draw(curve([(day, "lsstr", 20.0) for day in range(MOST_ROWS + 7)]))
    assert drawn.left_out == 7
    assert drawn.bands[0].n_points == MOST_ROWS


def test_nothing_to_draw():
    assert draw(curve([])) is None
    assert draw(curve([(0, "ztfg", None)])) is None


FLUXES = st.one_of(st.floats(allow_nan=True, allow_infinity=False), st.floats(-1e5, 1e5))


@given(
    st.lists(st.tuples(st.floats(0, 1e4), FLUXES, FLUXES, st.sampled_from(["", "ztfg", "lssty"])), max_size=8)
)
def test_any_curve_can_be_drawn_inside_its_frame_or_not_at_all(rows):
    made = curve([(day, band, 19.0) for day, _, _, band in sorted(rows, key=lambda row: row[0])])
    made.flux_njy[:] = [flux for _, flux, _, _ in rows]
    made.flux_err_njy[:] = [err for _, _, err, _ in rows]
    with np.errstate(all="ignore"):
        drawn = draw(made)
    for band in () if drawn is None else drawn.bands:
        assert all(LEFT <= x <= RIGHT for x, _ in places(band.points))
    for tick in () if drawn is None else drawn.y_ticks:
        assert TOP <= tick.at <= BOTTOM

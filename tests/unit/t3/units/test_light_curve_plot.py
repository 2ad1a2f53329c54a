"""Figures of light curves: which objects, what is in them, and equal bytes for equal curves."""

from __future__ import annotations

import dataclasses
from xml.etree import ElementTree as ET

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skymesh.units import ObjectView
from skymesh_t3.band_marks import mark_of
from skymesh_t3.units.light_curve_plot import LightCurvePlot
from support.curves import curve

RISING = curve([(0, "ztfg", 19.0), (1, "ztfr", 18.5), (2, "ztfg", 18.2)], [(-3, "ztfg", 20.5)])
PNG = b"\x89PNG\r\n\x1a\n"
SVG = "{http://www.w3.org/2000/svg}"


def view(stock, *, channel="job/all", fast=True, drawn=None):
    return ObjectView(channel, stock, "alert:", "state:", {"decline": {"fast": fast}}, {}, curve=drawn)


def texts(figure):
    return ["".join(element.itertext()).strip() for element in ET.fromstring(figure).iter(f"{SVG}text")]


def test_a_figure_names_object_axes_bands_and_days():
    told = texts(LightCurvePlot(format="svg").draw(RISING, "ztf:ZTF21aaaaaaa", "job/all"))
    for text in (
        "ztf:ZTF21aaaaaaa   job/all", "AB magnitude of the difference", "difference flux / nJy", "MJD (TAI)",
        "days since MJD 59500.000", "ztfg", "ztfr", "ztfg limit",
    ):  # fmt: skip
        assert text in told


def test_brighter_is_up():
    figure = LightCurvePlot(format="svg", show="magnitude").draw(RISING, "s")
    ticks = [
        (float(element.get("y") or element.get("transform").split()[1].split(")")[0]), float(text))
        for element in ET.fromstring(figure).iter(f"{SVG}text")
        if (text := "".join(element.itertext()).strip()).replace(".", "").isdigit() and "." in text
    ]
    assert len(ticks) > 2
    assert sorted(ticks) == sorted(ticks, key=lambda tick: tick[1])


def test_one_night_is_not_stretched_to_years():
    for rows in (RISING[:1], RISING[1:2]):
        for axes in LightCurvePlot()._figure(rows, "s", "").axes:
            start, end = axes.get_xlim()
            assert start < rows.mjd_tai[0] < end == pytest.approx(start + 1)


@pytest.mark.parametrize("show, absent", [("magnitude", "difference flux / nJy"), ("flux", "AB magnitude")])
def test_one_panel_alone(show, absent):
    told = texts(LightCurvePlot(format="svg", show=show).draw(RISING, "s"))
    assert not any(absent in text for text in told)
    assert "MJD (TAI)" in told


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_equal_curves_give_equal_bytes_whatever_the_user_has_set(kind):
    unit = LightCurvePlot(format=kind)
    first = unit.draw(RISING, "s")
    with mpl.rc_context({"axes.facecolor": "red", "svg.hashsalt": "other", "font.size": 20}):
        assert unit.draw(RISING, "s") == first
        assert mpl.rcParams["font.size"] == 20
    assert first.startswith(PNG) == (kind == "png")
    assert first != unit.draw(RISING[:2], "s")


def test_with_curve_asks_for_the_first_objects_of_which_the_column_is_true():
    views = [view(f"ztf:{n}", fast=n % 2 == 0) for n in range(20)]
    asked = LightCurvePlot(only="decline.fast", most=3).with_curve(views)
    assert [one.stock for one in asked] == ["ztf:0", "ztf:2", "ztf:4"]
    assert len(list(LightCurvePlot(most=7).with_curve(views))) == 7
    assert list(LightCurvePlot(most=0).with_curve(views)) == []


def test_what_has_a_curve_is_drawn_under_a_name_that_is_safe_and_its_own():
    stocks = ["ztf:ZTF21aaaaaaa", "ztf:a:b", "ztf:a-b", "ztf:../../x", "ztf:" + "x" * 500, "ztf:ß", "ztf:ö"]
    views = [view(stock, drawn=RISING[:1]) for stock in stocks] + [view("ztf:none")]
    views.append(view(stocks[0], channel="job/other", drawn=RISING[:1]))
    names = [file.name for file in LightCurvePlot().summarise("plots", views)]
    assert len(set(names)) == len(stocks) + 1
    assert names[0] == "plots/all-ztf-ZTF21aaaaaaa.png"
    assert names[-1] == "plots/other-ztf-ZTF21aaaaaaa.png"
    for name in names:
        assert name.isascii()
        assert name.count("/") == 1
        assert len(name) < 150


def replaced(**arrays):
    return dataclasses.replace(RISING, **arrays)


@pytest.mark.parametrize(
    "awkward",
    [
        RISING[:0],
        curve([(0, "ztfg", -19.0)]),
        curve([], [(0, "ztfg", 20.0)]),
        curve([(0, "ztfg", None)]),
        curve([(0, "$x_1^$", 19.0), (1, "_hidden", 19.0)]),
        replaced(flux_err_njy=np.zeros(4)),
        replaced(flux_err_njy=np.full(4, np.nan)),
        replaced(flux_err_njy=np.full(4, np.inf)),
        replaced(flux_err_njy=np.full(4, -1.0)),
        replaced(limit_njy=np.full(4, -1.0)),
        replaced(flux_njy=np.full(4, 1e300)),
    ],
    ids=[
        "empty", "negative", "limits", "masked", "markup", "zero-error", "no-error", "infinite-error",
        "negative-error", "negative-limit", "absurd",
    ],
)  # fmt: skip
def test_awkward_curves_are_drawn(awkward):
    assert LightCurvePlot().draw(awkward, "a $stock\n", "c$").startswith(PNG)


def test_every_band_is_readable_on_white_and_on_black_and_has_its_own_mark():
    marks = [mark_of(f"lsst{band}") for band in "ugrizy"]
    assert len({mark.colour for mark in marks}) == len({mark.shape for mark in marks}) == 6
    for mark in [*marks, mark_of("")]:
        light = _luminance(mark.colour)
        assert 1.05 / (light + 0.05) >= 3
        assert (light + 0.05) / 0.05 >= 3
    assert mark_of("ztfg") == mark_of("lsstg")


def _luminance(colour):
    """Return the relative luminance of a colour (WCAG 2.1)."""
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@settings(max_examples=15)
@given(st.text(max_size=40))
def test_an_object_of_any_name_is_drawn(stock):
    (file,) = LightCurvePlot(format="svg").summarise("p", [view(f"ztf:{stock}", drawn=RISING[:1])])
    assert file.name.isascii()
    (content,) = file.content
    ET.fromstring(content)

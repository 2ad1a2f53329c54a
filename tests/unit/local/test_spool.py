"""Views on disk come back as they were, by channel."""

from __future__ import annotations

import asyncio

import numpy as np

from skymesh.units import ObjectView
from skymesh_local.spool import SpooledViews
from support.curves import curve


def view(channel, number, drawn=None):
    results = {"a": {"x": number, "y": None, "z": {"k": [1.5, "t"]}}}
    return ObjectView(channel, f"ztf:{number}", "alert:0", "state:0", results, {"a": "result:0"}, curve=drawn)


async def _each(views):
    for one in views:
        yield one


def spooled(views):
    spool = SpooledViews()
    asyncio.run(spool.fill(_each(views)))
    return spool


def test_views_come_back_by_channel_as_often_as_asked():
    views = [view(channel, number) for channel in ("j/a", "j/b", "j/c") for number in range(3)]
    with spooled(views) as spool:
        for _ in range(2):
            assert list(spool.of(["j/c", "j/a"])) == views[:3] + views[6:]
            assert list(spool.of(["j/b"])) == views[3:6]
            assert list(spool.of(["j/none"])) == []


def test_a_light_curve_comes_back_with_its_types():
    drawn = curve([(0, "ztfg", 19.0), (1, "ztfr", None)], [(-1, "ztfi", 20.0)])
    with spooled([view("j/a", 1, drawn), view("j/a", 2, drawn[:0])]) as spool:
        full, empty = (one.curve for one in spool.of(["j/a"]))
    for name in drawn.__dataclass_fields__:
        assert getattr(full, name).dtype == getattr(drawn, name).dtype
        assert getattr(empty, name).dtype.kind == getattr(drawn, name).dtype.kind
        np.testing.assert_array_equal(getattr(full, name), getattr(drawn, name))
        assert len(getattr(empty, name)) == 0

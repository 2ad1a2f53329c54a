"""Light curves of views, made again from the points of their states."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from skymesh.errors import NotFoundError
from skymesh.jobs.plan import JobPlan
from skymesh.lightcurve import LightCurve
from skymesh.model.ids import parse_id
from skymesh.model.point import DataPoint
from skymesh.model.state import State
from skymesh.runtime.guard import guarded
from skymesh.store.store import Store
from skymesh.units.unit import ObjectView
from skymesh_local.objects import points_of


async def points_of_view(store: Store, view: ObjectView) -> tuple[DataPoint, ...]:
    """Return the points of a view's state, in order of time: all of them its channel may see.

    Raises
    ------
    NotFoundError
        If the state, or a point of it, is not in the store.
    """
    state = await store.get(State, id=parse_id(view.state)[1])
    if state is None:
        raise NotFoundError("the state is not in the store", where=view.state)
    return await points_of(store, state)


def tabulated(plan: JobPlan, channel: str, points: Sequence[DataPoint]) -> LightCurve | None:
    """Return what a channel's tabulator makes of points; None if it fails on them."""
    unit = next(one.tabulator.unit for one in plan.channels if one.name == channel)
    curve, _ = guarded(functools.partial(unit.tabulate, points), unit.deadline_s)
    return curve

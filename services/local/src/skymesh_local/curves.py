"""Light curves of views, made again from the points of their states."""

from __future__ import annotations

import functools

from skymesh.jobs.plan import JobPlan
from skymesh.lightcurve import LightCurve
from skymesh.model.ids import parse_id
from skymesh.model.state import State
from skymesh.runtime.guard import guarded
from skymesh.store.store import Store
from skymesh.units.unit import ObjectView
from skymesh_local.objects import points_of


async def curve_of(store: Store, plan: JobPlan, view: ObjectView) -> LightCurve | None:
    """Return what the channel's tabulator makes of a view's state; None if it fails.

    The points of a state are those that its channel may see, and so is all that is made from them.

    Raises
    ------
    NotFoundError
        If points of the state are not in the store.
    """
    tabulator = next(channel.tabulator.unit for channel in plan.channels if channel.name == view.channel)
    state = await store.get(State, id=parse_id(view.state)[1])
    if state is None:
        return None
    points = await points_of(store, state)
    curve, _ = guarded(functools.partial(tabulator.tabulate, points), tabulator.deadline_s)
    return curve

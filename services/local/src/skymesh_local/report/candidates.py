"""The objects of a channel as the page shows them, each with what its ids lead to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from skymesh.jobs.plan import ChannelPlan, JobPlan
from skymesh.model.alert import Arrival
from skymesh.model.execution import Result
from skymesh.model.ids import parse_id
from skymesh.model.run import Run
from skymesh.store.store import Store
from skymesh.units.unit import ObjectView
from skymesh_local.curves import points_of_view, tabulated
from skymesh_local.objects import Sight, describe_alert, describe_point, describe_result, plain
from skymesh_local.report.drawing import Drawing, draw

MOST_POINTS = 40


class Chosen(NamedTuple):
    """Which objects of a channel are shown, of how many."""

    views: tuple[ObjectView, ...]
    total: int


@dataclass(frozen=True)
class Candidate:
    """One object of a channel.

    Attributes
    ----------
    view
        Its ids.
    figure
        Its light curve; None if there is nothing to draw.
    alert
        The alert at which the newest state was reached, in plain values.
    points, more_points
        The newest points of the state in plain values, and how many there are besides.
    results
        instance → the result in plain values.
    """

    view: ObjectView
    figure: Drawing | None
    alert: dict[str, Any]
    points: list[dict[str, Any]]
    more_points: int
    results: dict[str, dict[str, Any]]


def choose(views: Iterable[ObjectView], most: int) -> Chosen:
    """Choose at most so many objects: first those of which a result says that something is true."""
    singled_out: list[ObjectView] = []
    others: list[ObjectView] = []
    total = 0
    for view in views:
        total += 1
        part = singled_out if _says_true(view.results) else others
        if len(part) < most:
            part.append(view)
    return Chosen(tuple([*singled_out, *others][:most]), total)


def _says_true(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_says_true, value.values()))
    return value is True


async def candidate(
    store: Store, run: Run, plan: JobPlan, channel: ChannelPlan, view: ObjectView
) -> Candidate:
    """Return what the page shows of an object: nothing that the channel may not see.

    Raises
    ------
    NotFoundError
        If a part of its state is not in the store.
    """
    sight = Sight(channel.name, channel.grants)
    points = await points_of_view(store, view)
    curve = tabulated(plan, channel.name, points)
    return Candidate(
        view=view,
        figure=None if curve is None else draw(curve),
        alert=await _alert(store, run, view, sight),
        points=[plain(describe_point(point)) for point in reversed(points[-MOST_POINTS:])],
        more_points=max(0, len(points) - MOST_POINTS),
        results=await _results(store, view, sight),
    )


async def _alert(store: Store, run: Run, view: ObjectView, sight: Sight) -> dict[str, Any]:
    async for arrival in store.scan(Arrival, alert=parse_id(view.alert)[1]):
        if (arrival.log, arrival.stock) == (run.log, view.stock) and sight.sees(arrival.trigger_labels):
            told: dict[str, Any] = plain(describe_alert(arrival, sight))
            return told
    return {}


async def _results(store: Store, view: ObjectView, sight: Sight) -> dict[str, dict[str, Any]]:
    """Return the results that were kept; one that was ended by its deadline may not be."""
    found = {}
    for instance, text in view.result_ids.items():
        result = await store.get(Result, id=parse_id(text)[1])
        if result is not None:
            found[instance] = plain(describe_result(result, sight))
    return found

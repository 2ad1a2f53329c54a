"""Results and states with all that they come from: where they were settled, their points, the packets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from skymesh.model.alert import Arrival
from skymesh.model.execution import InputEntry, Result, Settled
from skymesh.model.ids import Digest
from skymesh.model.run import ConfigRecord
from skymesh.model.state import State
from skymesh.store.store import Store
from skymesh_local.expired import expired_decisions
from skymesh_local.objects import (
    Seen,
    Sight,
    arrivals_of,
    describe_point,
    describe_result,
    points_of,
    settled_of,
    state_links,
)


async def result_lineage(store: Store, id_: Digest, sight: Sight) -> dict[str, Any] | None:
    """Return a result with what it was made from, in plain values; None if it may not be seen.

    What was given no state, such as a position, may be the same for every state of an object. It leads
    to the state for which it was computed first, or to the first that may be seen.
    """
    result = await store.get(Result, id=id_)
    if result is None:
        return None
    places = await _places(store, result, sight)
    if sight.channel and not places:
        return None
    config = await store.get(ConfigRecord, id=result.ref.config)
    states = states_of(result.inputs)
    return {
        **describe_result(result, sight),
        "parameters": None if config is None else config.parameters,
        "built_on": await results_lineage(store, results_of(result.inputs), sight),
        "states": [await state_lineage(store, state, sight) for state in states],
        "from": None if states or not places else await state_lineage(store, places[0][1], sight),
        "expired": [] if places else await expired_places(store, result, sight),
    }


async def results_lineage(store: Store, ids: list[Digest], sight: Sight) -> list[dict[str, Any]]:
    """Return those of some results that were kept and may be seen, each as `result_lineage`."""
    told = [await result_lineage(store, id_, sight) for id_ in ids]
    return [result for result in told if result is not None]


def states_of(inputs: Mapping[str, InputEntry]) -> list[Digest]:
    """Return the states that a unit was given, in one form or another."""
    entries = [entry for entry in inputs.values() if entry[0] in {"state", "points", "curve"}]
    return list(dict.fromkeys(Digest(entry[1]) for entry in entries))


def results_of(inputs: Mapping[str, InputEntry]) -> list[Digest]:
    """Return the results that a unit was given."""
    found: dict[Digest, None] = {}
    for tag, *rest in inputs.values():
        if tag == "result":
            found[Digest(rest[0])] = None
        elif tag == "results":
            found.update((Digest(id_), None) for _, id_, _ in rest[0])
    return list(found)


async def _places(store: Store, result: Result, sight: Sight) -> list[tuple[Settled, Digest]]:
    """Return where a result was settled for a state that may be seen; where it was computed first, first.

    The inputs do not tell who may see it: a position or image stamps have no labels, and what is built
    on them has no points. The states for which it was settled have.
    """
    seen = Seen.of(await arrivals_of(store, result.stock), sight)
    found = [
        (settled, state)
        async for _, settled in settled_of(store, await state_links(store, result.stock))
        for state in _states_with(settled, result.id)
        if seen.includes(settled.alert, await store.get(State, id=state))
    ]
    first = (result.run, result.position)
    return sorted(found, key=lambda place: (place[0].run, place[0].position) != first)


async def expired_places(store: Store, result: Result, sight: Sight) -> list[dict[str, Any]]:
    """Return which runs may have settled a result for an object, and do not tell any more."""
    arrivals = await arrivals_of(store, result.stock)
    seen = [arrival for arrival in arrivals if sight.sees(arrival.trigger_labels)]
    return await expired_decisions(store, sight, seen)


def _states_with(settled: Settled, result: Digest) -> dict[Digest, None]:
    return {
        state: None
        for by_state in settled.results.values()
        for state, by_instance in by_state.items()
        if any(told.id == result for told in by_instance.values())
    }


async def state_lineage(store: Store, id_: Digest, sight: Sight) -> dict[str, Any] | None:
    """Return a state with its points and their packets, in plain values; None if it may not be seen."""
    state = await store.get(State, id=id_)
    if state is None:
        return None
    points = await points_of(store, state)
    if not sight.sees(label for point in points for label in point.labels):
        return None
    arrivals = await arrivals_of(store, state.stock)
    links = await state_links(store, state.stock)
    held = [
        {
            "run": f"run:{run.id.hex()}",
            "channel": channel,
            "alert": f"alert:{link.alert.hex()}",
            "reached": id_ in link.emitted.get(channel, ()),
        }
        for run, link in links
        for channel, states in link.states.items()
        if id_ in states and sight.is_own(channel)
    ]
    results = [
        {"channel": channel, "instance": name, "result": f"result:{r.id.hex()}", "outcome": r.outcome}
        async for _, settled in settled_of(store, links)
        for channel, by_state in settled.results.items()
        if sight.is_own(channel)
        for name, r in by_state.get(id_, {}).items()
    ]
    return {
        "id": f"state:{id_.hex()}",
        "stock": state.stock,
        "held_at": held,
        "results": results,
        "points": [{**describe_point(p), "packets": _packets(p.id, arrivals, sight)} for p in points],
        "expired": await expired_decisions(store, sight, arrivals),
    }


def _packets(point: Digest, arrivals: list[Arrival], sight: Sight) -> list[dict[str, Any]]:
    """Return the alerts that brought a point, with their files; only those that may be seen."""
    return [
        {"alert": f"alert:{arrival.alert.id.hex()}", "packet": str(arrival.alert.source)}
        for arrival in arrivals
        if sight.sees(arrival.trigger_labels) and any(p.id == point for p in arrival.alert.points)
    ]

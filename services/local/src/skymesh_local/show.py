"""One object as a channel may see it: alerts, points, states, results, reactions."""

from __future__ import annotations

from typing import Any

from skymesh.model.alert import Arrival
from skymesh.model.execution import JournalEntry, Line, Result, SettledResult
from skymesh.model.ids import Digest
from skymesh.model.position import Position
from skymesh.model.run import Run
from skymesh.model.state import State, StateLink
from skymesh.store.store import Store
from skymesh.surveys import registry
from skymesh_local.expired import expired_decisions, stamps_expiry
from skymesh_local.objects import (
    Seen,
    Sight,
    arrivals_of,
    describe_alert,
    describe_point,
    describe_result,
    plain,
    results_by_id,
    settled_of,
    sight_of,
    state_links,
    unseen,
)
from skymesh_local.reactions import reactions_of


async def show(store: Store, name: str, channel: str) -> dict[str, Any]:
    """Return what is known of an object, in plain values.

    Parameters
    ----------
    store
        Where.
    name
        The stock, ``ztf:ZTF18abxhyqv``, or the survey's name alone.
    channel
        Who looks; empty for everything.

    Raises
    ------
    NotFoundError
        If there is nothing of the object that may be seen.
    """
    sight = await sight_of(store, channel)
    stock, arrivals = await _arrivals(store, name)
    seen = [arrival for arrival in arrivals if sight.sees(arrival.trigger_labels)]
    points = {
        point.id: point for arrival in arrivals for point in arrival.alert.points if sight.sees(point.labels)
    }
    if not seen and not points:
        raise unseen(name)
    links = await state_links(store, stock)
    states, results = await _states(store, links, Seen.of(arrivals, sight))
    verdicts = await _verdicts(store, seen, sight)
    return {
        "stock": stock,
        "channel": sight.channel or None,
        "attributes": next((arrival.alert.attributes for arrival in seen), {}),
        "alerts": [
            plain({**describe_alert(arrival, sight), "verdicts": verdicts[arrival.position]})
            for arrival in seen
        ],
        "points": [
            plain(describe_point(p)) for p in sorted(points.values(), key=lambda p: (p.mjd_tai, p.id))
        ],
        "states": states,
        "results": [plain(describe_result(result, sight)) for result in results.values()],
        "reactions": await reactions_of(store, stock, sight),
        "expired": await _expired(store, seen, sight),
    }


async def _expired(store: Store, seen: list[Arrival], sight: Sight) -> list[dict[str, Any]]:
    """Return what of the object's runs has expired, and of which alerts the image stamps have."""
    told = await expired_decisions(store, sight, seen, ("decisions", "journal"))
    leading = {arrival.alert.cutouts: arrival for arrival in seen}
    for id_, arrival in leading.items():
        if id_ is not None and await store.read_cutouts(id_) is None:
            expired = await stamps_expiry(store, [arrival])
            if expired is not None:
                lost = {"class": expired.retention, "of": f"cutout:{id_.hex()}"}
                told.append({**lost, "expired_utc": expired.expired_utc, "why": expired.why})
    return told


async def _arrivals(store: Store, name: str) -> tuple[str, list[Arrival]]:
    candidates = [name] if ":" in name else [f"{survey}:{name}" for survey in registry.installed()]
    for stock in candidates:
        arrivals = await arrivals_of(store, stock)
        if arrivals:
            return stock, arrivals
    raise unseen(name)


async def _states(
    store: Store, links: list[tuple[Run, StateLink]], seen: Seen
) -> tuple[list[dict[str, Any]], dict[Digest, Result]]:
    """Return the states that channels reached, with the ids of their results, and the results."""
    results: dict[tuple[Digest, Position, str, Digest], dict[str, SettledResult]] = {}
    async for run, settled in settled_of(store, links):
        for channel, by_state in settled.results.items():
            for id_, by_instance in by_state.items():
                results[run.id, settled.position, channel, id_] = by_instance
    states: list[dict[str, Any]] = []
    ids: dict[Digest, None] = {}
    for run, link in links:
        for channel, reached in link.emitted.items():
            for id_ in reached if seen.sight.is_own(channel) else ():
                state = await store.get(State, id=id_)
                if seen.includes(link.alert, state):
                    by_instance = results.get((run.id, link.position, channel, id_), {})
                    states.append(_state(run, link, channel, id_, state, by_instance))
                    ids.update(dict.fromkeys(result.id for result in by_instance.values()))
    return states, await results_by_id(store, ids)


def _state(
    run: Run,
    link: StateLink,
    channel: str,
    id_: Digest,
    state: State | None,
    results: dict[str, SettledResult],
) -> dict[str, Any]:
    return {
        "id": f"state:{id_.hex()}",
        "run": f"run:{run.id.hex()}",
        "channel": channel,
        "alert": f"alert:{link.alert.hex()}",
        "points": [] if state is None else [f"point:{point.hex()}" for point in state.points],
        "results": {name: f"result:{result.id.hex()}" for name, result in results.items()},
    }


async def _verdicts(
    store: Store, arrivals: list[Arrival], sight: Sight
) -> dict[Position, list[dict[str, Any]]]:
    """Return what the filters of each run said of the alerts of a stock, by position."""
    verdicts: dict[Position, list[dict[str, Any]]] = {arrival.position: [] for arrival in arrivals}
    places = sorted({(arrival.log, arrival.position.partition) for arrival in arrivals})
    for log, partition in places:
        here = [
            arrival for arrival in arrivals if (arrival.log, arrival.position.partition) == (log, partition)
        ]
        async for run in store.scan(Run, log=log):
            async for entry in store.scan(JournalEntry, run=run.id, tier="t0", partition=partition):
                if entry.channel and sight.is_own(entry.channel):
                    for arrival in here:
                        line = _line_of(entry, arrival)
                        if line is not None:
                            told = {"channel": entry.channel, "verdict": line.outcome, "reason": line.reason}
                            verdicts[arrival.position].append(told)
    return verdicts


def _line_of(entry: JournalEntry, arrival: Arrival) -> Line | None:
    if arrival.is_duplicate or not entry.first <= arrival.position.offset < entry.end:
        return None
    subject = f"alert:{arrival.alert.id.hex()}"
    return next(
        (line for line in entry.lines if (line.subject, line.stock) == (subject, arrival.stock)), None
    )

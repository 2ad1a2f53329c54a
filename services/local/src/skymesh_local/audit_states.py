"""The second half of an audit: every accepted alert has its states, every state its results."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator

from skymesh.model.execution import (
    Line,
    Outcome,
    Result,
    Settled,
    SettledResult,
    View,
    content_digest,
    execution_id,
)
from skymesh.model.ids import Digest, text_id
from skymesh.model.position import Position
from skymesh.model.run import JobRecord, Run
from skymesh.model.state import State, StateLink, Verdict, make_state
from skymesh.store.store import Keys, Store
from skymesh_local.audit_journal import Journal
from skymesh_t2.pool import TIER

_AT_ONCE = 32

_Place = tuple[str, str, str]
"""Channel, stock and alert."""
_Seen = tuple[str, Digest, Digest, dict[str, tuple[Digest, Outcome]]]


async def audit_verdicts(store: Store, journal: Journal) -> list[str]:
    """Compare the verdict rows with what T0's journal says each filter accepted."""
    said = {
        (entry.channel, line.stock, line.subject)
        for entry in journal.of("t0")
        for line in entry.lines
        if entry.channel and line.outcome == "accepted" and line.reason != "followed"
    }
    kept = await _kept_verdicts(store, journal)
    extra = kept - len(said)
    if extra < 0 or (extra and not journal.inflight):
        return [f"the filters accepted {len(said)} alerts, {kept} verdicts are kept"]
    return []


async def _kept_verdicts(store: Store, journal: Journal) -> int:
    kept = 0
    async for row in store.scan(Verdict, run=journal.run.id):
        kept += len(row.channels) if journal.covers(row.position) else 0
    return kept


async def audit_states(store: Store, journal: Journal) -> list[str]:
    """Compare T0's accepted alerts, T1's journal, the links and the states."""
    accepted = {
        (entry.channel, line.stock, line.subject)
        for entry in journal.of("t0")
        for line in entry.lines
        if entry.channel and line.outcome == "accepted"
    }
    told = {
        (entry.channel, line.stock, line.subject): line for entry in journal.of("t1") for line in entry.lines
    }
    holes = [f"{_said(place)} has a state, but was not accepted" for place in sorted(told.keys() - accepted)]
    open_ = sorted({(stock, alert) for _, stock, alert in accepted - told.keys()})
    lost = set(journal.burials.unexcused("t1", open_, lambda place: place[0]))
    if len(lost) > journal.waiting("t1"):
        holes += [
            f"{_said(place)} was accepted and has no state link"
            for place in sorted(accepted - told.keys())
            if place[1:] in lost
        ]
    holes += [
        f"{_said(place)} failed without a reason"
        for place, line in told.items()
        if line.outcome == "failed" and not line.reason
    ]
    return holes + await _link_holes(store, journal, told)


async def _link_holes(store: Store, journal: Journal, told: dict[_Place, Line]) -> list[str]:
    """Compare the links with T1's journal; rows of a batch that was not committed may stand beside."""
    holes: list[str] = []
    linked: set[_Place] = set()
    async for links in _links(store, journal):
        for link in links:
            for channel, states in link.states.items():
                place = (channel, link.stock, text_id("alert", link.alert))
                linked.add(place)
                if place in told and told[place].output != tuple(text_id("state", id_) for id_ in states):
                    holes.append(f"{_said(place)}: its states are not what T1's journal says")
        found = await asyncio.gather(*(_state_holes(store, journal.run, link) for link in links))
        holes += itertools.chain.from_iterable(found)
    if not journal.inflight:
        holes += [
            f"{_said(place)} is linked and not in T1's journal" for place in sorted(linked - told.keys())
        ]
    return holes + [f"{_said(place)}: its link is missing" for place in sorted(told.keys() - linked)]


async def _links(store: Store, journal: Journal) -> AsyncIterator[list[StateLink]]:
    """Yield the links below the cut, some at once: what is looked up for them is looked up together."""
    links: list[StateLink] = []
    async for link in store.scan(StateLink, run=journal.run.id):
        if journal.covers(link.position):
            links.append(link)
        if len(links) == _AT_ONCE:
            yield links
            links = []
    yield links


async def _state_holes(store: Store, run: Run, link: StateLink) -> list[str]:
    """Check each state reached at a link: it is there, is what its id says, and its points are registered."""
    holes: list[str] = []
    emitted = sorted({id_ for ids in link.emitted.values() for id_ in ids})
    if not emitted:
        return holes
    found = await store.read(run.log, Keys(arrivals=frozenset({link.stock}), until=link.position))
    registered = {point.id for arrival in found.arrivals[link.stock] for point in arrival.alert.points}
    for id_ in emitted:
        state = await store.get(State, id=id_)
        if state is None or make_state(state.stock, state.points).id != id_ or state.stock != link.stock:
            holes.append(f"state:{id_.hex()} is missing or not the digest of its points")
        elif not registered.issuperset(state.points):
            holes.append(f"state:{id_.hex()} holds points that were not registered when it was reached")
    return holes


async def audit_results(store: Store, journal: Journal) -> list[str]:
    """Compare the states that were reached with T2's journal, what was settled, and the results."""
    job = await store.get(JobRecord, id=journal.run.job)
    instances = {name: sorted(c["analyse"]) for name, c in job.resolved["channels"].items()} if job else {}
    told = {
        (entry.channel, entry.instance, line.subject): line
        for entry in journal.of("t2")
        for line in entry.lines
    }
    holes = [
        f"{channel}.{name}: {state} is {line.outcome} without a reason"
        for (channel, name, state), line in told.items()
        if line.outcome != "ok" and not line.reason
    ]
    # What one pool has journaled may be on its way to another.
    travels = journal.waiting("t2") > 0 and any(tier.startswith(f"{TIER}.") for tier in journal.tiers)
    settled = 0
    unsettled: list[StateLink] = []

    async def look(link: StateLink, row: Settled | None, *, is_over: bool, is_done: bool = True) -> list[str]:
        looked = []
        for channel, name, id_ in _due(link, instances):
            line = told.get((channel, name, text_id("state", id_)))
            is_due = is_over or (is_done and line is not None)
            looked += await _settled_holes(store, row, (channel, name, id_), line, is_due=is_due)
        return looked

    async for links in _links(store, journal):
        some = [link for link in links if link.emitted]
        rows = await asyncio.gather(*(_settled_at(store, link) for link in some))
        there = [(link, row) for link, row in zip(some, rows, strict=True) if row is not None]
        unsettled += [link for link, row in zip(some, rows, strict=True) if row is None]
        settled += len(there)
        holes += [
            f"what was settled at {link.position} is not of the alert there"
            for link, row in there
            if row.alert != link.alert
        ]
        found = await asyncio.gather(*(look(*each, is_over=not journal.inflight) for each in there))
        holes += itertools.chain.from_iterable(found)
    lost = {link.position for link in journal.burials.unexcused("t2", unsettled, lambda link: link.stock)}
    for link in unsettled:
        is_lost = link.position in lost
        holes += await look(
            link, None, is_over=is_lost and not journal.inflight, is_done=is_lost and not travels
        )
    if len(lost) > journal.waiting("t1") + journal.waiting("t2"):
        holes.append(f"{len(lost)} alerts whose states have no settled results")
    kept = sum([journal.covers(row.position) async for row in store.scan(Settled, run=journal.run.id)])
    if kept > settled:
        holes.append(f"{kept - settled} settled rows belong to no state link")
    return holes


async def _settled_at(store: Store, link: StateLink) -> Settled | None:
    return await store.get(Settled, run=link.run, stock=link.stock, position=link.position)


def _due(link: StateLink, instances: dict[str, list[str]]) -> Iterator[tuple[str, str, Digest]]:
    """Yield channel, instance and state of each execution that a link asks for."""
    for channel, ids in link.emitted.items():
        for id_ in ids:
            for name in instances.get(channel, ()):
                yield channel, name, id_


async def _settled_holes(
    store: Store, row: Settled | None, due: tuple[str, str, Digest], line: Line | None, *, is_due: bool
) -> list[str]:
    channel, name, state = due
    said = f"{channel}.{name}: the result of state:{state.hex()}"
    entry = None if row is None else row.results.get(channel, {}).get(state, {}).get(name)
    if entry is None:
        return [f"{said} is missing"] if is_due else []
    if line is None and is_due:
        return [f"{said} is not in T2's journal"]
    if line is not None and (line.output != (text_id("result", entry.id),) or line.outcome != entry.outcome):
        return [f"{said} is not what T2's journal says"]
    return await _result_holes(store, entry, row.stock if row is not None else "")


async def _result_holes(store: Store, entry: SettledResult, stock: str) -> list[str]:
    name = text_id("result", entry.id)
    result = await store.get(Result, id=entry.id)
    if result is None:
        return [f"{name} is not in the store"]
    if execution_id(result.ref, result.inputs) != entry.id or result.stock != stock:
        return [f"{name} is not the digest of its unit and inputs, or of another stock"]
    if content_digest(result.outcome, result.content) != result.digest:
        return [f"{name} is not what its digest says"]
    # What a deadline ended for this run, another run may have completed since.
    if not entry.is_transient and (result.outcome, result.digest) != (entry.outcome, entry.digest):
        return [f"{name} is not what was settled"]
    return []


async def audit_views(store: Store, journal: Journal) -> list[str]:
    """Compare the settled states with the views that T3 made of them."""
    settled: dict[tuple[str, Position], _Seen] = {}
    async for row in store.scan(Settled, run=journal.run.id):
        for channel, by_state in row.results.items() if journal.covers(row.position) else ():
            state, results = list(by_state.items())[-1]
            told = {name: (result.id, result.outcome) for name, result in results.items()}
            settled[channel, row.position] = (row.stock, row.alert, state, told)
    views: dict[tuple[str, Position], _Seen] = {}
    async for view in store.scan(View, run=journal.run.id):
        if journal.covers(view.position):
            views[view.channel, view.position] = (view.stock, view.alert, view.state, view.results)
    holes = [
        f"{channel}: a view at {place} of nothing settled"
        for channel, place in sorted(views.keys() - settled.keys())
    ]
    holes += [
        f"{channel}: the view at {place} is not what was settled"
        for channel, place in sorted(views.keys() & settled.keys())
        if views[channel, place] != settled[channel, place]
    ]
    open_ = settled.keys() - views.keys()
    stocks = {place: settled[channel, place][0] for channel, place in open_}
    lost = set(journal.burials.unexcused("t3", sorted(stocks), lambda place: stocks[place]))
    # What T1 had not completed at the cut may have come as far as T2 since.
    if len(lost) > journal.waiting("t1") + journal.waiting("t2") + journal.waiting("t3"):
        holes += [
            f"{channel}: no view of what was settled at {place}"
            for channel, place in sorted(open_)
            if place in lost
        ]
    return holes


def _said(place: _Place) -> str:
    channel, stock, alert = place
    return f"{channel}: {alert} of {stock}"

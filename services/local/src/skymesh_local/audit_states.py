"""The second part of an audit: every alert that a filter accepted has its verdict, and its states."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator

from skymesh.model.execution import Line
from skymesh.model.ids import text_id
from skymesh.model.run import Run
from skymesh.model.state import State, StateLink, Verdict, make_state
from skymesh.store.store import Keys, Store
from skymesh_local.audit_journal import Journal

_AT_ONCE = 32

_Place = tuple[str, str, str]
"""Channel, stock and alert."""


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
    if extra < 0 or (extra and not journal.undecided):
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
    async for links in iter_links(store, journal):
        for link in links:
            for channel, states in link.states.items():
                place = (channel, link.stock, text_id("alert", link.alert))
                linked.add(place)
                if place in told and told[place].output != tuple(text_id("state", id_) for id_ in states):
                    holes.append(f"{_said(place)}: its states are not what T1's journal says")
        found = await asyncio.gather(*(_state_holes(store, journal.run, link) for link in links))
        holes += itertools.chain.from_iterable(found)
    if not journal.undecided:
        holes += [
            f"{_said(place)} is linked and not in T1's journal" for place in sorted(linked - told.keys())
        ]
    return holes + [f"{_said(place)}: its link is missing" for place in sorted(told.keys() - linked)]


async def iter_links(store: Store, journal: Journal) -> AsyncIterator[list[StateLink]]:
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


def _said(place: _Place) -> str:
    channel, stock, alert = place
    return f"{channel}: {alert} of {stock}"

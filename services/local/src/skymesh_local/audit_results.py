"""The third part of an audit: every state that was reached has its results, and its view."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import NamedTuple

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
from skymesh.model.run import JobRecord
from skymesh.model.state import StateLink
from skymesh.store.store import Store
from skymesh_local.audit_journal import Journal
from skymesh_local.audit_states import iter_links


class _Told(NamedTuple):
    """What a job asks for, and what T2's journal says of it.

    Attributes
    ----------
    instances
        channel → names of its analysers.
    lines
        channel, instance and state → the execution.
    """

    instances: dict[str, list[str]]
    lines: dict[tuple[str, str, str], Line]


class _Seen(NamedTuple):
    """What T3 keeps of a channel's newest state of a stock at a position."""

    stock: str
    alert: Digest
    state: Digest
    results: Mapping[str, tuple[Digest, Outcome]]


async def audit_results(store: Store, journal: Journal) -> list[str]:
    """Compare the states that were reached with T2's journal, what was settled, and the results.

    T3 keeps what was settled as it views a state: a row is due of all that it has viewed.
    """
    told = await _told(store, journal)
    holes = [
        f"{channel}.{name}: {state} is {line.outcome} without a reason"
        for (channel, name, state), line in told.lines.items()
        if line.outcome != "ok" and not line.reason
    ]
    settled = 0
    unsettled: list[StateLink] = []
    async for links in iter_links(store, journal):
        some = [link for link in links if link.emitted]
        rows = await asyncio.gather(*(_settled_at(store, link) for link in some))
        there = [(link, row) for link, row in zip(some, rows, strict=True) if row is not None]
        unsettled += [link for link, row in zip(some, rows, strict=True) if row is None]
        settled += sum(journal.is_due(row.results) for _, row in there)
        found = await asyncio.gather(*(_row_holes(store, journal, told, *each) for each in there))
        holes += [hole for of_row in found for hole in of_row]
    open_ = {(channel, id_) for link in unsettled for channel, ids in link.emitted.items() for id_ in ids}
    elsewhere: set[tuple[str, Digest]] = set()
    async for row in store.scan(Settled, run=journal.run.id):
        settled -= journal.covers(row.position) and journal.is_due(row.results)
        elsewhere |= {(channel, id_) for channel, states in row.results.items() for id_ in states} & open_
    if settled < 0:
        holes.append(f"{-settled} settled rows belong to no state link")
    return holes + _unsettled_holes(journal, unsettled, elsewhere)


async def _told(store: Store, journal: Journal) -> _Told:
    job = await store.get(JobRecord, id=journal.run.job)
    channels = job.resolved["channels"] if job else {}
    lines = {
        (entry.channel, entry.instance, line.subject): line
        for entry in journal.of("t2")
        for line in entry.lines
    }
    return _Told({name: sorted(spec["analyse"]) for name, spec in channels.items()}, lines)


async def _settled_at(store: Store, link: StateLink) -> Settled | None:
    return await store.get(Settled, run=link.run, stock=link.stock, position=link.position)


def _unsettled_holes(
    journal: Journal, unsettled: list[StateLink], elsewhere: set[tuple[str, Digest]]
) -> list[str]:
    """Say at which links nothing was settled that T3 has viewed, or that is not on its way either.

    T3 may have viewed a state at another alert: where a dead letter was sent again, two links tell of it.
    """

    def is_viewed(link: StateLink) -> bool:
        own = {
            name: [id_ for id_ in ids if (name, id_) not in elsewhere] for name, ids in link.emitted.items()
        }
        return journal.has_viewed(own)

    lost = sorted(unsettled, key=is_viewed)
    for tier in ("t2", "t3"):
        lost = journal.burials.unexcused(tier, lost, lambda link: link.stock)
    if sum(not is_viewed(link) for link in lost) <= sum(map(journal.waiting, ("t1", "t2", "t3"))):
        lost = [link for link in lost if is_viewed(link)]
    return [f"what was settled of {link.stock} at {link.position} is missing" for link in lost]


async def _row_holes(store: Store, journal: Journal, told: _Told, link: StateLink, row: Settled) -> list[str]:
    holes = []
    if row.alert != link.alert:
        holes.append(f"what was settled at {link.position} is not of the alert there")
    is_due = journal.is_due(link.emitted)
    for channel, name, state in _executions(link, told.instances):
        said = f"{channel}.{name}: the result of {text_id('state', state)}"
        entry = row.results.get(channel, {}).get(state, {}).get(name)
        line = told.lines.get((channel, name, text_id("state", state)))
        if entry is None:
            holes += [f"{said} is missing"] if is_due else []
        elif line is None and is_due:
            holes.append(f"{said} is not in T2's journal")
        elif line and (line.output != (text_id("result", entry.id),) or line.outcome != entry.outcome):
            holes.append(f"{said} is not what T2's journal says")
        else:
            holes += await _result_holes(store, entry, row.stock)
    return holes


def _executions(link: StateLink, instances: dict[str, list[str]]) -> Iterator[tuple[str, str, Digest]]:
    """Yield channel, instance and state of each execution that a link asks for."""
    for channel, ids in link.emitted.items():
        for id_ in ids:
            for name in instances.get(channel, ()):
                yield channel, name, id_


async def _result_holes(store: Store, entry: SettledResult, stock: str) -> list[str]:
    name = text_id("result", entry.id)
    result = await store.get(Result, id=entry.id)
    if result is None:
        return [f"{name} is not in the store"]
    if execution_id(result.ref, result.inputs) != entry.id or result.stock != stock:
        return [f"{name} is not the digest of its unit and inputs, or of another stock"]
    if content_digest(result.outcome, result.content) != result.digest:
        return [f"{name} is not what its digest says"]
    # What a deadline ended for this run, another attempt or run may have completed since.
    if not entry.is_transient and (result.outcome, result.digest) != (entry.outcome, entry.digest):
        return [f"{name} is not what was settled"]
    return []


async def audit_views(store: Store, journal: Journal) -> list[str]:
    """Compare what T3 keeps of each state that it has viewed: what was settled, and the view."""
    settled: dict[tuple[str, Position], _Seen] = {}
    async for row in store.scan(Settled, run=journal.run.id):
        for channel, by_state in row.results.items() if journal.covers(row.position) else ():
            state, results = list(by_state.items())[-1]
            told = {name: (result.id, result.outcome) for name, result in results.items()}
            settled[channel, row.position] = _Seen(row.stock, row.alert, state, told)
    views: dict[tuple[str, Position], _Seen] = {}
    async for view in store.scan(View, run=journal.run.id):
        if journal.covers(view.position):
            views[view.channel, view.position] = _Seen(view.stock, view.alert, view.state, view.results)
    holes = []
    # Of what T3 is at work on, one may be written and the other not, or not when it was looked for.
    for channel, place in sorted(settled.keys() | views.keys()):
        one, other = settled.get((channel, place)), views.get((channel, place))
        if one is not None and other is not None:
            holes += [] if one == other else [f"{channel}: the view at {place} is not what was settled"]
        elif one is not None and journal.is_due({channel: (one.state,)}):
            holes.append(f"{channel}: no view of what was settled at {place}")
        elif other is not None and journal.is_due({channel: (other.state,)}):
            holes.append(f"{channel}: a view at {place} of nothing settled")
    return [*holes, *_unviewed_holes(journal, settled)]


def _unviewed_holes(journal: Journal, settled: Mapping[tuple[str, Position], _Seen]) -> Iterator[str]:
    """Yield what was settled though T3's journal does not say so; what is in flight it cannot say yet."""
    unseen = [
        (channel, place)
        for (channel, place), seen in settled.items()
        if not journal.undecided and not journal.has_viewed({channel: (seen.state,)})
    ]
    for channel, place in journal.burials.unexcused("t3", unseen, lambda key: settled[key].stock):
        yield f"{channel}: what was settled at {place} is not in T3's journal"

"""The second half of an audit: every accepted alert has its states, every state its results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skymesh.model.execution import JournalEntry, Result, Settled, View, content_digest
from skymesh.model.ids import Digest, text_id
from skymesh.model.position import Position
from skymesh.model.run import JobRecord, Run
from skymesh.model.state import State, StateLink, Verdict, make_state
from skymesh.store.store import Keys, Store

if TYPE_CHECKING:
    from skymesh_local.audit import Journal


async def audit_verdicts(store: Store, run: Run, entries: list[JournalEntry], inflight: int) -> list[str]:
    """Compare the verdict rows with what T0's journal says each filter accepted."""
    said: dict[str, set[str]] = {}
    for entry in entries:
        if entry.channel:
            accepted = {
                line.subject
                for line in entry.lines
                if line.outcome == "accepted" and line.reason != "followed"
            }
            said.setdefault(entry.channel, set()).update(accepted)
    kept: dict[str, int] = {}
    async for row in store.scan(Verdict, run=run.id):
        for channel in row.channels:
            kept[channel] = kept.get(channel, 0) + 1
    return [
        f"{channel}: the filter accepted {len(said.get(channel, ()))} alerts, {kept.get(channel, 0)} are kept"
        for channel in sorted(said.keys() | kept.keys())
        if kept.get(channel, 0) < len(said.get(channel, ()))
        or (not inflight and kept.get(channel, 0) > len(said.get(channel, ())))
    ]


async def audit_states(store: Store, run: Run, journal: Journal) -> list[str]:
    """Compare T0's accepted alerts, T1's journal, the links and the states."""
    accepted = {
        (entry.channel, line.subject)
        for entry in journal.of("t0")
        if entry.channel
        for line in entry.lines
        if line.outcome == "accepted"
    }
    told = {(entry.channel, line.subject): line for entry in journal.of("t1") for line in entry.lines}
    holes = [
        f"{channel}: accepted {alert} has no state link" for channel, alert in sorted(accepted - told.keys())
    ]
    waiting = journal.ends["t1"] - journal.completed["t1"]
    if waiting and len({alert for _, alert in accepted - told.keys()}) <= waiting:
        holes = []
    holes += [
        f"{channel}: {alert} has a state, but was not accepted"
        for channel, alert in sorted(told.keys() - accepted)
    ]
    linked: set[tuple[str, str]] = set()
    async for link in store.scan(StateLink, run=run.id):
        alert = text_id("alert", link.alert)
        for channel, states in link.states.items():
            line = told.get((channel, alert))
            linked.add((channel, alert))
            if line is not None and line.output != tuple(text_id("state", state) for state in states):
                holes.append(f"{channel}: the states of {alert} are not what T1's journal says")
        holes += await _state_holes(store, run, link)
    holes += [f"{channel}: the link of {alert} is missing" for channel, alert in sorted(told.keys() - linked)]
    holes += [
        f"{c}: {alert} failed without a reason"
        for (c, alert), line in told.items()
        if line.outcome == "failed" and not line.reason
    ]
    return holes


async def _state_holes(store: Store, run: Run, link: StateLink) -> list[str]:
    """Check each state reached at a link: it is there, is what its id says, and its points are registered."""
    holes = []
    emitted = {id_ for ids in link.emitted.values() for id_ in ids}
    registered: set[Digest] | None = None
    for id_ in sorted(emitted):
        state = await store.get(State, id=id_)
        if state is None or make_state(state.stock, state.points).id != id_ or state.stock != link.stock:
            holes.append(f"state:{id_.hex()} is missing or not the digest of its points")
            continue
        if registered is None:
            keys = Keys(arrivals=frozenset({link.stock}), until=link.position)
            found = (await store.read(run.log, run.id, keys)).arrivals[link.stock]
            registered = {point.id for arrival in found for point in arrival.alert.points}
        if not registered.issuperset(state.points):
            holes.append(f"state:{id_.hex()} holds points that were not registered when it was reached")
    return holes


async def audit_results(store: Store, run: Run, journal: Journal) -> list[str]:
    """Compare the states that were reached with T2's journal, what was settled, and the results."""
    job = await store.get(JobRecord, id=run.job)
    instances = {name: set(c["analyse"]) for name, c in job.resolved["channels"].items()} if job else {}
    told = {
        (entry.channel, entry.instance, line.subject): line
        for entry in journal.of("t2")
        if entry.ref is not None
        for line in entry.lines
    }
    holes = [
        f"{c}.{i}: {state} is {line.outcome} without a reason"
        for (c, i, state), line in told.items()
        if line.outcome != "ok" and not line.reason
    ]
    settled = 0
    async for link in store.scan(StateLink, run=run.id):
        if not link.emitted:
            continue
        row = await store.get(Settled, run=run.id, position=link.position)
        lines_here = [
            (channel, name, text_id("state", id_))
            for channel, ids in link.emitted.items()
            for id_ in ids
            for name in sorted(instances.get(channel, ()))
        ]
        if row is None:
            if any(place in told for place in lines_here) or journal.inflight == 0:
                holes.append(f"{link.stock} at {link.position}: its states have no settled results")
            continue
        settled += 1
        for channel, name, state in lines_here:
            entry = (
                row.results.get(channel, {}).get(Digest(bytes.fromhex(state.partition(":")[2])), {}).get(name)
            )
            line = told.get((channel, name, state))
            if entry is None:
                holes.append(f"{channel}.{name}: {state} has no result")
            elif line is None and journal.inflight == 0:
                holes.append(f"{channel}.{name}: the result of {state} is not in T2's journal")
            elif line is not None and (
                line.output != (text_id("result", entry[0]),) or line.outcome != entry[1]
            ):
                holes.append(f"{channel}.{name}: the result of {state} is not what T2's journal says")
            if entry is not None:
                holes += await _result_holes(store, entry)
    rows = await store.count(Settled, run=run.id)
    if rows > settled:
        holes.append(f"{rows - settled} settled rows belong to no state link")
    return holes


async def _result_holes(store: Store, entry: tuple[Digest, str, Digest]) -> list[str]:
    id_, outcome, digest = entry
    result = await store.get(Result, id=id_)
    if result is None:
        return [f"result:{id_.hex()} is missing"]
    if content_digest(result.outcome, result.content) != result.digest:
        return [f"result:{id_.hex()} is not what its digest says"]
    if not result.is_transient and (result.outcome, result.digest) != (outcome, digest):
        return [f"result:{id_.hex()} is not what was settled"]
    return []


async def audit_views(store: Store, run: Run, journal: Journal) -> list[str]:
    """Compare the settled states with the views that T3 made of them."""
    waiting = journal.inflight
    holes, views = [], set()
    async for view in store.scan(View, run=run.id):
        views.add((view.channel, view.position))
    settled: set[tuple[str, Position]] = set()
    async for row in store.scan(Settled, run=run.id):
        settled.update((channel, row.position) for channel in row.results)
    if len(settled - views) > waiting:
        holes += [
            f"{channel}: no view of what was settled at {place}" for channel, place in sorted(settled - views)
        ]
    holes += [
        f"{channel}: a view at {place} of nothing settled" for channel, place in sorted(views - settled)
    ]
    return holes

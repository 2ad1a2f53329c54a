"""From any id back to the packets: what made it, from what, with which version and config."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from skymesh.errors import NotFoundError
from skymesh.model.alert import Arrival
from skymesh.model.execution import JournalEntry, Result, count_lines
from skymesh.model.ids import Digest, parse_id
from skymesh.model.retention import Gone
from skymesh.model.run import (
    ConfigRecord,
    DeadLetter,
    JobRecord,
    Log,
    Product,
    ResourceRecord,
    Run,
    SourceCount,
)
from skymesh.runtime.expired import expiries_of
from skymesh.store.store import Store
from skymesh_local.expired import describe_expiry, expired_decisions, stamps_expiry
from skymesh_local.lineage import expired_places, result_lineage, results_lineage, results_of, state_lineage
from skymesh_local.objects import (
    Sight,
    describe_alert,
    describe_point,
    plain,
    sight_of,
    state_links,
    unseen,
)
from skymesh_local.reactions import describe_intent, intents_of


async def trace(store: Store, text: str, channel: str) -> dict[str, Any]:
    """Return where an id comes from, in plain values.

    Raises
    ------
    NotFoundError
        If the text is no id, or there is nothing under it that may be seen.
    """
    sight = await sight_of(store, channel)
    kind, id_ = parse_id(text)
    if kind not in _TRACES:
        raise NotFoundError(f"ids of this kind are not traced; traced are: {', '.join(_TRACES)}", where=text)
    found = await _TRACES[kind](store, id_, sight)
    if found is None:
        raise unseen(text)
    told: dict[str, Any] = plain(found)
    return told


async def _reaction(store: Store, id_: Digest, sight: Sight) -> dict[str, Any] | None:
    intents = await intents_of(store, sight, id=id_)
    if not intents:
        return None
    config = await store.get(ConfigRecord, id=intents[0].ref.config)
    told = []
    for intent in intents:
        given = [result for result, _ in intent.results.values()]
        earlier = [result for result in results_of(intent.inputs) if result not in given]
        told.append(
            {
                **await describe_intent(store, intent),
                "from": await state_lineage(store, intent.state, sight),
                "given": await results_lineage(store, given, sight),
                "earlier": await results_lineage(store, earlier, sight),
            }
        )
    return {
        "id": f"reaction:{id_.hex()}",
        "parameters": None if config is None else config.parameters,
        "told": told,
    }


async def _result(store: Store, id_: Digest, sight: Sight) -> dict[str, Any] | None:
    told = await result_lineage(store, id_, sight)
    result = None if told is not None else await store.get(Result, id=id_)
    if result is not None:
        # Who may see it is told by where it was settled.
        for expired in await expired_places(store, result, sight):
            raise NotFoundError(
                f"for whom it was settled expired on {expired['expired_utc']} (class {expired['class']})",
                where=f"result:{id_.hex()}",
            )
    return told


async def _point(store: Store, id_: Digest, sight: Sight) -> dict[str, Any] | None:
    arrivals = await store.arrivals_with_point(id_)
    point = next((p for arrival in arrivals for p in arrival.alert.points if p.id == id_), None)
    if point is None or not sight.sees(point.labels):
        return None
    seen = [arrival for arrival in arrivals if sight.sees(arrival.trigger_labels)]
    stocks = sorted({arrival.stock for arrival in seen})
    return {
        **describe_point(point),
        "stocks": stocks,
        "packets": [describe_alert(arrival, sight) for arrival in seen],
    }


async def _alert(store: Store, id_: Digest, sight: Sight) -> dict[str, Any] | None:
    arrivals = [a async for a in store.scan(Arrival, alert=id_) if sight.sees(a.trigger_labels)]
    if not arrivals:
        return None
    links = await state_links(store, arrivals[0].stock)
    states = [
        {
            "run": f"run:{run.id.hex()}",
            "channel": channel,
            "states": [f"state:{state.hex()}" for state in states],
        }
        for run, link in links
        if link.alert == id_
        for channel, states in link.states.items()
        if sight.is_own(channel)
    ]
    points = {p.id: p for a in arrivals for p in a.alert.points if sight.sees(p.labels)}
    return {
        **describe_alert(arrivals[0], sight),
        "arrivals": [describe_alert(arrival, sight) for arrival in arrivals],
        "registered": [describe_point(point) for point in points.values()],
        "states": states,
        "expired": await expired_decisions(store, sight, arrivals),
    }


async def _config(store: Store, id_: Digest, sight: Sight) -> dict[str, Any] | None:
    config = await store.get(ConfigRecord, id=id_)
    if config is None:
        return None
    uses = []
    async for job in store.scan(JobRecord):
        uses += [f"{job.name}: {place}" for place, ref in _units(job.resolved) if ref == config.parameters]
    return {
        "id": f"config:{id_.hex()}",
        "parameters": config.parameters,
        "used_by": uses if not sight.channel else [],
    }


def _units(resolved: Any, place: str = "") -> list[tuple[str, Any]]:
    if not isinstance(resolved, dict):
        return []
    found = [(place.lstrip("."), resolved["config"])] if "unit" in resolved and "config" in resolved else []
    for key, value in resolved.items():
        found += _units(value, f"{place}.{key}")
    return found


async def _catalogue(store: Store, id_: Digest, sight: Sight) -> dict[str, Any] | None:
    """Return where a catalogue lay, and the jobs that use it; a channel sees those of its own jobs."""
    record = await store.get(ResourceRecord, id=id_)
    uses = []
    async for job in store.scan(JobRecord):
        names = [n for n, spec in job.resolved.get("resources", {}).items() if spec["catalogue"] == id_]
        if names and (not sight.channel or sight.channel in job.resolved["channels"]):
            uses.append({"job": f"job:{job.id.hex()}", "name": job.name, "as": names})
    if record is None or not uses:
        return None
    return {"id": f"catalogue:{id_.hex()}", "kind": record.kind, "path": record.path, "used_by": uses}


async def _job(store: Store, id_: Digest, sight: Sight) -> dict[str, Any] | None:
    job = await store.get(JobRecord, id=id_)
    if job is None or (sight.channel and sight.channel not in job.resolved["channels"]):
        return None
    resolved = dict(job.resolved)
    if sight.channel:
        resolved = {"name": job.name, "channels": {sight.channel: resolved["channels"][sight.channel]}}
    runs = [f"run:{run.id.hex()}" async for run in store.scan(Run, job=id_)]
    return {"id": f"job:{id_.hex()}", "name": job.name, "resolved": resolved, "runs": runs}


async def _run(store: Store, id_: Digest, sight: Sight) -> dict[str, Any] | None:
    run = await store.get(Run, id=id_)
    if run is None or await _job(store, run.job, sight) is None:
        return None
    told: dict[str, Any] = {
        "id": f"run:{id_.hex()}",
        "job": f"job:{run.job.hex()}",
        "name": run.name,
        "origin": run.origin,
        "encoding": run.encoding,
    }
    if not sight.channel:
        told["log"] = f"log:{run.log.hex()}"
        # What a run that goes on has read so far, an audit counts.
        if run.ends or await store.get(Log, id=run.log) is not None:
            told |= {"read": run.read, "published": run.published, "dead": run.dead}
            told["sources"] = [
                {"name": s.name, "read": s.read, "published": s.published, "dead": s.dead}
                async for s in store.scan(SourceCount, run=id_)
            ]
        told["dead_letters"] = [
            {"packet": d.place, "code": d.code, "reason": d.reason}
            async for d in store.scan(DeadLetter, run=id_)
        ]
    products = [p async for p in store.scan(Product, run=id_) if sight.sees(p.labels)]
    told["products"] = [
        {"name": p.name, "size_bytes": p.size_bytes, "blake2b": p.digest.hex(), "labels": list(p.labels)}
        for p in products
    ]
    told["expired"] = [describe_expiry(expired) for expired in await expiries_of(store, id_)]
    return told


async def _journal(store: Store, id_: Digest, sight: Sight) -> dict[str, Any] | None:
    entries = [entry async for entry in store.scan(JournalEntry, id=id_) if sight.is_own(entry.channel)]
    if not entries:
        return await _expired_entry(store, id_, sight)
    entry = entries[0]
    lines = tuple(line for line in entry.lines if not sight.channel or line.reason != "not_visible")
    told: dict[str, Any] = {
        "id": f"journal:{id_.hex()}",
        "run": f"run:{entry.run.hex()}",
        "tier": entry.tier,
        "channel": entry.channel,
        "instance": entry.instance,
        "unit": None if entry.ref is None else entry.ref.unit,
        "version": None if entry.ref is None else entry.ref.version,
        "config": None if entry.ref is None else f"config:{entry.ref.config.hex()}",
        "code": None if entry.ref is None else entry.ref.code.hex(),
        "started_utc": entry.started_utc,
        "seconds": entry.seconds,
        "cpu_s": entry.cpu_s,
        "counts": count_lines(lines),
        "lines": [
            {
                "subject": line.subject,
                "stock": line.stock,
                "output": list(line.output),
                "outcome": line.outcome,
                "reason": line.reason,
            }
            for line in lines
        ],
    }
    if not sight.channel:
        told["offsets"] = [entry.partition, entry.first, entry.end]
    return told


async def _expired_entry(store: Store, id_: Digest, sight: Sight) -> dict[str, Any] | None:
    gone = await store.get(Gone, id=id_)
    if gone is None or not sight.is_own(gone.channel):
        return None
    expiries = [e for e in await expiries_of(store, gone.owner) if e.retention == gone.retention]
    return {"id": f"journal:{id_.hex()}", "expired": [describe_expiry(expired) for expired in expiries]}


async def _cutout(store: Store, id_: Digest, sight: Sight) -> dict[str, Any] | None:
    leading = [arrival async for arrival in store.scan(Arrival) if arrival.alert.cutouts == id_]
    owners = [arrival for arrival in leading if sight.sees(arrival.trigger_labels)]
    stamps = await store.read_cutouts(id_) if owners else None
    expired = await stamps_expiry(store, leading) if owners and stamps is None else None
    if stamps is None and expired is None:
        return None
    return {
        "id": f"cutout:{id_.hex()}",
        "size_bytes": None if stamps is None else len(stamps),
        "alerts": [describe_alert(arrival, sight) for arrival in owners],
        "expired": [] if expired is None else [_without_log(describe_expiry(expired), sight)],
    }


def _without_log(told: dict[str, Any], sight: Sight) -> dict[str, Any]:
    return {key: value for key, value in told.items() if key != "of" or not sight.channel}


_TRACES: dict[str, Callable[[Store, Digest, Sight], Awaitable[dict[str, Any] | None]]] = {
    "alert": _alert,
    "point": _point,
    "state": state_lineage,
    "result": _result,
    "reaction": _reaction,
    "config": _config,
    "job": _job,
    "run": _run,
    "journal": _journal,
    "cutout": _cutout,
    "catalogue": _catalogue,
}

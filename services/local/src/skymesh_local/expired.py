"""What has expired of an object, a run or image stamps, as those who look are told."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from skymesh.model.alert import Arrival
from skymesh.model.ids import Digest, text_id
from skymesh.model.retention import Expired, Retention
from skymesh.model.run import JobRecord, Run
from skymesh.runtime.expired import expiries_of
from skymesh.store.store import Store
from skymesh_local.objects import Sight

DECISIONS: frozenset[Retention] = frozenset({"decisions"})


def describe_expiry(expired: Expired) -> dict[str, Any]:
    """Return what has expired in plain values."""
    kind = "log" if expired.retention == "packets" else "run"
    return {
        "class": expired.retention,
        "of": text_id(kind, expired.owner),
        "expired_utc": expired.expired_utc,
        "why": expired.why,
    }


async def expired_decisions(
    store: Store, sight: Sight, arrivals: Iterable[Arrival], classes: Collection[Retention] = DECISIONS
) -> list[dict[str, Any]]:
    """Return what has expired of the runs over the logs of some arrivals; a channel sees its own runs."""
    logs, told = {arrival.log for arrival in arrivals}, []
    async for run in store.scan(Run):
        if run.log in logs and await is_own_run(store, run, sight):
            told += [describe_expiry(e) for e in await expiries_of(store, run.id) if e.retention in classes]
    return told


async def is_own_run(store: Store, run: Run, sight: Sight) -> bool:
    """Return whether a run is of a job with the channel that looks."""
    job = await store.get(JobRecord, id=run.job) if sight.channel else None
    return not sight.channel or (job is not None and sight.channel in job.resolved["channels"])


async def stamps_expiry(store: Store, arrivals: Iterable[Arrival]) -> Expired | None:
    """Return when image stamps expired, to which only these arrivals lead; None if they have not."""
    found: list[Expired] = []
    for arrival in arrivals:
        covering = await _covering(store, arrival)
        if covering is None:
            return None
        found.append(covering)
    return max(found, key=lambda expired: expired.expired_utc, default=None)


async def _covering(store: Store, arrival: Arrival) -> Expired | None:
    expiries = await packet_expiries(store, arrival.log)
    return next((expired for expired in expiries if expired.covers(arrival.position)), None)


async def packet_expiries(store: Store, log: Digest) -> list[Expired]:
    """Return what has expired of the packets and image stamps of a log."""
    return [expired for expired in await expiries_of(store, log) if expired.retention == "packets"]

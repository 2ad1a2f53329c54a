"""Reading objects back from a store: their alerts, points, states and results, as one may see them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from itertools import chain, repeat
from typing import Any, NamedTuple

from skymesh.errors import NotFoundError
from skymesh.model.access import Labels, is_visible
from skymesh.model.alert import Arrival
from skymesh.model.execution import Result, Settled
from skymesh.model.ids import Digest
from skymesh.model.point import DataPoint, raw_values
from skymesh.model.position import Position
from skymesh.model.run import Run
from skymesh.model.state import State, StateLink
from skymesh.store.store import Keys, Store
from skymesh.surveys import registry
from skymesh_local.find import find_grants, find_logs

UNSEEN = "nothing of this name here, or nothing that may be seen"
"""Said alike of what is not there and of what is hidden."""

_END = Position(2**32 - 1, 2**32 - 1, 2**64 - 1)


class Sight(NamedTuple):
    """Who looks.

    Attributes
    ----------
    channel
        Full name of the channel; empty for the operator of the store, who sees everything.
    grants
        The labels it is granted.
    """

    channel: str
    grants: Labels

    def sees(self, labels: Iterable[str]) -> bool:
        """Return whether what carries these labels is visible."""
        return not self.channel or is_visible(labels, self.grants)

    def sees_all_of(self, survey: str) -> bool:
        """Return whether every label of a survey is granted, as its aggregates need."""
        return not self.channel or self.grants >= registry.get(survey).labels

    def is_own(self, channel: str) -> bool:
        """Return whether what a channel did is shown."""
        return not self.channel or channel == self.channel


class Seen(NamedTuple):
    """What somebody sees of one stock.

    Attributes
    ----------
    sight
        Who looks.
    alerts, points
        Ids of the alerts, and of the points, that may be seen.
    """

    sight: Sight
    alerts: frozenset[Digest]
    points: frozenset[Digest]

    @classmethod
    def of(cls, arrivals: Iterable[Arrival], sight: Sight) -> Seen:
        """Return what is seen of a stock with these arrivals."""
        rows = list(arrivals)
        points = {point.id: point.labels for row in rows for point in row.alert.points}
        return cls(
            sight,
            frozenset(row.alert.id for row in rows if sight.sees(row.trigger_labels)),
            frozenset(id_ for id_, labels in points.items() if sight.sees(labels)),
        )

    def includes(self, alert: Digest, state: State | None) -> bool:
        """Return whether what was done with a state at an alert is seen: the alert, and all the points."""
        if not self.sight.channel:
            return True
        return state is not None and alert in self.alerts and self.points.issuperset(state.points)


async def sight_of(store: Store, channel: str) -> Sight:
    """Return what a channel may see; without one, what the operator sees.

    Raises
    ------
    SettingsError
        If there is no such channel, or several of that short name.
    """
    return Sight(*await find_grants(store, channel)) if channel else Sight("", frozenset())


async def arrivals_of(store: Store, stock: str) -> list[Arrival]:
    """Return all arrivals of a stock, log by log."""
    rows: list[Arrival] = []
    for log in await find_logs(store):
        rows += [arrival async for arrival in store.scan(Arrival, log=log, stock=stock)]
    return rows


async def points_of(store: Store, state: State) -> tuple[DataPoint, ...]:
    """Return the points of a state, in order of time.

    Raises
    ------
    NotFoundError
        If points of it are not in the store any more.
    """
    known = {
        point.id: point for arrival in await arrivals_of(store, state.stock) for point in arrival.alert.points
    }
    lost = [id_ for id_ in state.points if id_ not in known]
    if lost:
        raise NotFoundError(
            f"{len(lost)} points of the state are not in the store", where=f"state:{state.id.hex()}"
        )
    return tuple(sorted((known[id_] for id_ in state.points), key=lambda point: (point.mjd_tai, point.id)))


async def state_links(store: Store, stock: str) -> list[tuple[Run, StateLink]]:
    """Return the links of a stock's alerts to states, run by run."""
    found = []
    async for run in store.scan(Run):
        keys = Keys(links=frozenset({(run.id, stock)}), until=_END)
        found += [(run, link) for link in (await store.read(run.log, keys)).links[run.id, stock]]
    return found


async def settled_of(
    store: Store, links: Iterable[tuple[Run, StateLink]]
) -> AsyncIterator[tuple[Run, Settled]]:
    """Yield what was settled at links that reached a state."""
    for run, link in links:
        if link.emitted:
            settled = await store.get(Settled, run=run.id, stock=link.stock, position=link.position)
            if settled is not None:
                yield run, settled


async def results_by_id(store: Store, ids: Iterable[Digest]) -> dict[Digest, Result]:
    """Return results; those that were not kept (ended by their deadline) are left out."""
    found = {}
    for id_ in ids:
        result = await store.get(Result, id=id_)
        if result is not None:
            found[id_] = result
    return found


def describe_point(point: DataPoint) -> dict[str, Any]:
    """Return a point in plain values."""
    return {
        "id": f"point:{point.id.hex()}",
        "survey": point.survey,
        "kind": point.kind,
        "native": point.native,
        "labels": list(point.labels),
        "mjd_tai": point.mjd_tai,
        "is_triggering": point.is_triggering,
        "is_withdrawn": point.is_withdrawn,
        "values": registry.values_of(point, raw_values(point)),
    }


def describe_alert(arrival: Arrival, sight: Sight) -> dict[str, Any]:
    """Return an alert's arrival in plain values, as far as it may be seen."""
    alert = arrival.alert
    described: dict[str, Any] = {
        "id": f"alert:{alert.id.hex()}",
        "survey": alert.survey,
        "native": alert.native,
        "stock": alert.stock,
        "trigger": f"point:{arrival.trigger.hex()}",
        "labels": list(arrival.trigger_labels),
        "is_duplicate": arrival.is_duplicate,
        "packet": str(alert.source),
        "cutout": None if alert.cutouts is None else f"cutout:{alert.cutouts.hex()}",
        "attributes": alert.attributes,
        "values": alert.values,
    }
    if sight.sees_all_of(alert.survey):
        described["aggregates"] = alert.aggregates
    if not sight.channel:
        # Offsets count the alerts of everyone, and the digest of a record covers hidden points.
        described["log"] = f"log:{arrival.log.hex()}"
        described["record"] = f"record:{alert.record.hex()}"
        described["position"] = str(arrival.position)
    return described


def describe_result(result: Result, sight: Sight) -> dict[str, Any]:
    """Return a result in plain values."""
    described: dict[str, Any] = {
        "id": f"result:{result.id.hex()}",
        "stock": result.stock,
        "unit": result.ref.unit,
        "version": result.ref.version,
        "config": f"config:{result.ref.config.hex()}",
        "code": result.ref.code.hex(),
        "outcome": result.outcome,
        "reason": result.reason,
        "content": plain(result.content),
        "inputs": {name: plain_entry(entry) for name, entry in result.inputs.items()},
        "seconds": result.seconds,
    }
    if not sight.channel:
        described["run"] = f"run:{result.run.hex()}"
        described["position"] = str(result.position)
    return described


# What the first digest in an entry is one of; a further one is a config's.
_ENTRY_KINDS = {
    "state": "state", "points": "state", "curve": "state", "view": "state", "result": "result",
    "reaction": "reaction", "point": "point", "cutouts": "cutout", "catalogue": "catalogue",
}  # fmt: skip


def plain_entry(entry: Any) -> list[Any]:
    """Return an input as it entered the id, with ids as text."""
    tag, *rest = entry
    if tag == "results":
        return [tag, *([name, f"result:{bytes(id_).hex()}", outcome] for name, id_, outcome in rest[0])]
    if tag == "catalogues":
        return [tag, *([name, f"catalogue:{bytes(digest).hex()}"] for name, digest in rest[0])]
    kinds = chain([_ENTRY_KINDS.get(tag, "config")], repeat("config"))
    return [tag, *(f"{next(kinds)}:{item.hex()}" if isinstance(item, bytes) else item for item in rest)]


def plain(value: Any) -> Any:
    """Return a value for JSON: bytes as hex digits, NaN and infinities as None."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, dict):
        return {str(plain(key)): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def unseen(name: str) -> NotFoundError:
    """Return the error for what is not there or may not be seen: the same for both."""
    return NotFoundError(UNSEEN, where=name)

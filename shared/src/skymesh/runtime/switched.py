"""What the markers of a live log say of runs, as T0 has met them."""

from __future__ import annotations

from skymesh.model.deployment import PlacedMarker, runs_on
from skymesh.model.ids import Digest
from skymesh.store.store import Store


async def switched_on(store: Store, log: Digest, partitions: int) -> tuple[Digest, ...]:
    """Return the runs that are on in any partition of a log, as far as T0 has read, remembered or not."""
    found: dict[Digest, None] = {}
    for number in range(partitions):
        markers = store.scan(PlacedMarker, log=log, partition=number)
        found |= dict.fromkeys(runs_on([placed async for placed in markers]))
    return tuple(found)

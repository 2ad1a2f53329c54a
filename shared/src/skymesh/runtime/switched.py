"""What the markers of a live log say of runs, as T0 has met them."""

from __future__ import annotations

from skymesh.model.deployment import Epoch, PlacedMarker, runs_on
from skymesh.model.ids import Digest
from skymesh.store.store import Store


async def switched_on(store: Store, epoch: Epoch) -> tuple[Digest, ...]:
    """Return the runs that are on in any partition of an epoch, as far as T0 has read, remembered or not."""
    found: dict[Digest, None] = {}
    for number in epoch.numbers:
        markers = store.scan(PlacedMarker, log=epoch.log, partition=number)
        found |= dict.fromkeys(runs_on([placed async for placed in markers]))
    return tuple(found)

"""Where the reactions of an embedded run go: to files, unless the person who runs it says otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from skymesh.bus.bus import Bus
from skymesh.errors import SettingsError
from skymesh.jobs.outlets import OUTLETS, OutletName
from skymesh.jobs.plan import JobPlan
from skymesh.model.ids import Digest
from skymesh.model.reaction import Receipt
from skymesh.model.run import Origin
from skymesh.runtime.outlet import Outlet
from skymesh.runtime.tier import Context
from skymesh.runtime.topics import INTENTS
from skymesh.store.store import Store
from skymesh_deliver.door import Door, folder_door
from skymesh_deliver.doors import door_to
from skymesh_deliver.file_outlet import FileOutlet
from skymesh_deliver.tier import Deliver
from skymesh_local.settings import RunSettings


class Delivery(NamedTuple):
    """One outlet of a run.

    Attributes
    ----------
    door
        How what is meant for it leaves.
    outlets
        What parcels are handed to.
    """

    door: Door
    outlets: Mapping[str, Outlet]

    @property
    def is_exact(self) -> bool:
        """Whether what was written before a kill is as good as undone by it."""
        return OUTLETS[self.door.way].is_exact


def doors_of(plan: JobPlan, origin: Origin, settings: RunSettings) -> dict[OutletName, Door]:
    """Return the doors of a run: to files each, unless it is to deliver real alerts.

    Raises
    ------
    SettingsError
        If an outlet has no settings, or does not work without a live mesh.
    """
    targets: dict[OutletName, None] = {}
    for channel in plan.channels:
        for reaction in channel.reactions:
            targets |= dict.fromkeys(reaction.outlets)
    if not settings.deliver or origin == "simulated":
        return {target: folder_door(target) for target in targets}
    return {target: _real_door(target) for target in targets}


def _real_door(target: OutletName) -> Door:
    if target == "file":
        return folder_door(target)
    if target == "kafka":
        raise SettingsError(
            "tells in the transactions of a live mesh: deploy the job", where="outlet 'kafka'"
        )
    return door_to(target)


def open_delivery(door: Door, store: Store, log: Digest, folder: Path) -> Delivery:
    """Open an outlet of a run.

    Raises
    ------
    SettingsError
        If its settings do not fit.
    """
    if door.way == "webhook":
        # An HTTP client, which few runs need.
        from skymesh_deliver.outlets import webhook_outlet

        return Delivery(door, {door.target: webhook_outlet(store, log)})
    return Delivery(door, {} if door.is_transactional else {door.target: FileOutlet(folder)})


async def check_ways(store: Store, run: Digest, doors: Mapping[OutletName, Door]) -> None:
    """Refuse to go on with a run that told another receiver before.

    Raises
    ------
    SettingsError
        If it was begun with ``--deliver`` and goes on without, or the other way round.
    """
    if all(door.target == "file" for door in doors.values()):
        return
    ways: dict[str, str] = {target: door.way for target, door in doors.items()}
    async for receipt in store.scan(Receipt, run=run):
        if receipt.way != ways.get(receipt.target, receipt.way):
            began = "without" if receipt.way == "file" else "with"
            raise SettingsError(
                f"this run was begun {began} it; to tell anew, make a run apart with --run NAME",
                where="--deliver",
            )


async def is_waiting(bus: Bus, context: Context, doors: Iterable[Door]) -> bool:
    """Return whether something is intended that no outlet has handled yet."""
    topic = context.topic(INTENTS)
    if await bus.partitions(topic) == 0:
        return False
    groups = [context.group(Deliver(context, door).name) for door in doors]
    return any([await bus.waiting(group, topic, 0) > 0 for group in groups])

"""Putting the deliverers together: one for each outlet that there are settings for."""

from __future__ import annotations

import functools

from skymesh.errors import OutletUnavailableError
from skymesh.runtime.live import LiveMesh
from skymesh.runtime.service import Reading, serve
from skymesh.store.store import Store
from skymesh.telemetry.logs import get_log
from skymesh.telemetry.mesh_metrics import MeshMetrics
from skymesh_deliver.door import Door
from skymesh_deliver.doors import doors
from skymesh_deliver.held import all_held, is_told
from skymesh_deliver.kafka_outlet import KafkaOutlet
from skymesh_deliver.outlets import WEBHOOK_BATCH_RECORDS, folder_outlet, webhook_outlet
from skymesh_deliver.settings import DeliverSettings
from skymesh_deliver.tier import Deliver


async def build(mesh: LiveMesh, settings: DeliverSettings) -> list[Reading]:  # noqa: ARG001  # as in every service
    """Return what the service works on."""
    return [await _reading(mesh, door) for door in doors().values()]


async def _reading(mesh: LiveMesh, door: Door) -> Reading:
    tier = Deliver(mesh.context, door)
    if door.is_transactional:
        kafka = KafkaOutlet(mesh.bus, door.topic)
        await _warn_unless_ready(tier.name, kafka)
        return Reading(tier, ready=kafka.ready)
    if door.way == "webhook":
        webhook = webhook_outlet(mesh.store, mesh.context.log)
        return Reading(
            tier,
            outlets={door.target: webhook},
            batch_records=WEBHOOK_BATCH_RECORDS,
            look=functools.partial(_count_held, mesh.store, door.target),
        )
    return Reading(tier, outlets={door.target: folder_outlet()})


async def _warn_unless_ready(tier: str, kafka: KafkaOutlet) -> None:
    """Say at once what would else be said with the first message only."""
    try:
        await kafka.ready()
    except OutletUnavailableError as error:
        get_log().warning("an outlet is away, and waited for", tier=tier, problem=str(error))


async def _count_held(store: Store, outlet: str, metrics: MeshMetrics) -> None:
    """Tell how many reactions an outlet holds back."""
    held = [row for row in await all_held(store) if row.status == "held" and row.target == outlet]
    metrics.held(outlet, sum([not await is_told(store, row) for row in held]))


def main() -> int:
    """Serve until told to stop; return the exit code."""
    return serve("deliver", DeliverSettings, build)

"""Watching how far a service is behind, and whether unread records are about to expire."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence

from skymesh.bus.kafka.group import Group
from skymesh.bus.kafka.partition import KafkaPartition
from skymesh.errors import MeshError
from skymesh.runtime.joining import Joinable
from skymesh.telemetry.health import Health
from skymesh.telemetry.logs import get_log
from skymesh.telemetry.mesh_metrics import MeshMetrics

LOOK_EVERY_S = 15.0

Look = Callable[[MeshMetrics], Awaitable[None]]
"""Whatever else a tier's service measures from time to time."""


async def look_at_nothing(metrics: MeshMetrics) -> None:
    """Measure nothing else."""


class Lookout:
    """Tells the metrics of one group, again and again.

    Parameters
    ----------
    tier
        The tier that reads.
    metrics, health
        What is told.
    warning_s
        Warn when unread records may be gone in less than this, in seconds.
    look
        Measures what else there is.
    """

    def __init__(self, tier: str, metrics: MeshMetrics, health: Health, warning_s: float, look: Look) -> None:
        self._tier = tier
        self._metrics = metrics
        self._health = health
        self._warning_s = warning_s
        self._look = look
        self._seen: set[str] = set()

    async def watch(self, cluster: Joinable, group: Group) -> None:
        """Look at a membership until cancelled; where it has no partition, it lives on without batches."""
        try:
            while True:
                await asyncio.sleep(LOOK_EVERY_S)
                await self._look_at(cluster, group)
        finally:
            self._release(self._seen)

    async def _look_at(self, cluster: Joinable, group: Group) -> None:
        if not group.partitions:
            self._health.met("group")
            self._health.beat()
        try:
            await self._tell(cluster, group)
            await self._look(self._metrics)
        except MeshError as error:
            # Whatever it is, those who do the work meet it too and decide; to look goes on.
            get_log().warning("cannot tell how far behind it is", tier=self._tier, problem=str(error))

    def _release(self, labels: Iterable[str]) -> None:
        """Say nothing more of partitions: they may go elsewhere, and whoever has them tells of them."""
        for label in labels:
            self._metrics.released(self._tier, label)

    async def _tell(self, cluster: Joinable, group: Group) -> None:
        partitions = _by_label(group.partitions)
        if partitions.keys() != self._seen:
            self._metrics.assigned(self._tier, len(partitions))
        self._release(self._seen - partitions.keys())
        self._seen = set(partitions)
        for label, partition in partitions.items():
            left_s = await self._expires_in_s(cluster, partition) if partition.waiting else None
            self._metrics.lagging(self._tier, label, partition.waiting, expires_in_s=left_s)

    async def _expires_in_s(self, cluster: Joinable, partition: KafkaPartition) -> float | None:
        """Return in how many seconds the oldest unread record may be gone, and warn if that is soon."""
        at_ms = await cluster.expiry_ms(partition)
        if at_ms is None:
            return None
        left_s = at_ms / 1000 - time.time()
        if left_s < self._warning_s:
            place = {"topic": partition.topic, "partition": partition.number}
            get_log().warning("unread records expire soon", **place, in_s=round(left_s))
        return left_s


def _by_label(partitions: Sequence[KafkaPartition]) -> dict[str, KafkaPartition]:
    """Return partitions by their numbers, with the topic before it where the tier reads several."""
    if len({partition.topic for partition in partitions}) > 1:
        return {f"{partition.topic}/{partition.number}": partition for partition in partitions}
    return {str(partition.number): partition for partition in partitions}

"""The groups that a service may join: of the mesh's own cluster, or of another one."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from skymesh.bus.kafka.bus import KafkaBus
from skymesh.bus.kafka.group import Group, Membership
from skymesh.bus.kafka.member import Work
from skymesh.bus.kafka.partition import KafkaPartition


class Joinable(Protocol):
    """A group in a cluster, which reads some topics there."""

    def group(self, work: Work, membership: Membership) -> Group:
        """Return this process's part in the group."""

    async def expiry_ms(self, partition: KafkaPartition) -> int | None:
        """Return the Unix time in ms at which the oldest unread record may be gone.

        None if nobody knows, or all was read.
        """


class OwnGroup(NamedTuple):
    """A group in the mesh's own cluster.

    Attributes
    ----------
    bus
        The cluster.
    name, topics
        The group, and what it reads.
    """

    bus: KafkaBus
    name: str
    topics: tuple[str, ...]

    def group(self, work: Work, membership: Membership) -> Group:
        """Return this process's part in the group."""
        return self.bus.group(self.name, self.topics, work, membership)

    async def expiry_ms(self, partition: KafkaPartition) -> int | None:
        """Return the Unix time in ms at which the oldest unread record may be gone."""
        return await self.bus.expiry_ms(partition)

"""What a process holds of one Kafka."""

from __future__ import annotations

from contextlib import AsyncExitStack

from skymesh.bus.kafka.client import Cluster
from skymesh.bus.kafka.closing import close
from skymesh.bus.kafka.offsets import Offsets
from skymesh.bus.kafka.topics import Topics
from skymesh.settings.kafka import SERVERS, KafkaSettings


class Connection:
    """Clients that are started once for each process. Make it with `to`.

    Attributes
    ----------
    cluster
        Makes further clients.
    topics, offsets
        What can be asked.
    """

    def __init__(self, cluster: Cluster, topics: Topics, offsets: Offsets, stack: AsyncExitStack) -> None:
        self.cluster = cluster
        self.topics = topics
        self.offsets = offsets
        self._stack = stack

    @classmethod
    async def to(cls, settings: KafkaSettings, variable: str = SERVERS) -> Connection:
        """Return a connection.

        Parameters
        ----------
        settings, variable
            How it is reached, and the variable that names its servers.

        Raises
        ------
        SettingsError
            If Kafka refuses the credentials, or a file of the settings cannot be read.
        BrokerUnavailableError
            If no server answers.
        """
        cluster = Cluster(settings, variable)
        async with AsyncExitStack() as stack:
            client, admin = cluster.client(), cluster.admin()
            consumers = cluster.consumer(), cluster.consumer(isolation="read_uncommitted")
            for each in (client, admin, *consumers):
                stack.push_async_callback(close, each)
            for each in (client, admin, *consumers):
                await cluster.start(each)
            topics = Topics(client, admin, cluster.servers)
            return cls(cluster, topics, Offsets(client, *consumers), stack.pop_all())

    async def close(self) -> None:
        """Close all clients."""
        await self._stack.aclose()

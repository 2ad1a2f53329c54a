"""The outlet ``kafka``: a topic of its readers' making, which may not be there yet, or not any more."""

from __future__ import annotations

from skymesh.bus.bus import Bus
from skymesh.errors import OutletUnavailableError


class KafkaOutlet:
    """The topic that messages are published to in the transactions of their batches.

    Parameters
    ----------
    bus
        Where it is.
    topic
        Its name.
    """

    def __init__(self, bus: Bus, topic: str) -> None:
        self._bus = bus
        self._topic = topic

    async def ready(self) -> None:
        """Make sure that the topic is there.

        Raises
        ------
        OutletUnavailableError
            If it is not.
        BrokerUnavailableError
            If Kafka does not answer.
        """
        if await self._bus.partitions(self._topic) == 0:
            raise OutletUnavailableError("there is no such topic for the outlet 'kafka'", where=self._topic)

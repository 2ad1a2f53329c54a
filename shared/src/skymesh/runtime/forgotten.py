"""Offsets that Kafka has forgotten, although a tier had committed them."""

from __future__ import annotations

from skymesh.bus.bus import Bus, Partition
from skymesh.errors import InvariantError
from skymesh.model.execution import JournalEntry
from skymesh.provenance.journal import BATCH
from skymesh.runtime.tier import Context
from skymesh.store.store import Store


async def refuse_forgotten(store: Store, bus: Bus, context: Context, tier: str, partition: Partition) -> None:
    """Refuse to begin with a partition that the tier has read before.

    Kafka forgets a group that had no members for a while (``offsets.retention.minutes``), and with a topic
    that is deleted it forgets how far it was read. To begin again would publish everything once more, or
    skip what was lost with the topic. The journal remembers the first batch.

    Parameters
    ----------
    store, bus, context
        The mesh.
    tier, partition
        Who is about to read what.

    Raises
    ------
    InvariantError
        If the group has no offset there, and the journal tells of its first batch.
    """
    if await bus.committed(partition.group, partition.topic, partition.number):
        return
    first = {"run": context.owner, "tier": tier, "channel": "", "instance": BATCH, "first": 0}
    in_log = {"source": "", "partition": context.first_partition + partition.number}
    in_stream = {"source": partition.topic, "partition": partition.number}
    for place in (in_log, in_stream):  # a tier that reads several topics names the one
        if await store.get(JournalEntry, **first, **place) is not None:
            raise InvariantError(
                f"group {partition.group} has read this before, and Kafka has forgotten up to where, or the"
                " topic was made anew: set its offset to the end of its last batch in the journal",
                where=f"{partition.topic}[{partition.number}]",
            )

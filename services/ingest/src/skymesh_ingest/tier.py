"""The decisions of ingest: which records of a survey's stream become alerts, and which are dead."""

from __future__ import annotations

from skymesh.bus.bus import Received, key_bytes
from skymesh.codecs.confluent import Schemas
from skymesh.model.execution import JournalEntry
from skymesh.model.records import Times
from skymesh.model.run import Original
from skymesh.provenance.journal import Journalist, Stopwatch
from skymesh.runtime.dead import attempt_of
from skymesh.runtime.tier import Batch, Context, Outcome, Publication, Tier
from skymesh.runtime.topics import ALERTS
from skymesh.store.store import Found, Keys
from skymesh_ingest.journal import SHAPE, shaping_lines
from skymesh_ingest.message import Message
from skymesh_ingest.shaping import ShapedPackets

PACKETS = "packets"


class Ingest(Tier[Message]):
    """Takes the messages of a survey's stream apart and shapes the packets in them into alerts.

    Parameters
    ----------
    context
        The log.
    schemas
        What the schema ids of messages stand for. They are looked up while a batch is decided on: as
        long as nobody can say what an id means, nothing is committed.
    keeps_packets
        Whether every shaped packet is stored, beside what the log and its arrivals hold.
    """

    name = "ingest"
    reads = PACKETS
    record_type = Message

    def __init__(self, context: Context, schemas: Schemas, *, keeps_packets: bool = True) -> None:
        self._context = context
        self._schemas = schemas
        self._keeps_packets = keeps_packets

    def decode(self, record: Received, topic: str, partition: int) -> Message:
        """Return a message with where it was read; what is in it is looked at in `process`."""
        original = Original(topic, partition, record.offset, key_bytes(record.key))
        return Message(original, record.value, attempt_of(record), Times(record.time_ms, 0.0))

    def needs(self, batch: Batch[Message], found: Found) -> Keys:
        """Return nothing: packets say it all."""
        return Keys()

    def process(self, batch: Batch[Message], found: Found) -> Outcome:
        """Publish what can be shaped, with its image stamps shed; the rest is dead, with the reason."""
        watch = Stopwatch()
        made = ShapedPackets([], [], [])
        for message in batch.records:
            made.add(message.shaped(self._schemas, self._context.owner))
        packets = made.alerts if self._keeps_packets else ()
        return Outcome(
            documents=(*made.cutouts, *packets),
            records=tuple(Publication(ALERTS, alert.stock, alert) for alert in made.alerts),
            journal=self._journal(batch, made, watch),
            dead=tuple(made.dead),
        )

    def _journal(
        self, batch: Batch[Message], made: ShapedPackets, watch: Stopwatch
    ) -> tuple[JournalEntry, JournalEntry]:
        source = batch.records[0].original.topic
        place = (self.name, batch.partition, batch.first, batch.end)
        journalist = Journalist(self._context.owner, *place, source)
        lines = shaping_lines(made.alerts, made.dead)
        counts = {"records": len(batch.records), "read": len(lines)}
        return (
            journalist.batch((), watch, counts),
            journalist.entry("", SHAPE, None, lines, watch.started_utc, watch.seconds()),
        )

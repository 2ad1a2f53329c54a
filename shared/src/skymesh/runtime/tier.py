"""What a tier is: two pure functions over batches of its input topic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from skymesh.bus.bus import Outgoing, Received
from skymesh.codecs import wire
from skymesh.model.deployment import Epoch
from skymesh.model.execution import JournalEntry
from skymesh.model.ids import Digest
from skymesh.model.position import Position
from skymesh.model.run import DeadLetter
from skymesh.runtime.outlet import Parcel
from skymesh.runtime.topics import ALERTS, LIVE, is_of_epoch, topic_of
from skymesh.store.store import Document, Found, Keys

R = TypeVar("R")


class Context(NamedTuple):
    """Whose work a tier does.

    Attributes
    ----------
    log
        Id of the log.
    run
        The only run there is, as in an embedded mesh; None where runs come and go by markers in the log.
    epochs
        Of a live log, its epochs, the newest last.
    is_marked
        Whether the log has markers; without any, the only run judges all of it.
    mesh
        What the topics of a live mesh are named by.
    """

    log: Digest
    run: Digest | None = None
    epochs: tuple[Epoch, ...] = ()
    is_marked: bool = False
    mesh: str = LIVE

    @property
    def owner(self) -> Digest:
        """Whose the journal of batches is: the only run's, or the log's."""
        return self.log if self.run is None else self.run

    @property
    def epoch(self) -> int:
        """The epoch that is worked in."""
        return self.epochs[-1].number if self.epochs else 0

    @property
    def first_partition(self) -> int:
        """Number of the first partition that is worked in."""
        return self.epochs[-1].first if self.epochs and self.run is None else 0

    def topic(self, record: str) -> str:
        """Return the topic of a record, in the epoch that is worked in."""
        return self.topics(record)[-1][1]

    def topics(self, record: str) -> list[tuple[int, str]]:
        """Return the topics of a record in all epochs, each with the number of its first partition.

        An embedded mesh has the whole log in one topic, also that of a live mesh that it replays.
        """
        if self.run is not None:
            return [(0, topic_of(record, (self.log if record == ALERTS else self.run).hex()))]
        if not self.epochs or not is_of_epoch(record):
            return [(0, topic_of(record, self.mesh))]
        return [(epoch.first, topic_of(record, self.mesh, epoch.number)) for epoch in self.epochs]

    def newest(self, topic: str) -> str:
        """Return the topic that took the place of one, if that was of an epoch that has ended."""
        name = topic.rpartition(".v")[0].rpartition(".")[2]
        return self.topic(name) if topic in {known for _, known in self.topics(name)} else topic

    def number(self, topic: str, partition: int, reads: str) -> int:
        """Return the number of a partition of what a tier reads; one of a survey's stream keeps its own."""
        return partition + self.first_partition if topic == self.topic(reads) else partition

    def group(self, tier: str) -> str:
        """Return the name under which a tier reads."""
        return f"{self.owner.hex()}.{tier}"

    def at(self, partition: int, offset: int) -> Position:
        """Return a position in the log, by the number of the partition."""
        begun = (epoch.number for epoch in self.epochs if epoch.first <= partition)
        return Position(max(begun, default=0), partition, offset)


@dataclass(frozen=True)
class Batch(Generic[R]):
    """Neighbouring records of one partition of a tier's input.

    Attributes
    ----------
    partition
        The partition, by its number in the log.
    first, end
        The offsets that are covered: first ≤ offset < end.
    offsets
        Offset of each record.
    times_ms
        When each was published: ms of Unix time (UTC), 0 where the bus keeps no time.
    records
        The decoded records.
    """

    partition: int
    first: int
    end: int
    offsets: tuple[int, ...]
    times_ms: tuple[int, ...]
    records: tuple[R, ...]


class Publication(NamedTuple):
    """A record to publish.

    Attributes
    ----------
    record
        Name of the record, which names its topic: ``accepted``, ``states``, ``results``, ``intents``.
    key
        The stock.
    value
        The record itself.
    """

    record: str
    key: str
    value: Any


@dataclass(frozen=True)
class Outcome:
    """What a tier decided on a batch.

    Attributes
    ----------
    documents
        To store, before anything is published.
    parcels
        To hand to outlets, once the documents are stored.
    records
        To publish.
    messages
        To publish as they are, on topics that are not the mesh's.
    journal
        What was done, published with the records.
    dead
        What cannot be read, kept with its bytes.
    """

    documents: tuple[Document, ...] = ()
    parcels: tuple[Parcel, ...] = ()
    records: tuple[Publication, ...] = ()
    messages: tuple[Outgoing, ...] = ()
    journal: tuple[JournalEntry, ...] = ()
    dead: tuple[DeadLetter, ...] = ()


class Tier(Protocol[R]):
    """A tier decides and does no I/O.

    Whatever `decode`, `needs` and `process` raise that is no error of the mesh, or a `PacketError`, is
    about one record: that record becomes a dead letter of the tier, and the others go on without it.
    """

    name: str
    """``t0`` and so on."""

    reads: str
    """Name of the record it reads."""

    record_type: Any
    """Class of that record, or the union of several."""

    def decode(self, record: Received, topic: str, partition: int) -> R:  # noqa: ARG002  # a default
        """Return what a record of the bus says; by default it is one of the mesh's own.

        Parameters
        ----------
        record
            The record.
        topic, partition
            Where it was read.
        """
        read: R = wire.decode(record.value, self.record_type)
        return read

    def needs(self, batch: Batch[R], found: Found) -> Keys:
        """Return what must be known to decide on a batch.

        Called again with what was found, until nothing new is asked for.
        """

    def process(self, batch: Batch[R], found: Found) -> Outcome:
        """Decide on a batch."""

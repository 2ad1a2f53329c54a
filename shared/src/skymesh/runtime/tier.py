"""What a tier is: two pure functions over batches of its input topic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from skymesh.model.execution import JournalEntry
from skymesh.model.ids import Digest
from skymesh.model.run import Origin
from skymesh.runtime.outlet import Parcel
from skymesh.store.store import Document, Found, Keys

R = TypeVar("R")


class Context(NamedTuple):
    """Whose work a tier does.

    Attributes
    ----------
    run, log
        Ids of the run and of its log.
    epoch
        Generation of the log's topic.
    origin
        Whether the alerts are real. Where nobody says so they are not: nothing is then told as real.
    """

    run: Digest
    log: Digest
    epoch: int = 0
    origin: Origin = "simulated"


@dataclass(frozen=True)
class Batch(Generic[R]):
    """Neighbouring records of one partition of a tier's input.

    Attributes
    ----------
    partition
        The partition.
    first, end
        The offsets that are covered: first ≤ offset < end.
    offsets
        Offset of each record.
    records
        The decoded records.
    """

    partition: int
    first: int
    end: int
    offsets: tuple[int, ...]
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
    journal
        What was done, published with the records.
    """

    documents: tuple[Document, ...] = ()
    parcels: tuple[Parcel, ...] = ()
    records: tuple[Publication, ...] = ()
    journal: tuple[JournalEntry, ...] = ()


class Tier(Protocol[R]):
    """A tier decides and does no I/O."""

    name: str
    """``t0`` and so on."""

    reads: str
    """Name of the record it reads."""

    record_type: type[Any]
    """Class of that record."""

    def needs(self, batch: Batch[R], found: Found) -> Keys:
        """Return what must be known to decide on a batch.

        Called again with what was found, until nothing new is asked for.
        """

    def process(self, batch: Batch[R], found: Found) -> Outcome:
        """Decide on a batch."""

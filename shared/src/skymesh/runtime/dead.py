"""Dead letters: records that a tier cannot handle, set aside with their bytes so that the rest goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from skymesh.bus.bus import Headers, Outgoing, Partition, Received, Slice, key_bytes, key_text
from skymesh.errors import MeshError, PacketError, PoisonError
from skymesh.model.run import DeadLetter, Original
from skymesh.provenance.journal import Journalist, Stopwatch
from skymesh.runtime.guard import problem_of
from skymesh.runtime.tier import Context, Outcome, Tier

# The names that Kafka's own connectors give them: tools that show dead letters look for these.
_OF_ERRORS = "__connect.errors."
# What those have no name for.
_OF_OURS = "__skymesh."
ATTEMPT = f"{_OF_OURS}attempt"


@contextmanager
def poison() -> Iterator[None]:
    """Turn what a tier fails with inside into the error of a record that cannot be handled.

    Raises
    ------
    PacketError
        For every error that is not the mesh's: `PoisonError`.
    MeshError
        Any other, as it is: it is not about the record.
    """
    try:
        yield
    except (MeshError, MemoryError):
        raise
    except Exception as error:
        raise PoisonError(problem_of(error)) from error


def burial(
    error: PacketError, read: Slice, partition: Partition, tier: Tier[Any], context: Context, watch: Stopwatch
) -> Outcome:
    """Return what is left to do with a record, read alone, that a tier cannot handle.

    Parameters
    ----------
    error
        What it fails with.
    read
        The record, and the offsets that are covered with it.
    partition
        Where it was read.
    tier
        Which tier.
    context
        Whose work it does.
    watch
        When it began.
    """
    (record,) = read.records
    source = f"{partition.topic}/{partition.number}"
    letter = DeadLetter(
        context.owner,
        source,
        record.offset,
        error.code,
        str(error),
        record.value,
        tier=tier.name,
        attempt=attempt_of(record),
        original=Original(partition.topic, partition.number, record.offset, key_bytes(record.key)),
        error=name_of(error.__cause__ or error),
    )
    # A tier that reads several topics names the one in its journal.
    topic = "" if partition.topic == context.topic(tier.reads) else partition.topic
    number = context.number(partition.topic, partition.number, tier.reads)
    journalist = Journalist(context.owner, tier.name, number, read.first, read.end, topic)
    return Outcome(dead=(letter,), journal=(journalist.burial(letter, watch),))


def attempt_of(record: Received) -> int:
    """Return for which time a record was sent: 1 unless its headers say otherwise."""
    told = dict(record.headers).get(ATTEMPT, b"")
    return max(1, int(told)) if told.isdigit() else 1


def name_of(error: BaseException) -> str:
    """Return the full name of an error's class."""
    kind = type(error)
    return f"{kind.__module__}.{kind.__qualname__}"


def outgoing(letter: DeadLetter, topic: str) -> Outgoing:
    """Return a dead letter as it is published: the original bytes, and all about them in headers."""
    key = "" if letter.original is None else key_text(letter.original.key)
    return Outgoing(topic, key, letter.payload, headers=_headers(letter))


def _headers(letter: DeadLetter) -> Headers:
    told = {
        f"{_OF_ERRORS}exception.class.name": letter.error,
        f"{_OF_ERRORS}exception.message": letter.reason,
        f"{_OF_OURS}code": letter.code,
        f"{_OF_OURS}source": letter.place,
        f"{_OF_OURS}tier": letter.tier,
        f"{_OF_OURS}unit": letter.unit,
        f"{_OF_OURS}config": "" if letter.config is None else letter.config.hex(),
        ATTEMPT: str(letter.attempt),
    }
    if letter.original is not None:
        told |= {
            f"{_OF_ERRORS}topic": letter.original.topic,
            f"{_OF_ERRORS}partition": str(letter.original.partition),
            f"{_OF_ERRORS}offset": str(letter.original.offset),
        }
    return tuple((name, text.encode()) for name, text in told.items())

"""Logs, jobs and runs as records."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from skymesh.model.ids import Digest, digest_bytes, digest_of

Origin = Literal["real", "simulated"]


class SourceCount(msgspec.Struct, frozen=True, array_like=True):
    """The account of one file or source partition of a run: read = published + dead."""

    run: Digest
    name: str
    read: int
    published: int
    dead: int


class Log(msgspec.Struct, frozen=True, array_like=True):
    """A log of alerts.

    Attributes
    ----------
    id
        Digest of the ordered alerts (finite sources).
    length
        Number of alerts in it.
    """

    id: Digest
    length: int


class JobRecord(msgspec.Struct, frozen=True, array_like=True):
    """A resolved job.

    Attributes
    ----------
    id
        Digest of `resolved`.
    name
        The job's name.
    resolved
        Channels, units, versions and parameters as plain values, defaults included.
    spec
        The job as it was written, parameters filled in: what a service makes its plan from.
    """

    id: Digest
    name: str
    resolved: dict[str, Any]
    spec: dict[str, Any]


class ConfigRecord(msgspec.Struct, frozen=True, array_like=True):
    """The resolved parameters of a unit, under their digest."""

    id: Digest
    parameters: dict[str, Any]


class ResourceRecord(msgspec.Struct, frozen=True, array_like=True):
    """Where a job found something from outside.

    Attributes
    ----------
    id
        Digest of its content.
    kind
        ``catalogue``.
    path
        Its folder.
    """

    id: Digest
    kind: str
    path: str


class UnitRecord(msgspec.Struct, frozen=True, array_like=True):
    """The code that stood under a unit's version when the store met it first."""

    unit: str
    version: str
    code: Digest


class Run(msgspec.Struct, frozen=True, array_like=True):
    """One pass of a job over one log.

    Attributes
    ----------
    id
        Digest of job, log, origin and name.
    job, log
        Ids.
    job_name
        The job's name.
    origin
        ``real`` or ``simulated``.
    name
        The name that makes a run apart; empty without.
    encoding
        Version of the canonical encoding that the run began with.
    read, published, dead
        The account of everything that was read; by source in `SourceCount`.
    ends
        Of the replay of a live log, which may grow: the offset up to which each partition was copied.
    """

    id: Digest
    job: Digest
    log: Digest
    job_name: str
    origin: Origin
    name: str
    encoding: int
    read: int
    published: int
    dead: int
    ends: tuple[int, ...] = ()


class RunSummary(msgspec.Struct, frozen=True, array_like=True):
    """The numbers of a finished run, as they are printed."""

    run: Digest
    numbers: dict[str, Any]


class Blob(msgspec.Struct, frozen=True, array_like=True):
    """A record of the bus that is too large to travel: its bytes, under their digest."""

    id: Digest
    body: bytes


class Original(msgspec.Struct, frozen=True, array_like=True):
    """Where a record stood in the bus, and its key there, which need not be text."""

    topic: str
    partition: int
    offset: int
    key: bytes

    @property
    def stock(self) -> str:
        """The object, if the record is of the mesh's own."""
        return self.key.decode(errors="replace")


class DeadLetter(msgspec.Struct, frozen=True, array_like=True):
    """What could not be read, with its bytes.

    Attributes
    ----------
    run, source, index, tier
        The key: the run that read it, or the log where no run did; the file or ``topic/partition``, the
        record in it; the tier that could not read it.
    code, reason
        Stable code of the error, and the error in one line.
    payload
        The original bytes, as far as they were found. Of a container in the bus that holds several
        records, a container with this one alone.
    attempt
        1, and one more each time that it was sent again.
    original
        Where in the bus it was read; None if it comes from a file.
    error
        Class of the error.
    unit, config
        The unit that failed on it and the id of its parameters, where it is known.
    """

    run: Digest
    source: str
    index: int
    code: str
    reason: str
    payload: bytes
    tier: str = "ingest"
    attempt: int = 1
    original: Original | None = None
    error: str = ""
    unit: str = ""
    config: Digest | None = None

    @property
    def place(self) -> str:
        """The record that it is about, as the journal names it."""
        return f"{self.source}#{self.index}"


class Redrive(msgspec.Struct, frozen=True, array_like=True):
    """A dead letter that was sent again.

    Attributes
    ----------
    run, source, index, tier
        The key: that of the letter.
    attempt
        The attempt that it was sent for.
    sent_utc
        When: ISO 8601.
    """

    run: Digest
    source: str
    index: int
    tier: str
    attempt: int
    sent_utc: str


def letter_id(letter: DeadLetter) -> Digest:
    """Return the id of a dead letter: the digest of its key."""
    return digest_of("letter", [letter.run, letter.source, letter.index, letter.tier])


def blob_id(body: bytes) -> Digest:
    """Return the id of a record that travels by reference: the digest of its bytes."""
    return digest_bytes("blob", body)


class Product(msgspec.Struct, frozen=True, array_like=True):
    """A file that a summary made at the end of a run.

    Attributes
    ----------
    run, name
        Whose, and the file's name.
    digest
        BLAKE2b-128 of its bytes.
    size_bytes
        Its size.
    labels
        Access labels of all that it may be made from: those granted to any of its channels.
    """

    run: Digest
    name: str
    digest: Digest
    size_bytes: int
    labels: tuple[str, ...]


def job_id(resolved: dict[str, Any]) -> Digest:
    """Return the id of a resolved job."""
    return digest_of("job", resolved)


def run_id(job: Digest, log: Digest, origin: Origin, name: str) -> Digest:
    """Return the id of a run."""
    return digest_of("run", [job, log, origin, name])

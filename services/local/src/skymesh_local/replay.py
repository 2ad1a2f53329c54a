"""Replaying the log that a mesh keeps, as a run apart in a new store.

The log of a finite source is copied as it is. Of a live log the alerts are copied, partition by partition,
with the markers of the run that is replayed: where it judged alerts the new run does, and what came before
is registered.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import islice
from typing import NamedTuple

import msgspec

from skymesh.bus.bus import Outgoing
from skymesh.codecs import wire
from skymesh.errors import NotFoundError, SettingsError
from skymesh.model.alert import Alert, Cutouts, Source
from skymesh.model.deployment import Epoch, Genesis, Marker, Switch
from skymesh.model.ids import DIGEST_SIZE, ENCODING_VERSION, Digest, text_id
from skymesh.model.run import DeadLetter, Log, Origin, Run, SourceCount, letter_id, run_id
from skymesh.runtime.expired import told_expiry
from skymesh.runtime.places import places_of_log
from skymesh.runtime.references import resolved
from skymesh.runtime.topics import ALERTS, topic_of
from skymesh.store.store import Keys, Store
from skymesh.telemetry.logs import get_log
from skymesh_local.app import Embedded
from skymesh_local.audit_journal import INGEST
from skymesh_local.expired import packet_expiries
from skymesh_local.find import find_run
from skymesh_local.log import StreamPlace, decoded, place_of
from skymesh_local.mesh import Mesh, open_mesh

_STAMPS_AT_ONCE = 32
_NO_LOG = Digest(bytes(DIGEST_SIZE))


class Account(NamedTuple):
    """How many packets were published for a run, and how many are dead."""

    published: int
    dead: int


class Prefix(NamedTuple):
    """The part of a log that is replayed: all that it has now.

    Attributes
    ----------
    original
        The run for which it was read first.
    ends
        Of a live log, the offset up to which each partition is read; empty for the log of a finite source.
    dead
        Of a live log, the dead letters there are.
    epochs
        Of a live log, its epochs.
    """

    original: Run
    ends: tuple[int, ...] = ()
    dead: frozenset[Digest] = frozenset()
    epochs: tuple[Epoch, ...] = ()


class Wanted(NamedTuple):
    """Which job is to be run.

    Attributes
    ----------
    job, job_name
        The job.
    name
        What makes the run apart; empty without.
    """

    job: Digest
    job_name: str
    name: str

    def run_over(self, log: Digest, origin: Origin, account: Account, ends: tuple[int, ...] = ()) -> Run:
        """Return the run over a log, or over the part of it that was replayed."""
        return Run(
            id=run_id(self.job, log, origin, self.name),
            job=self.job,
            log=log,
            job_name=self.job_name,
            origin=origin,
            name=self.name,
            encoding=ENCODING_VERSION,
            read=sum(account),
            published=account.published,
            dead=account.dead,
            ends=ends,
        )


async def find_prefix(url: str, name: str) -> Prefix:
    """Return what of a log is there to be replayed.

    Parameters
    ----------
    url
        The store that keeps the log.
    name
        The run for which it was read first.

    Raises
    ------
    SettingsError
        If there is no such store or run.
    TransientError
        If servers do not answer.
    """
    async with open_mesh(url) as source:
        original = await find_run(source.store, name)
        context = await source.context(original)
        if not context.epochs:
            return Prefix(original)
        places = await places_of_log(source.bus, context)
        ends = tuple([await source.bus.end(place.topic, place.partition) for place in places])
        letters = source.store.scan(DeadLetter, run=original.log)
        dead = frozenset([letter_id(letter) async for letter in letters])
        return Prefix(original, ends, dead, context.epochs)


async def replay_log(url: str, prefix: Prefix, target: Embedded, wanted: Wanted) -> tuple[Run, bool]:
    """Copy the log of a run with its image stamps, in its own order, and the account of what was read for it.

    Where an attempt before ended it goes on; what was complete stays as it is, also if a live log has
    grown since.

    Parameters
    ----------
    url
        The store that keeps the log.
    prefix
        What of the log.
    target
        The new store.
    wanted
        The new run's job.

    Returns
    -------
    The new run, and whether it is still to be written.

    Raises
    ------
    SettingsError
        If the beginning of the log has been forgotten.
    TransientError
        If servers do not answer.
    """
    original = prefix.original
    id_ = run_id(wanted.job, original.log, original.origin, wanted.name)
    known = await target.store.get(Run, id=id_)
    if known is not None:
        if known.ends != prefix.ends:
            get_log().warning(
                "the log has grown since it was replayed here; with another --out all of it is replayed",
                run=text_id("run", id_),
            )
        return known, False
    async with open_mesh(url) as source:
        copied = await _copy(source, prefix, target, id_)
    return wanted.run_over(original.log, original.origin, copied, prefix.ends), True


async def _copy(source: Mesh, prefix: Prefix, target: Embedded, run: Digest) -> Account:
    original = prefix.original
    if not prefix.epochs:
        return await _copy_finite(source, prefix, target, run)
    part = _Part(prefix, run)
    await _copy_topic(source, prefix, target, part.copied)
    await target.store.write(prefix.epochs)
    return await _account(source.store, target.store, part, run, original.log)


async def _copy_finite(source: Mesh, prefix: Prefix, target: Embedded, run: Digest) -> Account:
    original = prefix.original
    log = await source.store.get(Log, id=original.log)
    if log is None:
        raise NotFoundError("the log of this run is not in the store", where=text_id("run", original.id))
    await _copy_topic(source, prefix, target, lambda _, value: value)
    await target.store.write([log])
    async for count in source.store.scan(SourceCount, run=original.id):
        await target.store.write([msgspec.structs.replace(count, run=run)])
    async for letter in source.store.scan(DeadLetter, run=original.id):
        if letter.tier == INGEST:
            await target.store.write([msgspec.structs.replace(letter, run=run)])
    return Account(original.published, original.dead)


class _Part:
    """The part of a live log that a run judged, as its records go by partition by partition.

    Parameters
    ----------
    prefix, run
        What is replayed, and the new run.

    Attributes
    ----------
    published
        Alerts in that part by the partition of the survey's stream that they come from.
    before
        By such a partition, the last message whose alert came before that part.
    """

    def __init__(self, prefix: Prefix, run: Digest) -> None:
        self._original = prefix.original.id
        self._dead = prefix.dead
        self._run = run
        self._switches: dict[int, Switch] = {}
        self.published: Counter[StreamPlace] = Counter()
        self.before: dict[StreamPlace, int] = {}

    def copied(self, partition: int, value: bytes) -> bytes | None:
        """Return what a record becomes; None if it is left out: the markers of other runs are."""
        record = decoded(value)
        if isinstance(record, Alert):
            self._count(partition, record)
        if isinstance(record, Marker) and record.run == self._original:
            self._switches[partition] = record.switch
            return wire.encode(Marker(self._run, record.switch))
        return None if isinstance(record, Marker | Genesis) else value

    def _count(self, partition: int, alert: Alert) -> None:
        place, offset = place_of(alert.source)
        if self._switches.get(partition) == "on":
            self.published[place] += 1
        elif partition not in self._switches:
            self.before[place] = max(offset, self.before.get(place, -1))

    def is_dead_in(self, letter: DeadLetter) -> bool:
        """Return whether a packet was found unreadable once the run had begun."""
        place, offset = place_of(Source(letter.source, letter.index))
        is_there = letter.tier == INGEST and letter_id(letter) in self._dead
        return is_there and offset > self.before.get(place, -1)


async def _account(source: Store, target: Store, part: _Part, run: Digest, log: Digest) -> Account:
    """Write what was read for a run of a live log, by partition of the streams, and the dead letters."""
    dead: Counter[StreamPlace] = Counter()
    async for letter in source.scan(DeadLetter, run=log):
        if part.is_dead_in(letter):
            dead[place_of(Source(letter.source, letter.index))[0]] += 1
            await target.write([msgspec.structs.replace(letter, run=run)])
    counts = []
    for place in sorted(part.published.keys() | dead.keys()):
        name = f"{place[0]}/{place[1]}" if place[1] >= 0 else place[0]
        published, lost = part.published[place], dead[place]
        counts.append(SourceCount(run, name, published + lost, published, lost))
    await target.write(counts)
    return Account(part.published.total(), dead.total())


async def _copy_topic(
    source: Mesh, prefix: Prefix, target: Embedded, copied: Callable[[int, bytes], bytes | None]
) -> None:
    """Copy a log partition by partition; what an attempt before has copied is there already."""
    original, context = prefix.original, await source.context(prefix.original)
    if prefix.epochs:
        context = context._replace(epochs=prefix.epochs)
    places = await places_of_log(source.bus, context)
    if [place.number for place in places] != list(range(len(places))):
        problem = "the topic of an epoch of its log is gone"
        raise SettingsError(f"cannot be replayed: {problem}", where=text_id("run", original.id))
    new = topic_of(ALERTS, original.log.hex())
    await target.bus.create(new, partitions=len(places))
    for number, topic, partition in places:
        if first := await source.bus.first(topic, partition):
            problem = f"offsets below {first} of partition {number} of its log have expired"
            raise SettingsError(f"cannot be replayed: {problem}", where=text_id("run", original.id))
        there = await target.bus.end(new, number)
        end = prefix.ends[number] if prefix.ends else sys.maxsize
        async for received in source.bus.iter_from(topic, partition, 0):
            records = await resolved(source.store, [each for each in received if each.offset < end])
            made = [(record.key, copied(number, record.value)) for record in records]
            kept = [Outgoing(new, key, value, number) for key, value in made if value is not None]
            missing, there = kept[there:], max(0, there - len(kept))
            await _copy_cutouts(source.store, target.store, original, [output.value for output in missing])
            await target.bus.publish(missing)


async def _copy_cutouts(source: Store, target: Store, original: Run, values: Iterable[bytes]) -> None:
    alerts = (record for value in values if isinstance(record := decoded(value), Alert))
    ids = (alert.cutouts for alert in alerts if alert.cutouts is not None)
    while some := frozenset(islice(ids, _STAMPS_AT_ONCE)):
        found = (await source.read(_NO_LOG, Keys(cutouts=some))).cutouts
        if len(found) < len(some) and (expiries := await packet_expiries(source, original.log)):
            problem = f"cannot be replayed: image stamps of its log {told_expiry(expiries[-1])}"
            raise SettingsError(problem, where=text_id("run", original.id))
        await target.write([Cutouts(id_, block) for id_, block in found.items()])

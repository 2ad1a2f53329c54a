"""The account of what was read for a run: by file of a finite source, by partition of a live stream."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from skymesh.model.alert import Source
from skymesh.model.execution import JournalEntry
from skymesh.model.ids import Digest, digest_sequence
from skymesh.model.run import DeadLetter, Log, Run, SourceCount
from skymesh.provenance.journal import BATCH, DEAD
from skymesh.runtime.tier import Context
from skymesh_local.audit_journal import INGEST, Range, sunk, told_since
from skymesh_local.audit_log import Registry
from skymesh_local.audit_tiling import entry_holes, gaps
from skymesh_local.log import StreamPlace, iter_alerts, place_of
from skymesh_local.mesh import Mesh

_PUBLISHED = "published"


async def audit_files(mesh: Mesh, run: Run, registry: Registry) -> list[str]:
    """Compare the account of every source with the log and the dead letters, and the log with its id."""
    holes: list[str] = []
    read = published = dead = 0
    async for source in mesh.store.scan(SourceCount, run=run.id):
        read, published, dead = read + source.read, published + source.published, dead + source.dead
        if source.read != source.published + source.dead:
            holes.append(
                f"{source.name}: read {source.read}, published {source.published}, dead {source.dead}"
            )
    if (read, published, dead) != (run.read, run.published, run.dead):
        holes.append(f"sources: read {read}, published {published}, dead {dead}; the run says otherwise")
    letters = [letter.tier async for letter in mesh.store.scan(DeadLetter, run=run.id)].count(INGEST)
    if letters != run.dead:
        holes.append(f"{letters} dead letters are kept of {run.dead}")
    if (await mesh.context(run)).is_marked:
        if registry.judged != run.published:
            holes.append(f"the log has {registry.judged} alerts for the run, published were {run.published}")
        return holes
    return holes + await _log_holes(mesh, run)


async def _log_holes(mesh: Mesh, run: Run) -> list[str]:
    holes = []
    log = await mesh.store.get(Log, id=run.log)
    if log is None or log.length != run.published:
        holes.append(f"log:{run.log.hex()} has {log and log.length} alerts, published were {run.published}")
    keys = [alert.id + alert.record async for alert in iter_alerts(mesh, run)]
    if digest_sequence("log", keys) != run.log:
        holes.append(f"log:{run.log.hex()} is not the digest of the {len(keys)} alerts that are in it")
    return holes


@dataclass
class Stream:
    """What the journal of ingest says of one partition of a survey's stream."""

    batches: list[Range] = field(default_factory=list)
    shaped: list[Range] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def end(self) -> int:
        """The offset up to which it was read."""
        return max((end for _, end in self.batches), default=0)


@dataclass
class Ingested:
    """The account of a live log: what ingest read, and what became of it.

    Attributes
    ----------
    streams
        By topic and partition.
    dead
        Where the packets stood that became none, as their letters name it.
    holes
        Entries that are not what they should be.
    """

    streams: dict[StreamPlace, Stream] = field(default_factory=dict)
    dead: set[str] = field(default_factory=set)
    holes: list[str] = field(default_factory=list)

    @classmethod
    async def of(cls, mesh: Mesh, context: Context) -> Ingested:
        """Read the journal of ingest: what was kept, then all that came into the topic since before that.

        Of a batch that the sink is keeping meanwhile some entries may be met and others not; the topic has
        them all.
        """
        account, kept = cls(), set()
        start = await sunk(mesh, context)
        async for entry in mesh.store.scan(JournalEntry, run=context.log, tier=INGEST):
            kept.add(entry.id)
            account._take(entry)
        for entry in await told_since(mesh, start):
            if entry.tier == INGEST and entry.id not in kept:
                account._take(entry)
        return account

    def _take(self, entry: JournalEntry) -> None:
        self.holes += entry_holes(entry)
        stream = self.streams.setdefault((entry.source, entry.partition), Stream())
        place = (entry.first, entry.end)
        # A message on which the tier failed is a batch by itself, and was read as well.
        is_buried = any(line.outcome == DEAD for line in entry.lines) and entry.instance == BATCH
        (stream.batches if entry.instance == BATCH else stream.shaped).append(place)
        if is_buried:
            stream.shaped.append(place)
            stream.counts["read"] += len(entry.lines)
        elif entry.instance == BATCH:
            stream.counts["read"] += entry.counts["read"]
        stream.counts.update(line.outcome for line in entry.lines)
        self.dead.update(line.subject for line in entry.lines if line.outcome == DEAD)

    def total(self, name: str) -> int:
        """Return the sum over all streams: ``read``, ``published`` or ``dead``."""
        return sum(stream.counts[name] for stream in self.streams.values())

    def has_read(self, source: Source) -> bool:
        """Return whether a packet comes from a message that is accounted for."""
        place, offset = place_of(source)
        stream = self.streams.get(place)
        return stream is not None and offset < stream.end


async def audit_streams(mesh: Mesh, log: Digest, account: Ingested, registry: Registry) -> list[str]:
    """Compare what ingest says of every partition with itself, with the log and with the dead letters.

    The account was read before the log: what it tells of is there.
    """
    holes = [*account.holes, *_stream_holes(account, registry)]
    if account.dead:
        letters = mesh.store.scan(DeadLetter, run=log)
        kept = {letter.place async for letter in letters if letter.tier == INGEST}
        holes += [f"{place} is dead and its bytes are not kept" for place in sorted(account.dead - kept)]
    return holes


def _stream_holes(account: Ingested, registry: Registry) -> Iterator[str]:
    for place, stream in sorted(account.streams.items()):
        said = f"ingest of {place[0]}/{place[1]}"
        for ranges in (stream.batches, stream.shaped):
            start = min(first for first, _ in stream.batches) if stream.batches else 0
            yield from gaps(said, sorted(ranges), start, stream.end)
        counts, logged = stream.counts, registry.by_source[place]
        if counts["read"] != counts[_PUBLISHED] + counts[DEAD]:
            yield f"{said}: read {counts['read']}, published {counts[_PUBLISHED]}, dead {counts[DEAD]}"
        if counts[_PUBLISHED] != logged:
            yield f"{said}: published {counts[_PUBLISHED]}, in the log are {logged}"
    if account.streams:
        for name, count in sorted(registry.strange.items()):
            yield f"{count} alerts of the log come from {name}, which ingest has not read"

"""The frame of an audit: the journal covers every offset that was committed, for every unit, once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from skymesh.jobs.pools import pools_of
from skymesh.jobs.reactions import VIEW
from skymesh.model.execution import JournalEntry, count_lines, journal_id, service_of
from skymesh.model.ids import Digest, text_id
from skymesh.model.run import JobRecord, Run
from skymesh.provenance.journal import DEAD
from skymesh_local.audit_journal import DELIVERERS, INGEST, Journal, Range, Reader
from skymesh_t2.pool import TIER, tier_of

# What entries count beside the outcomes of their lines.
_NO_OUTCOMES = frozenset(
    {"memoised", "points", "alerts", "duplicates", "markers", "records", "read", "passed_over"}
)

_Unit = tuple[str, str]
"""Channel and instance."""


def audit_tiling(run: Run, job: JobRecord | None, journal: Journal) -> list[str]:
    """Check entries by themselves, then that they cover what each tier committed.

    Entries of batches tile the whole input. Those of the run's units stand in every batch that names
    the run: one for each unit of the tier.
    """
    holes = [hole for entry in (*journal.batches, *journal.entries) for hole in entry_holes(entry)]
    for reader, completed in journal.completed.items():
        batches = [entry for entry in journal.batches if (entry.tier, entry.partition) == reader]
        ranges = ranges_of(batches)
        # An outlet may be opened when intents for others have expired; its own are counted for themselves.
        is_late = reader[0].startswith(DELIVERERS) and bool(ranges)
        start = ranges[0][0] if is_late else 0
        holes += gaps(f"{reader[0]} of partition {reader[1]}", ranges, start, completed)
        if job is not None:
            holes += _unit_holes(
                run, units_of(reader[0], job.resolved, journal.tiers), batches, reader, journal
            )
    holes += _intake_holes(journal)
    return holes


def units_of(tier: str, resolved: Mapping[str, Any], tiers: Collection[str]) -> set[_Unit]:
    """Return the units of a job that a tier journals.

    Parameters
    ----------
    tier, resolved
        Which.
    tiers
        All tiers that read: where a pool has no T2 of its own, the one T2 runs its units too.
    """
    if service_of(tier) == TIER:
        pools = pools_of(resolved)
        runs_in = {(c, name): tier_of(pool) for c, of in pools.items() for name, pool in of.items()}
        return {unit for unit, own in runs_in.items() if (own if own in tiers else TIER) == tier}
    units: set[_Unit] = {("", "register")} if tier == "t0" else set()
    for channel, spec in resolved["channels"].items():
        reactions = spec.get("react", {})
        names = {
            "t0": ["filter"],
            "t1": ["combine"],
            "t3": [VIEW, *reactions],
        }.get(tier)
        if names is None:
            target = tier.removeprefix(DELIVERERS)
            names = [name for name, told in reactions.items() if target in told["to"]]
        units |= {(channel, name) for name in names}
    return units


def entry_holes(entry: JournalEntry) -> Iterator[str]:
    """Yield what is wrong with an entry by itself."""
    counts = {outcome: count for outcome, count in entry.counts.items() if outcome not in _NO_OUTCOMES}
    told = {outcome: count for outcome, count in count_lines(entry.lines).items() if outcome != "memoised"}
    if counts != told or entry.counts.get("memoised", 0) != sum(line.is_memoised for line in entry.lines):
        yield f"journal:{entry.id.hex()} has other lines than it counts"
    place = (
        *(entry.tier, entry.channel, entry.instance),
        *(entry.partition, entry.first, entry.end, entry.source),
    )
    if entry.id != journal_id(entry.run, *place):
        yield f"journal:{entry.id.hex()} is not the digest of its place"


def ranges_of(entries: Iterable[JournalEntry]) -> list[Range]:
    """Return what entries cover, in order."""
    return sorted((entry.first, entry.end) for entry in entries)


def gaps(said: str, ranges: Iterable[Range], start: int, completed: int) -> Iterator[str]:
    """Yield where sorted ranges do not tile the offsets from a start to what was committed."""
    covered = start
    for first, end in ranges:
        if first != covered:
            yield f"journal of {said}: offsets {covered} to {first}"
        covered = end
    if covered != completed:
        yield f"journal of {said}: ends at {covered}, committed is {completed}"


def _unit_holes(
    run: Run, units: set[_Unit], batches: list[JournalEntry], reader: Reader, journal: Journal
) -> Iterator[str]:
    """Compare the ranges of every unit with those in which the run was at work."""
    tier = reader[0]
    # What summaries did at the end of a run covers nothing.
    own = (entry for entry in journal.entries if (entry.tier, entry.partition) == reader)
    entries = [entry for entry in own if entry.end > entry.first]
    by_unit: dict[_Unit, list[Range]] = {unit: [] for unit in units}
    for entry in entries:
        by_unit.setdefault((entry.channel, entry.instance), []).append((entry.first, entry.end))
    at_work = ranges_of(entry for entry in batches if _names(entry, run.id))
    if tier == "t0":
        parts = {batch.id: _judged_in(batch, journal) for batch in batches}
        wrong = [batch for batch in batches if _names(batch, run.id) != bool(parts[batch.id])]
        for batch in wrong:
            yield f"journal of t0: the run is not named as its markers say in {batch.first} to {batch.end}"
        at_work = sorted(part for found in parts.values() for part in found)
    for (channel, name), ranges in sorted(by_unit.items()):
        if sorted(ranges) != at_work:
            said = " ".join(filter(None, (tier, channel, name)))
            differing = sorted(set(ranges) ^ set(at_work)) or ranges
            yield f"journal of {said}: offsets {differing[0][0]} to {differing[0][1]}"


def _judged_in(batch: JournalEntry, journal: Journal) -> list[Range]:
    """Return the ranges of a batch of T0 that the run judges; of what could not be handled, nothing."""
    if any(line.outcome == DEAD for line in batch.lines):
        return []
    cut = ((max(first, batch.first), min(end, batch.end)) for first, end in journal.judged(batch.partition))
    return [(first, end) for first, end in cut if first < end]


def _names(batch: JournalEntry, run: Digest) -> bool:
    return any(line.subject == text_id("run", run) for line in batch.lines)


def _intake_holes(journal: Journal) -> Iterator[str]:
    """Compare what the journal of files says they became with the log; of a live log, elsewhere."""
    entries = journal.of(INGEST)
    for (tier, partition), completed in journal.completed.items():
        of_partition = [entry for entry in entries if entry.partition == partition]
        if tier == "t0" and entries:
            yield from gaps(
                f"ingest of partition {partition}",
                ranges_of(of_partition),
                0,
                completed + journal.left.get((tier, partition), 0),
            )

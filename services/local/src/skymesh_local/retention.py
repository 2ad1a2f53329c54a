"""What of a store is due to expire: of runs that have ended, and of logs as far as all tiers are through."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, cast

from skymesh.errors import SettingsError
from skymesh.model.deployment import Deployment
from skymesh.model.execution import JournalEntry
from skymesh.model.ids import Digest, text_id
from skymesh.model.position import Position
from skymesh.model.retention import Expired, Retention
from skymesh.model.run import JobRecord, Run, RunSummary
from skymesh.provenance.journal import BATCH
from skymesh.runtime.expired import expiries_of
from skymesh.runtime.switched import switched_on
from skymesh.runtime.tier import Context
from skymesh.runtime.topics import PROVENANCE
from skymesh.settings.retention import EXPIRING, KEPT, RetentionSettings, why_kept
from skymesh.store.store import Store
from skymesh_deliver.held import iter_held
from skymesh_local.audit_journal import DELIVERERS, readers_of
from skymesh_local.find import find_run
from skymesh_local.in_flight import InFlight, find_in_flight
from skymesh_local.mesh import Mesh

TIER = "retention"
"""Under which name it is journaled that something expired."""

_DEPLOYED = "it is deployed: undeploy its job first"
_OF_RUNS: tuple[Retention, ...] = ("decisions", "journal")


class Asked(NamedTuple):
    """What is asked to expire.

    Attributes
    ----------
    before
        Of each class, what ended or came in before this time (UTC).
    run
        A run, by anything that `find_run` takes; empty for all that is old enough.
    why
        What asks for each class.
    """

    before: Mapping[Retention, datetime]
    run: str
    why: Mapping[Retention, str]


class Due(NamedTuple):
    """What may go now.

    Attributes
    ----------
    expiries
        What goes; not written yet, but for those that were begun and not done.
    kept
        Runs that have not ended, and logs that are old enough and stay; and why.
    """

    expiries: list[Expired]
    kept: dict[str, str]


def asked_of(
    classes: Iterable[str], run: str, before: datetime | None, settings: RetentionSettings, now: datetime
) -> Asked:
    """Return what is asked for.

    Parameters
    ----------
    classes
        Names of retention classes; none for all that may expire.
    run, before
        A run, or what is older than a time; neither for what the settings say.
    settings, now
        How long classes are kept, and the time (UTC).

    Raises
    ------
    SettingsError
        If there is no such class, or it is kept for ever, or nothing says what is to go.
    """
    chosen = cast("list[Retention]", list(dict.fromkeys(classes)))
    for name in chosen:
        if name not in EXPIRING:
            known = f"there is no such class; there are: {', '.join((*EXPIRING, *KEPT))}"
            raise SettingsError(why_kept(name) if name in KEPT else known, where=f"--class {name}")
    if run and before is not None:
        raise SettingsError("give either --run or --before", where="--run")
    if run and "packets" in chosen:
        raise SettingsError("packets are the log's, which all its runs share: say --before", where="--run")
    if run:
        return _asked(dict.fromkeys(chosen or _OF_RUNS, now), run, "--run")
    if before is not None:
        told = f"--before {before.isoformat(timespec='seconds')}"
        return _asked(dict.fromkeys(chosen or cast("tuple[Retention, ...]", EXPIRING), before), "", told)
    days = {name: settings.days(name) for name in chosen or EXPIRING}
    cuts = {cast("Retention", name): now - timedelta(days=n) for name, n in days.items() if n}
    if not cuts:
        names = ", ".join(f"SKYMESH_RETENTION_{name.upper()}_DAYS" for name in days)
        raise SettingsError(f"all is kept for ever: say --run or --before, or set {names}", where="--before")
    return Asked(cuts, "", {name: f"SKYMESH_RETENTION_{name.upper()}_DAYS={days[name]}" for name in cuts})


def _asked(before: dict[Retention, datetime], run: str, why: str) -> Asked:
    return Asked(before, run, dict.fromkeys(before, why))


async def find_due(mesh: Mesh, asked: Asked, now: datetime) -> Due:
    """Return what may go, what was begun before first.

    Raises
    ------
    SettingsError
        If a run that is named has not ended.
    """
    begun = [expired async for expired in mesh.store.scan(Expired) if expired.status == "begun"]
    due = Due(begun, {})
    runs = [run async for run in mesh.store.scan(Run)]
    named = await find_run(mesh.store, asked.run, is_on=False) if asked.run else None
    for run in runs if named is None else [named]:
        await _add_run(mesh, run, asked, now, due)
    if named is None and "packets" in asked.before:
        for log in dict.fromkeys(run.log for run in runs):
            await _add_log(mesh, [run for run in runs if run.log == log], asked, now, due)
    return due


async def _add_run(mesh: Mesh, run: Run, asked: Asked, now: datetime, due: Due) -> None:
    gone = {expired.retention for expired in await expiries_of(mesh.store, run.id)}
    left = [name for name in _OF_RUNS if name in asked.before and name not in gone]
    if not left:
        return
    if why := await why_not_ended(mesh, run):
        if asked.run:
            raise SettingsError(f"cannot expire: {why}", where=text_id("run", run.id))
        due.kept[text_id("run", run.id)] = why
        return
    ended = await ended_utc(mesh.store, run.id)
    old = [name for name in left if _is_before(ended, asked.before[name])]
    at = now.isoformat(timespec="milliseconds")
    due.expiries.extend(Expired(run.id, name, at, (), asked.why[name], ended_utc=ended) for name in old)


async def ended_utc(store: Store, run: Digest) -> str:
    """Return when a run judged its last alert; empty if it judged none."""
    known = [expired.ended_utc for expired in await expiries_of(store, run)]
    entries = store.scan(JournalEntry, run=run)
    return max([*known, *[entry.started_utc async for entry in entries if entry.tier != TIER]], default="")


def _is_before(utc: str, time: datetime) -> bool:
    return not utc or datetime.fromisoformat(utc) < time


async def why_not_ended(mesh: Mesh, run: Run) -> str:
    """Return why a run has not ended: somebody may still write what it has, or need it. Empty if it has."""
    context = await mesh.context(run)
    is_live = context.run is None
    if is_live and await _is_remembered(mesh, run):
        return _DEPLOYED
    if not is_live and await mesh.store.get(RunSummary, run=run.id) is None:
        return "it is not finished"
    job = await mesh.store.get(JobRecord, id=run.job)
    in_flight = await find_in_flight(mesh, context, {**readers_of(job), PROVENANCE: PROVENANCE})
    if run.id in in_flight.runs:
        return "records of it are in flight"
    if is_live and await _is_on(mesh, run, context):
        return _DEPLOYED
    if held := sum([held.run == run.id async for held in iter_held(mesh.store)]):
        return f"{held} reactions of it wait for a person: release or drop them first"
    return ""


async def _is_remembered(mesh: Mesh, run: Run) -> bool:
    return any([run.id in row.runs async for row in mesh.store.scan(Deployment, log=run.log)])


async def _is_on(mesh: Mesh, run: Run, context: Context) -> bool:
    """Return whether the markers that T0 has read say that a run is at work, in any partition."""
    return run.id in await switched_on(mesh.store, context.epochs[-1])


async def _add_log(mesh: Mesh, runs: list[Run], asked: Asked, now: datetime, due: Due) -> None:
    """Add the packets of a log that are old enough; its runs are given."""
    before, log = asked.before["packets"], runs[0].log
    gone = [expired for expired in await expiries_of(mesh.store, log) if expired.status == "done"]
    context = await mesh.context(runs[0])
    if context.run is None:
        until = tuple([end async for end in _ends(mesh, runs, before)])
        is_due = any(not any(known.covers(_last(end)) for known in gone) for end in until)
    else:
        ended = [await ended_utc(mesh.store, run.id) for run in runs]
        for run in runs if all(_is_before(utc, before) for utc in ended) else ():
            if why := await why_not_ended(mesh, run):
                due.kept[text_id("log", log)] = f"{text_id('run', run.id)}: {why}"
                return
        until, last = (), max((known.expired_utc for known in gone), default="")
        is_due = all(_is_before(utc, before) for utc in ended) and any(utc > last for utc in ended)
    if is_due and not any(expired.owner == log for expired in due.expiries):
        at = now.isoformat(timespec="milliseconds")
        due.expiries.append(
            Expired(log, "packets", at, until, asked.why["packets"], before.astimezone(UTC).isoformat())
        )


def _last(end: Position) -> Position:
    return end._replace(offset=end.offset - 1)


async def _ends(mesh: Mesh, runs: list[Run], before: datetime) -> AsyncIterator[Position]:
    """Yield for each partition of a live log the position below which all is old enough, and through T3."""
    context = await mesh.context(runs[0])
    lowest = (await packets_in_flight(mesh, context, runs)).lowest
    ends: dict[int, int] = {}
    young: set[int] = set()
    entries = mesh.store.scan(JournalEntry, run=context.owner, tier="t0", instance=BATCH)
    async for entry in entries:
        if not _is_before(entry.started_utc, before):
            young.add(entry.partition)
        if entry.partition not in young:
            ends[entry.partition] = entry.end
    for partition, end in sorted(ends.items()):
        yield min(context.at(partition, end), lowest.get(partition, context.at(partition, end)))


async def packets_in_flight(mesh: Mesh, context: Context, runs: Iterable[Run]) -> InFlight:
    """Return for which alerts somebody may still ask for their image stamps."""
    readers: dict[str, str] = {}
    for run in runs:
        readers |= readers_of(await mesh.store.get(JobRecord, id=run.job))
    asking = {tier: record for tier, record in readers.items() if not tier.startswith(DELIVERERS)}
    return await find_in_flight(mesh, context, asking)


def now_utc() -> datetime:
    """Return the time."""
    return datetime.now(UTC)

"""The decisions of T2: the results of every state that a channel reached."""

from __future__ import annotations

from skymesh.jobs.plan import JobPlan
from skymesh.model.execution import JournalEntry, Line, Result, Settled, SettledResult
from skymesh.model.execution import Outcome as ExecutionOutcome
from skymesh.model.ids import Digest
from skymesh.model.point import DataPoint
from skymesh.model.records import Completed, Reached
from skymesh.provenance.journal import Journalist, Stopwatch
from skymesh.runtime.execute import Executor
from skymesh.runtime.tier import Batch, Context, Outcome, Publication
from skymesh.runtime.topics import RESULTS, STATES
from skymesh.store.store import Found, Keys
from skymesh.units.wiring import OF_MATERIAL, InputKind
from skymesh_t2.inputs import StateMaterial
from skymesh_t2.settling import Settler, Site, ids_within_reach


class T2:
    """Runs the analysers of every channel on the states it reached.

    Parameters
    ----------
    context
        The run and its log.
    job
        Its plan.
    executor
        What runs units: it computes and does no I/O.
    """

    name = "t2"
    reads = STATES
    record_type = Reached

    def __init__(self, context: Context, job: JobPlan, executor: Executor) -> None:
        self._context = context
        self._channels = {channel.name: channel for channel in job.channels}
        self._executor = executor
        asked = {wire.hint.kind for c in job.channels for i in c.instances for wire in i.wires}
        self._shows_stamps = InputKind.CUTOUTS in asked
        # Only then do ids depend on more than what the records say.
        self._needs_material = bool(asked & OF_MATERIAL)

    def needs(self, batch: Batch[Reached], found: Found) -> Keys:
        """Return results that may be remembered, stocks whose points did not travel, and image stamps."""
        known = found if self._needs_material else None
        sites = [site for record in batch.records for site in self._sites(record, known)]
        stocks = (record.stock for record in batch.records if record.points is None or self._shows_stamps)
        stamps = (site.material.cutouts for site in sites if site.material and self._shows_stamps)
        return Keys(
            arrivals=frozenset(stocks),
            results=frozenset(ids_within_reach(sites, found.results)),
            cutouts=frozenset(id_ for id_ in stamps if id_ is not None),
            until=batch.records[-1].position,
        )

    def process(self, batch: Batch[Reached], found: Found) -> Outcome:
        """Settle all executions of the batch and publish what is complete, which is everything."""
        watch = Stopwatch()
        sites = [self._sites(record, found) for record in batch.records]
        settler = Settler(self._context.run, found.results, self._executor)
        settler.settle([site for of_record in sites for site in of_record])
        settled, records = [], []
        for record, of_record in zip(batch.records, sites, strict=True):
            settled.append(self._settled(record, of_record))
            records.append(Publication(RESULTS, record.stock, _completed(record, of_record)))
        return Outcome(
            documents=(*settler.fresh, *settled),
            records=tuple(records),
            journal=self._journal(batch, [site for of_record in sites for site in of_record], watch),
        )

    def _sites(self, record: Reached, found: Found | None) -> list[Site]:
        """Return where analysers are to run; with the material of the states, once all of it was read."""
        points = None if found is None else self._points(record, found)
        stamps = None if found is None or not self._shows_stamps else _stamps_of(record, found)
        sites: list[Site] = []
        for reached in record.states:
            material = None
            if found is not None and points is not None:
                members = tuple(points[index] for index in reached.members)
                material = StateMaterial(reached.id, record.stock, members, stamps, found.cutouts)
            sites += [
                Site(self._channels[name], record.stock, record.position, reached.id, material)
                for name in reached.channels
            ]
        return sites

    def _points(self, record: Reached, found: Found) -> tuple[DataPoint, ...] | None:
        """Return a record's points, from the store where they did not travel; None until all was read."""
        if record.stock not in found.arrivals:
            return None if self._shows_stamps else record.points
        if record.points is not None:
            return record.points
        known = {p.id: p for arrival in found.arrivals[record.stock] for p in arrival.alert.points}
        return tuple(known[id_] for id_ in record.point_ids)

    def _settled(self, record: Reached, sites: list[Site]) -> Settled:
        results: dict[str, dict[Digest, dict[str, SettledResult]]] = {}
        for site in sites:
            told = {name: _settled_result(result) for name, result in site.settled.items()}
            results.setdefault(site.channel.name, {})[site.state] = told
        return Settled(self._context.run, record.position, record.stock, record.alert, results)

    def _journal(
        self, batch: Batch[Reached], sites: list[Site], watch: Stopwatch
    ) -> tuple[JournalEntry, ...]:
        journalist = Journalist(self._context.run, self.name, batch.partition, batch.first, batch.end)
        lines: dict[tuple[str, str], list[Line]] = {}
        for site in sites:
            for name, line in site.lines.items():
                lines.setdefault((site.channel.name, name), []).append(line)
        entries = []
        for channel in self._channels.values():
            for instance in channel.instances:
                told = lines.get((channel.name, instance.name), [])
                seconds = sum(line.seconds for line in told)
                entry = journalist.entry(
                    channel.name, instance.name, instance.ref, told, watch.started_utc, seconds
                )
                entries.append(entry)
        if not entries:
            entries.append(journalist.entry("", "pass", None, (), watch.started_utc, watch.seconds()))
        return tuple(entries)


def _stamps_of(record: Reached, found: Found) -> Digest | None:
    """Return the id of the image stamps of a record's alert; None if it has none, or was not read yet.

    Whoever keeps an alert may see its triggering point, and so its stamps.
    """
    arrivals = found.arrivals.get(record.stock, ())
    return next((a.alert.cutouts for a in arrivals if a.position == record.position), None)


def _completed(record: Reached, sites: list[Site]) -> Completed:
    results: dict[str, dict[Digest, dict[str, tuple[Digest, ExecutionOutcome]]]] = {}
    for site in sites:
        told = {name: _brief(result) for name, result in site.settled.items()}
        results.setdefault(site.channel.name, {})[site.state] = told
    return Completed(record.position, record.stock, record.alert, results)


def _settled_result(result: Result) -> SettledResult:
    return SettledResult(result.id, result.outcome, result.digest, result.is_transient)


def _brief(result: Result) -> tuple[Digest, ExecutionOutcome]:
    return (result.id, result.outcome)

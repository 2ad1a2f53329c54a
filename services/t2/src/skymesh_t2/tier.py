"""The decisions of T2: the results of every state that a channel reached."""

from __future__ import annotations

from collections.abc import Iterator

from skymesh.jobs.deployed import Deployed
from skymesh.model.execution import JournalEntry, Line
from skymesh.model.ids import Digest
from skymesh.model.point import DataPoint
from skymesh.model.records import Reached
from skymesh.provenance.journal import Stopwatch, Told, batch_journal
from skymesh.runtime.execute import Executor
from skymesh.runtime.tier import Batch, Context, Outcome, Tier
from skymesh.store.store import Found, Keys
from skymesh.units.wiring import OF_MATERIAL, InputKind
from skymesh_t2.inputs import StateMaterial
from skymesh_t2.pool import ALL_POOLS, Pool
from skymesh_t2.settling import Settler
from skymesh_t2.sites import Site, ids_from_elsewhere, ids_within_reach
from skymesh_t2.slip import completed, onward, ways


class T2(Tier[Reached]):
    """Runs the analysers of every channel on the states it reached.

    Parameters
    ----------
    context
        The log.
    executor
        What runs units: it computes and does no I/O.
    pool
        Which of the analysers: by default all.
    """

    record_type = Reached

    def __init__(self, context: Context, executor: Executor, pool: Pool = ALL_POOLS) -> None:
        self.name = pool.tier
        self.reads = pool.reads
        self._context = context
        self._executor = executor
        self._pool = pool

    def needs(self, batch: Batch[Reached], found: Found) -> Keys:
        """Return results that may be remembered, stocks whose points did not travel, and image stamps."""
        until = max(record.position for record in batch.records)
        jobs = frozenset(_runs(batch))
        if not found.jobs.keys() >= jobs:
            return Keys(jobs=jobs, until=until)
        asked = self._asked(batch, found)
        shows_stamps = InputKind.CUTOUTS in asked
        # Only where something is made from points do ids depend on more than what the records say.
        is_made = bool(asked & OF_MATERIAL)
        sites = [
            site
            for record in batch.records
            for site in self._sites(record, found, shows_stamps=shows_stamps, is_made=is_made)
        ]
        brought = frozenset(ids_from_elsewhere(sites, self._pool))
        stocks = (record.stock for record in batch.records if record.points is None or shows_stamps)
        stamps = (site.material.cutouts for site in sites if site.material and shows_stamps)
        return Keys(
            arrivals=frozenset(stocks),
            results=brought.union(ids_within_reach(sites, self._pool, found.results)),
            cutouts=frozenset(id_ for id_ in stamps if id_ is not None),
            jobs=jobs,
            until=until,
        )

    def process(self, batch: Batch[Reached], found: Found) -> Outcome:
        """Settle the batch's executions of the pool, and publish what is complete or due in another pool."""
        watch = Stopwatch()
        shows_stamps = InputKind.CUTOUTS in self._asked(batch, found)
        by_record = [
            self._sites(record, found, shows_stamps=shows_stamps, is_made=True) for record in batch.records
        ]
        sites = [site for of_record in by_record for site in of_record]
        settler = Settler(found.results, self._executor, self._pool)
        settler.settle(sites)
        records = []
        for record, of_record in zip(batch.records, by_record, strict=True):
            for pool, part in ways(of_record).items():
                records.append(completed(record, part) if pool is None else onward(record, pool, part))
        return Outcome(
            documents=tuple(settler.fresh),
            records=tuple(records),
            journal=self._journal(batch, found, sites, watch),
        )

    def _asked(self, batch: Batch[Reached], found: Found) -> frozenset[InputKind]:
        """Return the kinds of what the analysers of the pool ask for in the jobs of a batch."""
        channels = (channel for run in _runs(batch) for channel in found.jobs[run].plan.channels)
        here = (i for channel in channels for i in channel.instances if self._pool.runs(i))
        return frozenset(wire.hint.kind for instance in here for wire in instance.wires)

    def _sites(self, record: Reached, found: Found, *, shows_stamps: bool, is_made: bool) -> list[Site]:
        """Return where analysers are to run.

        Parameters
        ----------
        record
            States that were reached.
        found
            What was read so far.
        shows_stamps
            Whether any analyser of the batch asks for image stamps.
        is_made
            Whether the material of the states is asked for; it is there once all of it was read.
        """
        points = _points(record, found, shows_stamps=shows_stamps) if is_made else None
        stamps = _stamps_of(record, found) if is_made and shows_stamps else None
        sites: list[Site] = []
        for reached in record.states:
            material = None
            if points is not None:
                members = tuple(points[index] for index in reached.members)
                material = StateMaterial(reached.id, record.stock, members, stamps, found.cutouts)
            for run, names in reached.channels.items():
                sites += [
                    Site(
                        run,
                        found.jobs[run].channel(name),
                        record.stock,
                        record.position,
                        reached.id,
                        material,
                        dict(record.slip.get(run, {}).get(name, {}).get(reached.id, {})),
                    )
                    for name in names
                ]
        return sites

    def _journal(
        self, batch: Batch[Reached], found: Found, sites: list[Site], watch: Stopwatch
    ) -> tuple[JournalEntry, ...]:
        lines: dict[tuple[Digest, str, str], list[Line]] = {}
        for site in sites:
            for name, line in site.lines.items():
                lines.setdefault((site.run, site.channel.name, name), []).append(line)
        told = {run: self._told(found.jobs[run], lines) for run in _runs(batch)}
        place = (self.name, batch.partition, batch.first, batch.end)
        return batch_journal(self._context.owner, place, watch, {"records": len(batch.records)}, told)

    def _told(self, job: Deployed, lines: dict[tuple[Digest, str, str], list[Line]]) -> Iterator[Told]:
        for channel in job.plan.channels:
            for instance in filter(self._pool.runs, channel.instances):
                own = lines.get((job.run, channel.name, instance.name), [])
                yield Told.line_by_line(channel.name, instance.name, instance.ref, own)


def _runs(batch: Batch[Reached]) -> tuple[Digest, ...]:
    states = (state for record in batch.records for state in record.states)
    return tuple(dict.fromkeys(run for state in states for run in state.channels))


def _points(record: Reached, found: Found, *, shows_stamps: bool) -> tuple[DataPoint, ...] | None:
    """Return a record's points, from the store where they did not travel; None until all was read."""
    if record.stock not in found.arrivals:
        return None if shows_stamps else record.points
    if record.points is not None:
        return record.points
    known = {p.id: p for arrival in found.arrivals[record.stock] for p in arrival.alert.points}
    return tuple(known[id_] for id_ in record.point_ids)


def _stamps_of(record: Reached, found: Found) -> Digest | None:
    """Return the id of the image stamps of a record's alert; None if it has none, or was not read yet.

    Whoever keeps an alert may see its triggering point, and so its stamps.
    """
    arrivals = found.arrivals.get(record.stock, ())
    return next((a.alert.cutouts for a in arrivals if a.position == record.position), None)

"""The decisions of delivery: what leaves through an outlet, what does not and why."""

from __future__ import annotations

from collections.abc import Iterator

from skymesh.jobs.deployed import Deployed
from skymesh.model.execution import JournalEntry
from skymesh.model.ids import Digest
from skymesh.model.records import Intended
from skymesh.provenance.journal import Stopwatch, Told, batch_journal
from skymesh.runtime.tier import Batch, Context, Outcome, Tier
from skymesh.runtime.topics import INTENTS
from skymesh.store.store import Found, Keys
from skymesh_deliver.door import Door
from skymesh_deliver.fates import Fates

_NONE: frozenset[Digest] = frozenset()


class Deliver(Tier[Intended]):
    """Hands the intents for one outlet to it, at its own pace; those for others it passes over.

    It decides and sends nothing itself: parcels are effects like documents and records, and the loop
    does them in the order that makes a crash harmless (`skymesh.runtime.loop`). So a deliverer is read
    and tested as every tier is, and outlets differ only in what `deliver` of theirs does.

    Parameters
    ----------
    context
        The log.
    door
        How what is meant for the outlet leaves.
    """

    reads = INTENTS
    record_type = Intended

    def __init__(self, context: Context, door: Door) -> None:
        self.name = f"deliver.{door.target}"
        self._context = context
        self._door = door

    def needs(self, batch: Batch[Intended], found: Found) -> Keys:
        """Return the jobs and intents of the batch's stocks, and what is known of these reactions."""
        own = self._own(batch)
        reactions = frozenset(record.reaction for record in own)
        return Keys(
            intents=frozenset((record.run, record.stock) for record in own),
            receipts=reactions if self._door.is_shared else _NONE,
            held=reactions if self._door.may_hold else _NONE,
            jobs=frozenset(_runs(own)),
            until=max(record.position for record in batch.records),
        )

    def process(self, batch: Batch[Intended], found: Found) -> Outcome:
        """Decide what becomes of every intent for the outlet."""
        watch = Stopwatch()
        fates = Fates(self._door, found, watch.started_utc)
        places = (self._context.at(batch.partition, offset) for offset in batch.offsets)
        placed = zip(places, batch.records, strict=True)
        fates.decide((at, record) for at, record in placed if record.target == self._door.target)
        return Outcome(
            documents=tuple(fates.documents),
            parcels=tuple(fates.parcels),
            messages=tuple(fates.messages),
            journal=self._journal(batch, found, fates, watch),
        )

    def _own(self, batch: Batch[Intended]) -> list[Intended]:
        return [record for record in batch.records if record.target == self._door.target]

    def _journal(
        self, batch: Batch[Intended], found: Found, fates: Fates, watch: Stopwatch
    ) -> tuple[JournalEntry, ...]:
        own = self._own(batch)
        told = {run: self._told(found.jobs[run], fates, watch) for run in _runs(own)}
        place = (self.name, batch.partition, batch.first, batch.end)
        counts = {"records": len(batch.records), "passed_over": len(batch.records) - len(own)}
        return batch_journal(self._context.owner, place, watch, counts, told)

    def _told(self, job: Deployed, fates: Fates, watch: Stopwatch) -> Iterator[Told]:
        """Yield what was done for the reactions of a job that tell the outlet."""
        for channel in job.plan.channels:
            for reaction in channel.reactions:
                if self._door.target in reaction.outlets:
                    own = fates.lines.get((job.run, channel.name, reaction.name), [])
                    yield Told(channel.name, reaction.name, None, own, watch.seconds())


def _runs(records: list[Intended]) -> tuple[Digest, ...]:
    return tuple(dict.fromkeys(record.run for record in records))

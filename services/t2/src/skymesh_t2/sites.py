"""The states of a batch on which analysers are to run, and what of the store that takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from skymesh.jobs.plan import ChannelPlan, Instance
from skymesh.model.execution import InputEntry, Line, Result, SettledResult, execution_id
from skymesh.model.ids import Digest
from skymesh.model.position import Position
from skymesh.model.records import Stamp
from skymesh_t2.inputs import StateMaterial, entries, needs_material
from skymesh_t2.pool import Pool


@dataclass(eq=False)
class Site:
    """One state of one channel, on which the channel's analysers are to run.

    Attributes
    ----------
    run, channel, stock, position, state
        Where.
    material
        What inputs are made from; None where only ids are asked for.
    stamps
        How instances were settled so far, in other pools and here.
    lines
        What the journal says of those that were settled here, by instance.
    """

    run: Digest
    channel: ChannelPlan
    stock: str
    position: Position
    state: Digest
    material: StateMaterial | None
    stamps: dict[str, Stamp]
    lines: dict[str, Line] = field(default_factory=dict)

    def is_due(self, instance: Instance) -> bool:
        """Return whether an instance is not settled, and all that it builds on is."""
        stamps = self.stamps
        return instance.name not in stamps and all(source in stamps for source in instance.sources)

    def entries(self, instance: Instance) -> dict[str, InputEntry]:
        """Return what an instance is given here, as it enters the id."""
        return entries(instance, self.channel, self.state, self.material, self.stamps)

    def take(self, instance: Instance, result: Result) -> None:
        """Note how an instance was settled."""
        self.stamps[instance.name] = Stamp(
            result.id, result.outcome, result.reason, result.digest, result.is_transient
        )

    def settled(self) -> dict[str, SettledResult]:
        """Return how instances were settled, in the order of the job."""
        stamps = self.stamps
        return {i.name: _settled(stamps[i.name]) for i in self.channel.instances if i.name in stamps}


def _settled(stamp: Stamp) -> SettledResult:
    return SettledResult(stamp.id, stamp.outcome, stamp.digest, stamp.is_transient)


def ids_within_reach(sites: Iterable[Site], pool: Pool, found: Mapping[Digest, Result]) -> Iterator[Digest]:
    """Yield the executions whose ids follow from what was found: those that build on nothing else."""
    for site in sites:
        for instance in site.channel.instances:
            if not pool.runs(instance) or not site.is_due(instance):
                continue
            if site.material is None and needs_material(instance):
                continue
            id_ = execution_id(instance.ref, site.entries(instance))
            yield id_
            if id_ in found:
                site.take(instance, found[id_])


def ids_from_elsewhere(sites: Iterable[Site], pool: Pool) -> Iterator[Digest]:
    """Yield the results that came with the states and that analysers build on here."""
    for site in sites:
        if not site.stamps:
            continue
        for instance in site.channel.instances:
            if pool.runs(instance) and instance.name not in site.stamps:
                known = (site.stamps[source] for source in instance.sources if source in site.stamps)
                yield from (stamp.id for stamp in known if stamp.outcome == "ok")

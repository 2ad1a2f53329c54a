"""The completed states of a batch, with what came before each, and what reactions on them must know."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from skymesh.jobs.deployed import Deployed
from skymesh.jobs.plan import ChannelPlan
from skymesh.jobs.reactions import ReactionPlan
from skymesh.model.execution import Outcome, Result, SettledResult
from skymesh.model.ids import Digest
from skymesh.model.position import Position
from skymesh.model.records import Completed
from skymesh.store.store import Found, Keys
from skymesh.units.wiring import InputKind

Results = dict[str, tuple[Digest, Outcome]]
"""instance → (result id, outcome)."""

_OF_POINTS = frozenset({InputKind.VIEW, InputKind.CURVE})


@dataclass(frozen=True, eq=False)
class Site:
    """One completed state of one channel.

    Attributes
    ----------
    deployed, channel, stock, position, alert, state
        Where.
    results
        The channel's results on the state.
    before
        The state that the channel completed before it in the same record, if there is one.
    """

    deployed: Deployed
    channel: ChannelPlan
    stock: str
    position: Position
    alert: Digest
    state: Digest
    results: Results
    before: Site | None

    @property
    def run(self) -> Digest:
        """The run."""
        return self.deployed.run

    def ok_ids(self, instances: Iterable[str] | None = None) -> frozenset[Digest]:
        """Return the ids of the results that are ok, of all instances or of some."""
        names = self.results if instances is None else [n for n in instances if n in self.results]
        return frozenset(id_ for id_, outcome in map(self.results.__getitem__, names) if outcome == "ok")

    def ok_results(self, found: Found) -> dict[str, Result]:
        """Return the results that are ok and were asked for, by instance.

        The record says how each was settled for this run, whatever the store has under its id since.
        """
        return {
            name: found.results[id_]
            for name, (id_, outcome) in self.results.items()
            if outcome == "ok" and id_ in found.results
        }

    def meets(self, reaction: ReactionPlan, found: Found) -> bool:
        """Return whether the results meet the condition of a reaction."""
        contents = {name: r.content for name, r in self.ok_results(found).items() if r.content is not None}
        return reaction.when.is_met(contents)


def sites_of(jobs: Mapping[Digest, Deployed], records: Iterable[Completed]) -> list[Site]:
    """Return the completed states of the channels that react, in order."""
    sites: list[Site] = []
    for record in records:
        for run, channels in record.results.items():
            for name, states in channels.items():
                sites += _of_channel(jobs[run], name, record, states)
    return sites


def _of_channel(
    deployed: Deployed, name: str, record: Completed, states: Mapping[Digest, Mapping[str, SettledResult]]
) -> Iterator[Site]:
    channel, before = deployed.channel(name), None
    if not channel.reactions:
        return
    for state, settled in states.items():
        results = results_of(settled)
        before = Site(deployed, channel, record.stock, record.position, record.alert, state, results, before)
        yield before


def results_of(settled: Mapping[str, SettledResult]) -> Results:
    """Return the results of a state as channels look at them."""
    return {name: (result.id, result.outcome) for name, result in settled.items()}


class Memory:
    """What each channel had of an object before a state: what was completed at smaller positions so far.

    States may complete in another order than that of the log. Those of the batch count from the moment
    at which they are noted, so that batches make no difference.

    Parameters
    ----------
    sites
        The completed states of the batch.
    found
        The views below them, as far as they were asked for.
    """

    def __init__(self, sites: Iterable[Site], found: Found) -> None:
        self._views = found.views
        self._of_batch = {(site.run, site.channel.name, site.position) for site in sites}
        self._noted: dict[tuple[Digest, str, str], dict[Position, Site]] = {}

    def note(self, site: Site) -> None:
        """Take in a state whose reactions are decided."""
        self._noted.setdefault((site.run, site.channel.name, site.stock), {})[site.position] = site

    def before(self, site: Site) -> tuple[Digest, Digest, Results] | None:
        """Return alert, state and results of what the channel had of the object before; None if nothing."""
        if site.before is not None:
            return (site.before.alert, site.before.state, site.before.results)
        known = {
            view.position: (view.alert, view.state, view.results)
            for view in self._views.get((site.run, site.stock), ())
            if view.channel == site.channel.name
            and (site.run, view.channel, view.position) not in self._of_batch
        }
        noted = self._noted.get((site.run, site.channel.name, site.stock), {})
        known |= {position: (s.alert, s.state, s.results) for position, s in noted.items()}
        newest = max((position for position in known if position < site.position), default=None)
        return None if newest is None else known[newest]


def wanted(sites: list[Site], found: Found) -> Iterator[Keys]:
    """Yield what the reactions on states must know, as far as that can be said from what was found."""
    memory = Memory(sites, found)
    for site in sites:
        for reaction in site.channel.reactions:
            yield _wanted(site, reaction, found, memory)
        memory.note(site)


def _wanted(site: Site, reaction: ReactionPlan, found: Found, memory: Memory) -> Keys:
    looked_at = site.ok_ids(reaction.when.instances)
    if not found.results.keys() >= looked_at:
        return Keys(results=looked_at)
    if not site.meets(reaction, found):
        return Keys()
    kinds = {wire.hint.kind for wire in reaction.wires}
    sees_points = bool(kinds & _OF_POINTS)
    return Keys(
        arrivals=frozenset({site.stock}) if sees_points else frozenset(),
        states=frozenset({site.state}) if sees_points else frozenset(),
        intents=frozenset({(site.run, site.stock)}),
        views=frozenset({(site.run, site.stock)}) if InputKind.EARLIER in kinds else frozenset(),
        results=site.ok_ids() | _earlier_ids(site, reaction, memory),
    )


def _earlier_ids(site: Site, reaction: ReactionPlan, memory: Memory) -> frozenset[Digest]:
    wires = [wire for wire in reaction.wires if wire.hint.kind is InputKind.EARLIER]
    before = memory.before(site) if wires else None
    if before is None:
        return frozenset()
    named = [before[2][source] for wire in wires for source in wire.sources if source in before[2]]
    return frozenset(id_ for id_, outcome in named if outcome == "ok")

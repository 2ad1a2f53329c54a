"""The routing slip: where states go once a pool has done its part.

States go to the T2 that serves no pool first, then from pool to pool with what was settled so far, until
all of it is. There is no coordinator and nothing is ever joined: whoever has a record knows where it goes
next.

The states of one run at one alert travel together; those of other runs go their own way, so that a job is
never held up by another's heavy units. A stock's states keep their order as long as its run asks for the
same pools at each. Where a channel that needs a pool reaches a state at some alerts only, the states of its
neighbours at those alerts complete later than some that were reached after them. T3 takes each at its own
position: a reaction that was told of a later state stands, and what a state had before it is what was
completed below it so far.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from skymesh.model.execution import SettledResult
from skymesh.model.ids import Digest
from skymesh.model.records import Completed, Reached, ReachedState, Slip
from skymesh.runtime.tier import Publication
from skymesh.runtime.topics import RESULTS, states_of
from skymesh_t2.sites import Site


def ways(sites: Iterable[Site]) -> dict[str | None, list[Site]]:
    """Return where states go next, those of a run together: by pool, None where all of a run is settled."""
    by_run: dict[Digest, list[Site]] = {}
    for site in sites:
        by_run.setdefault(site.run, []).append(site)
    found: dict[str | None, list[Site]] = {}
    for of_run in by_run.values():
        found.setdefault(next_pool(of_run), []).extend(of_run)
    return found


def next_pool(sites: Iterable[Site]) -> str | None:
    """Return a pool where something is due; None where all is settled."""
    due = {i.pool for site in sites for i in site.channel.instances if site.is_due(i)}
    return min(due, default=None)


def onward(record: Reached, pool: str, sites: Sequence[Site]) -> Publication:
    """Return some states of a record for another pool, with what was settled on them."""
    runs = {site.run for site in sites}
    slip: Slip = {}
    for site in sites:
        by_state = slip.setdefault(site.run, {}).setdefault(site.channel.name, {})
        by_state[site.state] = site.stamps
    states = tuple(left for state in record.states if (left := _of_runs(state, runs)).channels)
    return Publication(states_of(pool), record.stock, replace(record, states=states, slip=slip))


def _of_runs(state: ReachedState, runs: set[Digest]) -> ReachedState:
    return replace(state, channels={run: names for run, names in state.channels.items() if run in runs})


def completed(record: Reached, sites: Iterable[Site]) -> Publication:
    """Return some states of a record for T3, with all their results."""
    results: dict[Digest, dict[str, dict[Digest, dict[str, SettledResult]]]] = {}
    for site in sites:
        by_state = results.setdefault(site.run, {}).setdefault(site.channel.name, {})
        by_state[site.state] = site.settled()
    value = Completed(record.position, record.stock, record.alert, results, record.times)
    return Publication(RESULTS, record.stock, value)

"""Whatever pools units run in, and in whatever order: the same is settled as where one T2 runs them all."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skymesh.codecs import wire
from skymesh.errors import InvariantError, UnitTimeoutError
from skymesh.jobs.deployed import Deployed
from skymesh.jobs.plan import ChannelPlan, Configured, Instance, JobPlan
from skymesh.jobs.wires import Wire
from skymesh.model.execution import Result, UnitRef, config_id
from skymesh.model.ids import digest_of
from skymesh.model.position import Position
from skymesh.model.records import Completed, Reached, ReachedState, Times
from skymesh.runtime.execute import InProcessExecutor
from skymesh.runtime.tier import Batch, Context
from skymesh.runtime.topics import RESULTS, STATES, states_of
from skymesh.store.store import Found
from skymesh.units import Analyser, MissingInputError, State
from skymesh.units import Result as UnitResult
from skymesh.units.wiring import InputKind, signature_of
from skymesh_t2.pool import ALL_POOLS, Pool
from skymesh_t2.tier import T2
from skymesh_t2.units.difference_flux import DifferenceFlux

LOG = digest_of("log", "slip")
CODE = digest_of("code", 1)
STOCKS = ("ztf:ZTF21aaaaaaa", "ztf:ZTF21aaaaaab")
POOLS = ("", "heavy", "gpu")
MOODS = ("fine", "fine", "fine", "fails", "lacks", "late")


class Total(UnitResult):
    value: int


class Adds(Analyser):
    """Builds on whatever is there."""

    version = "1"
    number: int
    mood: str

    def run(self, state: State, made: Mapping[str, Total]) -> Total:
        if self.mood == "fails":
            raise ValueError(f"not {self.number}")
        if self.mood == "lacks":
            raise MissingInputError(f"{self.number} lacks something")
        if self.mood == "late":
            raise UnitTimeoutError(f"{self.number} is late")
        return Total(value=self.number + len(state.id) + sum(total.value for total in made.values()))


class Doubles(Analyser):
    """Needs one result, and is missing without it."""

    version = "1"

    def run(self, total: Total) -> Total:
        return Total(value=2 * total.value)


def instance(name, unit, sources, earlier, pool=""):
    signature = signature_of(type(unit))
    of_results = {InputKind.RESULT, InputKind.ALL_RESULTS}
    wires = tuple(Wire(h, sources if h.kind in of_results else (), {}) for h in signature.hints)
    level = 1 + max((earlier[source].level for source in sources), default=-1)
    ref = UnitRef(type(unit).__name__, "1", config_id(unit.model_dump()), CODE)
    return Instance(name, ref, unit, signature.makes, wires, level, pool)


@st.composite
def instances(draw):
    """Some analysers, each building on any of those before, in any pools."""
    made = {}
    for number in range(draw(st.integers(0, 5))):
        name, pool = f"i{number}", draw(st.sampled_from(POOLS))
        sources = tuple(sorted(draw(st.sets(st.sampled_from(sorted(made))))) if made else ())
        if len(sources) == 1 and draw(st.booleans()):
            unit = Doubles()
        else:
            unit = Adds(number=draw(st.integers(0, 2)), mood=draw(st.sampled_from(MOODS)))
        made[name] = instance(name, unit, sources, made, pool)
    return tuple(made.values())


def channel(name, of_channel):
    tabulator = Configured(UnitRef("DifferenceFlux", "1", config_id({}), CODE), DifferenceFlux())
    return ChannelPlan(name, frozenset(), False, tabulator, tabulator, tabulator, of_channel)


def deployed(run, *channels):
    plan = JobPlan(f"job{run.hex()}", tuple(channel(f"job/c{n}", c) for n, c in enumerate(channels)), ())
    return Deployed(run, "real", plan)


@st.composite
def jobs(draw):
    """Runs of one or two jobs, of one or two channels each."""
    runs = [digest_of("run", number) for number in range(draw(st.integers(1, 2)))]
    return {run: deployed(run, *draw(st.lists(instances(), min_size=1, max_size=2))) for run in runs}


def reached(offset, stock, states):
    """A record of states, each given as run → names of channels."""
    made = [
        ReachedState(digest_of("state", [offset, number]), (), channels)
        for number, channels in enumerate(states)
    ]
    alert = digest_of("alert", offset)
    return Reached(Position(0, 0, offset), stock, alert, (), (), tuple(made), Times(0, 0.0))


@st.composite
def records(draw, of_jobs):
    """Records as T1 publishes them: any channels of any runs reach states."""
    names = {run: [channel.name for channel in job.plan.channels] for run, job in of_jobs.items()}
    some = st.fixed_dictionaries(
        {}, optional={run: st.lists(st.sampled_from(own), min_size=1, unique=True).map(tuple)
                      for run, own in names.items()},
    ).filter(bool)  # fmt: skip
    count = draw(st.integers(1, 5))
    return [
        reached(offset, draw(st.sampled_from(STOCKS)), draw(st.lists(some, min_size=1, max_size=2)))
        for offset in range(count)
    ]


class Mesh:
    """The topics and the store between the T2s of some pools, in memory, in one partition."""

    def __init__(self, of_jobs, sent):
        self._jobs = of_jobs
        self.topics = {STATES: [wire.encode(record) for record in sent]}
        self.read = {}
        self.results = {}
        self.journal = []

    def waiting(self, tier):
        return len(self.topics.get(tier.reads, ())) - self.read.get(tier.name, 0)

    def step(self, tier, count, *, is_committed=True):
        """Handle a batch; one that is not committed leaves its documents alone behind."""
        first = self.read.get(tier.name, 0)
        values = self.topics.get(tier.reads, [])[first : first + count]
        end = first + len(values)
        decoded = tuple(wire.decode(value, Reached) for value in values)
        batch = Batch(0, first, end, tuple(range(first, end)), (0,) * len(values), decoded)
        outcome = tier.process(batch, self._found(tier, batch))
        for document in outcome.documents:
            # What was settled is told by records alone: a batch that is not committed leaves none behind.
            assert isinstance(document, Result)
            self.results[document.id] = document
        if is_committed:
            self.read[tier.name] = end
            for record in outcome.records:
                self.topics.setdefault(record.record, []).append(wire.encode(record.value))
            self.journal += outcome.journal

    def _found(self, tier, batch):
        found = Found()
        while True:
            keys = tier.needs(batch, found)
            known = {id_: self.results[id_] for id_ in keys.results if id_ in self.results}
            asked = {run: self._jobs[run] for run in keys.jobs}
            if known.keys() <= found.results.keys() and asked.keys() <= found.jobs.keys():
                return found
            found.results |= known
            found.jobs |= asked

    def drain(self, *tiers):
        while any(map(self.waiting, tiers)):
            for tier in tiers:
                if self.waiting(tier):
                    self.step(tier, 500)
        return self

    def told(self):
        """What the journal says of each execution, whichever tier said it, and how often."""
        lines = [
            (entry.run, entry.channel, entry.instance, line.subject, line.output, line.outcome, line.reason)
            for entry in self.journal
            if entry.channel
            for line in entry.lines
        ]
        assert len(set(lines)) == len(lines)
        return set(lines)

    def contents(self):
        return {id_: (result.outcome, result.reason, result.content) for id_, result in self.results.items()}

    def completed(self):
        """What was completed for each run, in the order of the topic."""
        values = [wire.decode(value, Completed) for value in self.topics.get(RESULTS, ())]
        return [(run, value.position, told) for value in values for run, told in value.results.items()]


def t2(pool):
    return T2(Context(LOG, is_marked=True), InProcessExecutor(), pool)


def alone(of_jobs, sent):
    return Mesh(of_jobs, sent).drain(t2(ALL_POOLS))


@given(st.data())
def test_in_any_pools_and_any_interleaving_the_same_is_settled(data):
    of_jobs = data.draw(jobs())
    sent = data.draw(records(of_jobs))
    mesh, tiers = Mesh(of_jobs, sent), [t2(Pool(pool)) for pool in POOLS]
    while able := [tier for tier in tiers if mesh.waiting(tier)]:
        tier, count = data.draw(st.sampled_from(able)), data.draw(st.integers(1, 3))
        if data.draw(st.booleans()):
            mesh.step(tier, count, is_committed=False)
        mesh.step(tier, count)
    expected = alone(of_jobs, sent)
    assert mesh.contents() == expected.contents()
    assert mesh.told() == expected.told()
    assert sorted(mesh.completed(), key=repr) == sorted(expected.completed(), key=repr)


@given(st.data())
def test_states_of_a_stock_keep_their_order_where_each_goes_to_the_same_pools(data):
    of_jobs = data.draw(jobs())
    every = {run: tuple(c.name for c in job.plan.channels) for run, job in of_jobs.items()}
    sent = [reached(offset, STOCKS[0], [every]) for offset in range(data.draw(st.integers(2, 6)))]
    mesh, tiers = Mesh(of_jobs, sent), [t2(Pool(pool)) for pool in POOLS]
    while able := [tier for tier in tiers if mesh.waiting(tier)]:
        mesh.step(data.draw(st.sampled_from(able)), data.draw(st.integers(1, 3)))
    for run in of_jobs:
        places = [position for of_run, position, _ in mesh.completed() if of_run == run]
        assert places == [record.position for record in sent]


@given(st.data())
def test_every_unit_of_a_pool_is_journaled_in_the_batches_that_name_its_run(data):
    of_jobs = data.draw(jobs())
    tiers = [t2(Pool(pool)) for pool in POOLS]
    mesh = Mesh(of_jobs, data.draw(records(of_jobs))).drain(*tiers)
    for pool, tier in zip(POOLS, tiers, strict=True):
        batches = [e for e in mesh.journal if e.tier == tier.name and e.instance == "batch"]
        assert [(e.first, e.end) for e in batches] == _tiles(batches, len(mesh.topics.get(tier.reads, ())))
        for run, job in of_jobs.items():
            named = [(e.first, e.end) for e in batches if _names(e, run)]
            for one, i in ((c, i) for c in job.plan.channels for i in c.instances):
                told = [
                    (e.first, e.end)
                    for e in mesh.journal
                    if (e.tier, e.run, e.channel, e.instance) == (tier.name, run, one.name, i.name)
                ]
                assert told == (named if i.pool == pool else [])


def _tiles(batches, end):
    cuts = [0, *(entry.end for entry in batches)]
    assert cuts[-1] == end
    return list(pairwise(cuts))


def _names(entry, run):
    return any(line.subject == f"run:{run.hex()}" for line in entry.lines)


def _one_way(pool_of_second):
    """A run with a unit in no pool, and one in another that needs it."""
    first = instance("first", Adds(number=1, mood="fine"), (), {})
    second = instance("second", Doubles(), ("first",), {"first": first}, pool_of_second)
    return deployed(digest_of("run", pool_of_second), (first, second))


def test_a_run_does_not_wait_for_the_pools_of_another():
    light, heavy = _one_way(""), _one_way("heavy")
    both = {light.run: ("job/c0",), heavy.run: ("job/c0",)}
    mesh = Mesh({light.run: light, heavy.run: heavy}, [reached(0, STOCKS[0], [both])])
    mesh.step(t2(Pool("")), 500)
    assert [run for run, *_ in mesh.completed()] == [light.run]
    (travelling,) = [wire.decode(value, Reached) for value in mesh.topics[states_of("heavy")]]
    assert [list(state.channels) for state in travelling.states] == [[heavy.run]]
    assert list(travelling.slip) == [heavy.run]
    mesh.drain(t2(Pool("heavy")))
    assert [run for run, *_ in mesh.completed()] == [light.run, heavy.run]


def test_what_a_deadline_ended_stays_ended_for_the_run_whatever_the_store_has_since():
    first = instance("first", Adds(number=1, mood="late"), (), {})
    second = instance("second", Doubles(), ("first",), {"first": first}, "heavy")
    third = instance("third", Adds(number=2, mood="fine"), ("first",), {"first": first}, "heavy")
    job = deployed(digest_of("run", 1), (first, second, third))
    sent = [reached(0, STOCKS[0], [{job.run: ("job/c0",)}])]
    mesh = Mesh({job.run: job}, sent)
    mesh.step(t2(Pool("")), 500)
    (late,) = mesh.results.values()
    better = Result(**{name: getattr(late, name) for name in late.__struct_fields__} | {
        "outcome": "ok", "reason": "", "content": {"value": 7}, "is_transient": False,
    })  # fmt: skip
    mesh.results[late.id] = better
    mesh.drain(t2(Pool("heavy")))
    assert mesh.completed() == alone({job.run: job}, sent).completed()
    ((_, _, by_channel),) = mesh.completed()
    settled = _only(_only(by_channel))
    assert {name: told.outcome for name, told in settled.items()} == {
        "first": "failed", "second": "missing", "third": "ok",
    }  # fmt: skip
    assert mesh.results[settled["second"].id].reason == "first is failed: 1 is late"


def _only(mapping):
    (value,) = mapping.values()
    return value


def test_a_result_that_was_settled_and_is_gone_is_no_result():
    job = _one_way("heavy")
    mesh = Mesh({job.run: job}, [reached(0, STOCKS[0], [{job.run: ("job/c0",)}])])
    mesh.step(t2(Pool("")), 500)
    mesh.results.clear()
    with pytest.raises(InvariantError, match="was settled and is not in the store"):
        mesh.step(t2(Pool("heavy")), 500)

"""Units run into their deadline at one attempt and not at another: the store has what was committed."""

from __future__ import annotations

import shutil
from itertools import repeat
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skymesh.codecs import wire
from skymesh.errors import BrokerUnavailableError, TransientError
from skymesh.model.execution import JournalEntry, Settled
from skymesh.model.ids import text_id
from skymesh.model.records import Reached
from skymesh.model.state import State, StateLink
from skymesh.runtime.execute import InProcessExecutor
from skymesh.runtime.loop import TierLoop
from skymesh.runtime.stored_jobs import StoredJobs
from skymesh.runtime.topics import PROVENANCE, STATES
from skymesh_t1.tier import T1
from skymesh_t2.tier import T2
from support import moody_units, nights
from support.announced import announce_units, forget_units
from support.damage import damage
from support.live_loops import on_file
from support.mesh import channel, write_job
from support.packets import container

MESSAGES = [container([item]) for item in nights.records()]
CHANNEL = "moody/public"


@pytest.fixture(scope="module")
def accepted(tmp_path_factory):
    """A mesh whose T1 has all of a night to read, for a job of moody units."""
    folder = tmp_path_factory.mktemp("accepted")
    public = channel(combine={"unit": "MoodyStates"}, analyse={"length": {"unit": "MoodyLength"}})

    async def work(loops):
        await loops.deploy(write_job(folder / "moody.yaml", {"public": public}, name="moody"))
        await loops.send(MESSAGES)
        await loops.work(tiers=("ingest", "t0"))

    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(announce_units(folder / "units", "support.moody_units"))
        forget_units()
        on_file(folder / "mesh.db", work, partitions=1)
        yield folder / "mesh.db"
    forget_units()


@pytest.fixture
def mesh(accepted, tmp_path):
    """A copy of it."""
    return _copy(accepted, tmp_path)


@pytest.fixture(autouse=True)
def _in_time():
    yield
    moody_units.late.clear()


def _copy(path, folder):
    shutil.copy(f"{path}.cutouts", folder / "mesh.db.cutouts")
    return shutil.copy(path, folder / "mesh.db")


class Overtaken:
    """Computes for a worker that is stopped once it has decided, and wakes when others have committed."""

    def __init__(self, others):
        self._others = others

    async def __call__(self, function, *arguments):
        made = function(*arguments)
        if function.__name__ == "_process":
            await self._others()
        return made


class KilledError(Exception):
    """The worker ends here."""


def _kill_once_stored(step):
    if step.endswith(" stored"):
        raise KilledError


async def _step(loops, tier, **more):
    """Let a worker that is disturbed do one batch."""
    mesh, context = loops.mesh, loops.mesh.context
    async with mesh.bus.open(context.group(tier.name), context.topic(tier.reads), 0) as partition:
        return await TierLoop(partition, mesh.store, tier, context, StoredJobs(mesh.store), **more).step()


async def _rows(loops, kind, **key):
    return [row async for row in loops.mesh.store.scan(kind, **key)]


@pytest.mark.parametrize("is_zombie_late", [False, True])
def test_what_a_zombie_came_to_is_not_what_was_settled(mesh, is_zombie_late):
    async def work(loops):
        async def others():
            moody_units.late["MoodyLength"] = repeat(not is_zombie_late)
            await loops.work(tiers=("t2",))

        await loops.work(tiers=("t1",))
        moody_units.late["MoodyLength"] = repeat(is_zombie_late)
        with pytest.raises(BrokerUnavailableError, match="another process"):
            await _step(loops, T2(loops.mesh.context, InProcessExecutor()), compute=Overtaken(others))
        await loops.work()
        told = {
            (line.subject, line.output, line.outcome)
            for entry in await _rows(loops, JournalEntry, tier="t2", channel=CHANNEL)
            for line in entry.lines
        }
        settled = {
            (text_id("state", state), (text_id("result", each.id),), each.outcome)
            for row in await _rows(loops, Settled)
            for state, by_instance in row.results[CHANNEL].items()
            for each in by_instance.values()
        }
        assert settled == told
        assert {outcome for *_, outcome in told} == {"ok" if is_zombie_late else "failed"}
        assert (await loops.audit("")).holes == []

    on_file(mesh, work, partitions=1)


@pytest.mark.parametrize("is_zombie_late", [False, True])
def test_links_of_a_zombie_are_no_others_than_the_committed_ones_or_an_audit_says_so(mesh, is_zombie_late):
    async def work(loops):
        async def others():
            moody_units.late["MoodyStates"] = repeat(not is_zombie_late)
            await loops.work(tiers=("t1",))

        moody_units.late["MoodyStates"] = repeat(is_zombie_late)
        with pytest.raises(BrokerUnavailableError, match="another process"):
            await _step(loops, T1(loops.mesh.context), compute=Overtaken(others))
        await loops.work()
        holes = (await loops.audit("")).holes
        if is_zombie_late:
            assert holes == []
        else:
            assert any("not what T1's journal says" in hole for hole in holes)

    on_file(mesh, work, partitions=1)


class Attempt(NamedTuple):
    """A batch of T1: of how many records, whether it ends before the commit, at which calls it is late."""

    records: int
    is_killed: bool
    late: list[bool]


ATTEMPTS = st.builds(
    Attempt, st.integers(1, 20), st.booleans(), st.lists(st.booleans(), max_size=20) | st.just([True] * 20)
)


@settings(max_examples=40)
@given(attempts=st.lists(ATTEMPTS, min_size=1, max_size=5))
def test_links_are_what_was_published_and_journaled_whichever_attempts_were_late(
    accepted, tmp_path_factory, attempts
):
    async def work(loops):
        for attempt in attempts:
            moody_units.late["MoodyStates"] = iter(attempt.late)
            more = {"checkpoint": _kill_once_stored} if attempt.is_killed else {}
            try:
                await _step(loops, T1(loops.mesh.context), batch_records=attempt.records, **more)
            except KilledError:
                continue
        moody_units.late.clear()
        await loops.work(tiers=("t1",))
        links = await _rows(loops, StateLink)
        assert {link.position: link.emitted for link in links if link.emitted} == await _published(loops)
        held = {text_id("alert", link.alert): tuple(map(_state, link.states[CHANNEL])) for link in links}
        assert held == await _journaled(loops)
        emitted = [id_ for link in links for id_ in link.emitted.get(CHANNEL, ())]
        assert len(set(emitted)) == len(emitted)
        await loops.work()
        assert (await loops.audit("")).holes == []

    on_file(_copy(accepted, tmp_path_factory.mktemp("late")), work, partitions=1)


def _state(id_):
    return text_id("state", id_)


async def _committed(loops, record, kind):
    topic = loops.mesh.context.topic(record)
    return [
        wire.decode(each.value, kind) async for part in loops.mesh.bus.iter_from(topic, 0, 0) for each in part
    ]


async def _published(loops):
    """Return position → channel → the states that T1 published."""
    published = {}
    for record in await _committed(loops, STATES, Reached):
        ids = tuple(state.id for state in record.states)
        published[record.position] = {CHANNEL: ids}
    return published


async def _journaled(loops):
    """Return alert → the states that T1's journal says."""
    entries = await _committed(loops, PROVENANCE, JournalEntry)
    return {
        line.subject: line.output
        for entry in entries
        if (entry.tier, entry.channel) == ("t1", CHANNEL)
        for line in entry.lines
    }


@pytest.mark.parametrize("late", [(True, False), (False, True), (True, True)])
def test_a_combiner_in_time_at_one_attempt_is_enough(mesh, late):
    async def work(loops):
        moody_units.late["MoodyStates"] = repeat(late[0])
        with pytest.raises(KilledError):
            await _step(loops, T1(loops.mesh.context), checkpoint=_kill_once_stored)
        moody_units.late["MoodyStates"] = repeat(late[1])
        await loops.work(tiers=("t1",))
        links = await _rows(loops, StateLink)
        assert {bool(link.states[CHANNEL]) for link in links} == {not all(late)}
        assert {link.is_transient for link in links} == {all(late)}

    on_file(mesh, work, partitions=1)


def test_a_link_whose_states_were_not_stored_is_made_again(mesh):
    """The writes of a batch are no transaction everywhere: a worker may end when some of them are done."""

    async def work(loops):
        with pytest.raises(KilledError):
            await _step(loops, T1(loops.mesh.context), checkpoint=_kill_once_stored)
        damage(mesh, "DELETE FROM states")
        moody_units.late["MoodyStates"] = repeat(True)
        with pytest.raises(TransientError, match="not stored yet"):
            await loops.work(tiers=("t1",))
        moody_units.late.clear()
        await loops.work()
        assert await _rows(loops, State) != []
        assert (await loops.audit("")).holes == []

    on_file(mesh, work, partitions=1)

"""Sending by a policy: at least once, or never again by itself, whoever dies, sleeps or comes in between."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from skymesh.errors import (
    DeliveryPendingError,
    DeliveryRefusedError,
    DeliveryUnclearError,
    OutletUnavailableError,
)
from skymesh.model.reaction import Attempt, Held, Receipt, standing
from skymesh.sqlite_file import SqliteFile
from skymesh.store.sqlite import SqliteStore
from skymesh.testing import documents as made
from skymesh_deliver.courier import Courier
from skymesh_deliver.door import Door, parcel_of

PARCEL = parcel_of(replace(made.intent(1), target="webhook"), Door("webhook", "webhook"))
LEASE_MS = 20_000
POLICIES = pytest.mark.parametrize("policy", ["resend", "hold"])


class Receiver:
    """An outlet that notes what reaches it, and ends as it is told."""

    def __init__(self, *ends):
        self.ends = list(ends)
        self.taken = 0

    async def deliver(self, parcel):
        end = self.ends.pop(0) if self.ends else None
        if not isinstance(end, OutletUnavailableError) or isinstance(end, DeliveryUnclearError):
            self.taken += 1
        if end is not None:
            raise end


class Gated(Receiver):
    """One that takes nothing before its gate is open."""

    def __init__(self, *ends):
        super().__init__(*ends)
        self.started, self.gate = asyncio.Event(), asyncio.Event()

    async def deliver(self, parcel):
        self.started.set()
        await self.gate.wait()
        await super().deliver(parcel)


class Clock:
    def __init__(self):
        self.ms = made.attempt(1).started_utc_ms

    def __call__(self):
        return self.ms


def couriers(work, policy, receiver, *, count=1):
    """Run `work(store, clock, *couriers)` on a store of its own; return what it returns."""

    async def run(folder):
        store, clock = SqliteStore(SqliteFile(Path(folder) / "store.db")), Clock()
        told = [
            Courier(receiver, store, made.LOG, policy, message_s=10.0, clock_ms=clock) for _ in range(count)
        ]
        try:
            return await work(store, clock, *told)
        finally:
            await store.close()

    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(run(folder))


async def rows(store, kind):
    return [row async for row in store.scan(kind)]


@POLICIES
def test_an_attempt_with_a_lease_stands_before_anything_is_sent(policy):
    class Looking(Receiver):
        async def deliver(self, parcel):
            (self.seen,) = await rows(self.store, Attempt)

    async def work(store, clock, courier):
        receiver.store = store
        await courier.deliver(PARCEL)
        return clock()

    receiver = Looking()
    now = couriers(work, policy, receiver)
    seen = receiver.seen
    assert (seen.id, seen.run, seen.target, seen.number) == (PARCEL.intent.id, made.RUN, "webhook", 1)
    assert (seen.started_utc_ms, seen.lease_until_utc_ms, seen.status) == (now, now + LEASE_MS, "open")


@pytest.mark.parametrize("is_released", [False, True])
@POLICIES
def test_what_was_sent_and_only_lacks_its_receipt_is_not_sent_again(policy, is_released):
    async def work(store, clock, courier):
        await courier.deliver(PARCEL)
        clock.ms += 2 * LEASE_MS
        if is_released:  # another worker could not know, and a person has it sent once more
            await store.write([replace(made.held(1, status="released"), id=PARCEL.intent.id)])
        await courier.deliver(PARCEL)
        assert len(await rows(store, Held)) == is_released

    receiver = Receiver()
    couriers(work, policy, receiver)
    assert receiver.taken == 1 + is_released


@POLICIES
def test_an_outlet_that_took_nothing_is_tried_again_after_growing_pauses(policy):
    async def work(store, clock, courier):
        pauses = []
        for _ in range(3):
            with pytest.raises(OutletUnavailableError) as caught:
                await courier.deliver(PARCEL)
            pauses.append(caught.value.pause_s)
        assert [row.status for row in await rows(store, Attempt)] == ["withdrawn"]
        await courier.deliver(PARCEL)
        assert await rows(store, Held) == []
        return pauses

    away = OutletUnavailableError("away")
    receiver = Receiver(away, OutletUnavailableError("busy", pause_s=30.0), away)
    pauses = couriers(work, policy, receiver)
    assert receiver.taken == 1
    assert pauses[0] < pauses[2] < pauses[1] == 30.0


@POLICIES
def test_what_is_refused_is_held_with_its_reason(policy):
    async def work(store, clock, courier):
        with pytest.raises(DeliveryPendingError):
            await courier.deliver(PARCEL)
        (held,) = await rows(store, Held)
        assert (held.id, held.status, held.reason, held.attempts) == (
            PARCEL.intent.id, "held", "status 400", 1,
        )  # fmt: skip
        with pytest.raises(DeliveryPendingError):
            await courier.deliver(PARCEL)

    receiver = Receiver(DeliveryRefusedError("status 400"))
    couriers(work, policy, receiver)
    assert receiver.taken == 1


def test_what_is_unclear_is_sent_again_or_held():
    async def resent(store, clock, courier):
        with pytest.raises(OutletUnavailableError):
            await courier.deliver(PARCEL)
        await courier.deliver(PARCEL)
        assert [(row.number, row.status) for row in await rows(store, Attempt)] == [
            (1, "unclear"),
            (2, "open"),
        ]

    async def held(store, clock, courier):
        for _ in range(2):
            with pytest.raises(DeliveryPendingError):
                await courier.deliver(PARCEL)
        (row,) = await rows(store, Held)
        assert row.reason == "nobody knows whether it was sent: no answer"
        await store.write([replace(row, status="released")])
        await courier.deliver(PARCEL)

    for policy, work in (("resend", resent), ("hold", held)):
        receiver = Receiver(DeliveryUnclearError("no answer"))
        couriers(work, policy, receiver)
        assert receiver.taken == 2


@POLICIES
def test_the_attempt_of_a_dead_worker_is_waited_for_until_its_lease_is_over(policy):
    async def work(store, clock, courier):
        dead = replace(made.attempt(1), lease_until_utc_ms=clock() + 5000)
        await store.write([dead])
        with pytest.raises(DeliveryPendingError) as caught:
            await courier.deliver(PARCEL)
        assert caught.value.pause_s == 5.0
        clock.ms += 5000
        if policy == "resend":
            await courier.deliver(PARCEL)
        else:
            with pytest.raises(DeliveryPendingError):
                await courier.deliver(PARCEL)
        return await rows(store, Held)

    receiver = Receiver()
    held = couriers(work, policy, receiver)
    assert (receiver.taken, len(held)) == ((1, 0) if policy == "resend" else (0, 1))


@POLICIES
@pytest.mark.parametrize("way", ["file", "webhook"])
def test_what_has_a_receipt_is_not_sent_unless_that_is_of_files(policy, way):
    async def work(store, clock, courier):
        await store.write([replace(PARCEL.receipt, run=made.OTHER_RUN, way=way)])
        if way == "file":
            await courier.deliver(PARCEL)
        else:
            with pytest.raises(DeliveryPendingError):
                await courier.deliver(PARCEL)

    receiver = Receiver()
    couriers(work, policy, receiver)
    assert receiver.taken == (way == "file")


@pytest.mark.parametrize("decision", ["dropped", "released"])
def test_a_deliverer_that_hung_and_wakes_undoes_no_decision(decision):
    async def work(store, clock, _):
        hanging = Gated(DeliveryUnclearError("no answer"))
        first = Courier(hanging, store, made.LOG, "hold", message_s=10.0, clock_ms=clock)
        second = Courier(receiver, store, made.LOG, "hold", message_s=10.0, clock_ms=clock)
        task = asyncio.create_task(first.deliver(PARCEL))
        await hanging.started.wait()
        clock.ms += 2 * LEASE_MS
        with pytest.raises(DeliveryPendingError):
            await second.deliver(PARCEL)
        (held,) = await rows(store, Held)
        await store.write([replace(held, status=decision, decision="by me")])
        if decision == "released":
            await second.deliver(PARCEL)
            await store.write([PARCEL.receipt])
        hanging.gate.set()
        with pytest.raises(DeliveryPendingError):
            await task
        # Even if it did so behind its last look.
        await store.write([replace(held, reason="woke up")])
        counts = standing(await rows(store, Held))
        assert (counts.status, counts.decision, counts.attempts) == (decision, "by me", 1)
        with pytest.raises(DeliveryPendingError):
            await second.deliver(PARCEL)

    receiver = Receiver()
    couriers(work, "hold", receiver)
    assert receiver.taken == (decision == "released")


@POLICIES
def test_a_message_on_its_way_when_its_partition_goes_away_leaves_a_receipt(policy):
    async def work(store, clock, courier, other):
        task = asyncio.create_task(courier.deliver(PARCEL))
        await receiver.started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(DeliveryPendingError, match="somebody else may be sending it"):
            await other.deliver(PARCEL)
        receiver.gate.set()
        await asyncio.wait(asyncio.all_tasks() - {asyncio.current_task()}, timeout=10)
        assert await rows(store, Receipt) == [PARCEL.receipt]
        clock.ms += 2 * LEASE_MS
        with pytest.raises(DeliveryPendingError, match="was told meanwhile"):
            await other.deliver(PARCEL)
        assert await rows(store, Held) == []

    receiver = Gated()
    couriers(work, policy, receiver, count=2)
    assert receiver.taken == 1


def test_what_is_held_for_a_dead_worker_does_not_shadow_a_decision_about_its_attempt():
    class Crowded:
        """While somebody looks, a dead worker's attempt appears, and a person's decision about it."""

        def __init__(self, store, dead):
            self.store, self.dead = store, dead

        async def write(self, documents):
            await self.store.write([self.dead, *documents])

        async def read(self, log, keys):
            found = await self.store.read(log, keys)
            if await rows(self.store, Attempt):
                released = made.held(1, status="released", attempts=1)
                await self.store.write([replace(released, id=self.dead.id)])
            return found

    async def work(store, clock, _):
        dead = replace(made.attempt(1), id=PARCEL.intent.id, lease_until_utc_ms=clock())
        late = Courier(receiver, Crowded(store, dead), made.LOG, "hold", message_s=10.0, clock_ms=clock)
        with pytest.raises(DeliveryPendingError):
            await late.deliver(PARCEL)
        assert standing(await rows(store, Held)).status == "released"
        clock.ms += 2 * LEASE_MS
        await Courier(receiver, store, made.LOG, "hold", message_s=10.0, clock_ms=clock).deliver(PARCEL)

    receiver = Receiver()
    couriers(work, "hold", receiver)
    assert receiver.taken == 1


class Turns:
    """Lets one worker go on at a time, by one step on the store or at the outlet."""

    def __init__(self):
        self.waiting = {}

    async def wait(self, worker):
        turn = asyncio.get_running_loop().create_future()
        self.waiting[worker] = turn
        await turn

    async def give(self, worker, task):
        turn = self.waiting.pop(worker, None)
        if turn is not None and not turn.done():
            turn.set_result(None)
        for _ in range(50):
            if worker in self.waiting or task.done():
                return
            await asyncio.sleep(0)
        raise AssertionError("a worker neither waits nor ends")


class Steps:
    """A store, or an outlet, before which a worker waits for its turn; behind the outlet too."""

    def __init__(self, behind, turns, worker):
        self._behind, self._turns, self._worker = behind, turns, worker

    async def write(self, documents):
        await self._turns.wait(self._worker)
        await self._behind.write(documents)

    async def read(self, log, keys):
        await self._turns.wait(self._worker)
        return await self._behind.read(log, keys)

    async def deliver(self, parcel):
        await self._turns.wait(self._worker)
        try:
            await self._behind.deliver(parcel)
        finally:
            await self._turns.wait(self._worker)


WORKERS = 3
STEP = st.one_of(
    st.tuples(st.just("go"), st.integers(0, WORKERS - 1)),
    st.tuples(st.just("go"), st.integers(0, WORKERS - 1)),
    st.tuples(st.just("kill"), st.integers(0, WORKERS - 1)),
    st.tuples(st.just("clock"), st.sampled_from([1, LEASE_MS // 2, LEASE_MS])),
)
ENDS = st.lists(st.sampled_from(["taken", "unclear", "away"]), max_size=4)


async def _interleave(store, clock, receiver, policy, script):
    """Let three workers, of whom two believe wrongly that it is theirs, deliver one parcel in any order."""
    turns = Turns()

    async def work(worker):
        steps = Steps(store, turns, worker)
        outlet = Steps(receiver, turns, worker)
        courier = Courier(outlet, steps, made.LOG, policy, message_s=10.0, clock_ms=clock)
        for _ in range(3):
            try:
                await courier.deliver(PARCEL)
                await steps.write([PARCEL.receipt])
            except OutletUnavailableError:
                continue
            return

    tasks = [asyncio.create_task(work(worker)) for worker in range(WORKERS)]
    await asyncio.sleep(0)
    for what, value in script:
        if what == "clock":
            clock.ms += value
        elif what == "kill":
            tasks[value].cancel()
            await asyncio.sleep(0)
        else:
            await turns.give(value, tasks[value])
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@settings(max_examples=200, deadline=None)
@given(script=st.lists(STEP, min_size=20, max_size=60), ends=ENDS)
@POLICIES
def test_in_any_order_of_steps_it_is_sent_once_under_hold_and_never_lost_under_resend(policy, script, ends):
    kinds = {"taken": None, "unclear": DeliveryUnclearError("?"), "away": OutletUnavailableError("away")}
    receiver = Receiver(*map(kinds.get, ends))

    async def work(store, clock):
        await _interleave(store, clock, receiver, policy, script)
        # One worker is left, and has all the time of the world.
        receiver.ends.clear()
        last = Courier(receiver, store, made.LOG, policy, message_s=10.0, clock_ms=clock)
        clock.ms += 2 * LEASE_MS
        for _ in range(3):
            try:
                await last.deliver(PARCEL)
                await store.write([PARCEL.receipt])
            except DeliveryPendingError:
                continue
        assert await rows(store, Receipt) or (policy == "hold" and await rows(store, Held))

    couriers(work, policy, receiver, count=0)
    assert receiver.taken > 0 if policy == "resend" else receiver.taken <= 1

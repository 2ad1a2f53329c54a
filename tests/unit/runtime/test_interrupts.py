"""Interrupts: who hears them, and that a unit that raises one is no person at a keyboard."""

from __future__ import annotations

import asyncio
import os
import signal
import threading

import pytest

from skymesh.runtime import interrupts
from skymesh.runtime.compute import MainThread
from skymesh.runtime.execute import InProcessExecutor, Task
from skymesh.runtime.guard import guarded
from skymesh.runtime.interrupts import GivenUpError, interrupts_told
from skymesh.runtime.service import _Service
from skymesh.settings.service import ServiceSettings
from support.bad_units import Answer, Interrupts

LIMIT_S = 60.0


def interrupted():
    raise KeyboardInterrupt


def given_up():
    raise GivenUpError


@pytest.fixture
def told():
    """Interrupts that are told to a function, as in a service; what was before is back in the end."""
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)}
    heard = []
    interrupts_told(lambda number, _: heard.append(number))
    yield heard
    interrupts._heard.as_errors = True
    for number, handler in before.items():
        signal.signal(number, handler)


def computed(*functions):
    """Have an event loop in another thread ask for functions here; return what came of each."""
    main, ended = MainThread(), []

    async def ask():
        for function in functions:
            try:
                async with asyncio.timeout(LIMIT_S):
                    ended.append(await main(function))
            except KeyboardInterrupt as error:
                ended.append(type(error))
        main.end()

    thread = threading.Thread(target=lambda: asyncio.run(ask()))
    thread.start()
    main.work()
    thread.join()
    return ended


def test_whoever_asked_is_told_of_an_interrupt_and_the_next_is_computed():
    assert computed(interrupted, lambda: 7) == [KeyboardInterrupt, 7]


def test_only_what_is_given_up_ends_the_work():
    main = MainThread()
    with asyncio.Runner() as runner:
        asking = runner.get_loop().create_task(main(given_up))
        runner.get_loop().run_until_complete(asyncio.sleep(0))
        with pytest.raises(GivenUpError):
            main.work()
        asking.cancel()


def test_an_interrupt_is_the_units_own_failure_where_persons_are_heard_otherwise(told):
    made, problem = guarded(interrupted)
    assert (made, problem.split()[0]) == (None, "KeyboardInterrupt")
    (ended,) = InProcessExecutor().run([Task(b"\0" * 16, Interrupts(), Answer, {"curve": ()})])
    assert (ended.outcome, ended.reason.split()[0]) == ("failed", "KeyboardInterrupt")
    signal.raise_signal(signal.SIGINT)
    assert told == [signal.SIGINT]
    with pytest.raises(GivenUpError):
        guarded(given_up)


def test_an_interrupt_ends_a_command_whatever_unit_is_at_work():
    with pytest.raises(KeyboardInterrupt):
        guarded(interrupted)
    with pytest.raises(KeyboardInterrupt):
        InProcessExecutor().run([Task(b"\0" * 16, Interrupts(), Answer, {"curve": ()})])


class Computes(_Service):
    """A service whose whole work is one function, at which it is sent a signal."""

    made = None

    async def _serve(self):
        self.made = await self._main(signalled)


class Leaves(_Service):
    """A service whose event loop ends while it computes."""

    made = None

    async def _serve(self):
        loop, begun = asyncio.get_running_loop(), asyncio.Event()
        asking = asyncio.create_task(self._main(forever, lambda: loop.call_soon_threadsafe(begun.set)))
        await begun.wait()
        asking.cancel()
        await asyncio.wait([asking])


def signalled():
    os.kill(os.getpid(), signal.SIGUSR1)
    return sum(range(1000))


def forever(begin):
    begin()
    while True:
        pass


@pytest.mark.parametrize("kind,made", [(Computes, sum(range(1000))), (Leaves, None)])
def test_a_signal_interrupts_a_service_only_once_nobody_waits_for_what_it_computes(told, kind, made):
    service = kind("t2", ServiceSettings(store="unused", metrics_port=0), None)
    try:
        assert (service.run(), service.made) == (0, made)
    finally:
        service._loop.close()

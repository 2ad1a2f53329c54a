"""Many statements at once, with a driver whose answers come in other threads."""

from __future__ import annotations

import asyncio
import queue
import random
import sys
import threading
from collections import Counter

import pytest
from cassandra.cluster import NoHostAvailable
from cassandra.connection import ConnectionBusy

from skymesh.store.cassandra.burst import Request, run_all

BUSY = NoHostAvailable("busy", {"node": ConnectionBusy()})
THREADS, STATEMENTS, TURNS = 3, 300, 50


class Future:
    """What the driver gives for a statement."""

    has_more_pages = False

    def __init__(self, number, waiting):
        self.number = number
        self._waiting = waiting

    def add_callbacks(self, callback, errback, callback_args, errback_args):
        self.answer = lambda: callback([(self.number,)], *callback_args)
        self.refuse = lambda: errback(BUSY, *errback_args)
        self._waiting.put(self)


class Driver:
    """Answers statements in threads of its own, and says of some that a socket is full."""

    def __init__(self, seed):
        self.answered = Counter()
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._waiting = queue.SimpleQueue()
        self._threads = [threading.Thread(target=self._answer) for _ in range(THREADS)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error):
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join()

    def execute_async(self, statement, values):
        (number,) = values
        return Future(number, self._waiting)

    def _answer(self):
        while (future := self._waiting.get()) is not None:
            if self._random.random() < 0.3:
                future.refuse()
            else:
                with self._lock:
                    self.answered[future.number] += 1
                future.answer()


@pytest.fixture
def hasty():
    """Let threads change places as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hasty")
def test_every_statement_is_sent_once_and_answered_whatever_threads_come_between():
    requests = [Request("statement", (number,), 1 << 16) for number in range(STATEMENTS)]
    once = Counter(range(STATEMENTS))
    for turn in range(TURNS):
        with Driver(turn) as driver:
            rows = asyncio.run(asyncio.wait_for(run_all(driver, requests), 60))
            assert driver.answered == once
        assert rows == [[(number,)] for number in range(STATEMENTS)]

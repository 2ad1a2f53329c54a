"""Members of a group as processes, and what they have done at the end."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

from skymesh.bus.bus import Outgoing
from support.jvm_server import wait_until
from support.kafka_mesh import connected

PARTITIONS = 4
PATIENCE_S = 240
SESSION_S = 6.0
TESTS = Path(__file__).parents[1]


class Member:
    """One member; it is killed at the end if it is there still."""

    def __init__(self, *arguments: str) -> None:
        environment = {**os.environ, "PYTHONPATH": str(TESTS)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "support.kafka_member", *arguments],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self.said: list[str] = []
        self._listening = threading.Thread(target=self._listen, daemon=True)
        self._listening.start()

    def count(self, word: str) -> int:
        """Return how often it has said something."""
        return sum(line.startswith(word) for line in self.said)

    def wait_for(self, word: str, count: int = 1, *, beyond: int = 0) -> None:
        """Return when it has said something that often, not counting the first `beyond` times."""

        def has_said() -> bool:
            if self.count(word) >= beyond + count:
                return True
            assert self.process.poll() is None, "".join(self.said)
            return False

        wait_until(has_said, f"a member to say {word}", PATIENCE_S)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self) -> int:
        """Tell it to end, and return its exit code."""
        self.signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)

    def _listen(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self.said.append(line)


class Stream:
    """A topic that a group copies to another one.

    Attributes
    ----------
    count
        How many records it has: the numbers from 0.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.count = 0
        space = uuid.uuid4().hex[:12]
        self.group, self.source, self.target = f"{space}.copy", f"{space}.in", f"{space}.out"
        asyncio.run(self._make())

    def fill(self, count: int) -> None:
        """Add records."""
        numbers = range(self.count, self.count + count)
        self.count += count
        asyncio.run(self._publish(numbers))

    @contextmanager
    def members(self):
        """Start members by calling what this gives; none is left at the end."""
        started = []

        def start(instance="", session_s=SESSION_S):
            place = (self.address, self.group, self.source, self.target)
            started.append(Member(*place, str(session_s), instance))
            return started[-1]

        try:
            yield start
        finally:
            for member in started:
                member.process.kill()
                member.process.wait()

    def wait_until_done(self) -> None:
        """Return when the group has committed every record."""
        asyncio.run(self._wait_until_done())

    def copied(self) -> Counter[int]:
        """Return how often each number is there, at read_committed."""
        return asyncio.run(self._copied())

    async def _make(self):
        async with connected(self.address) as bus:
            await bus.create(self.source, partitions=PARTITIONS)
            await bus.create(self.target, partitions=PARTITIONS)

    async def _publish(self, numbers):
        async with connected(self.address) as bus:
            await bus.publish([Outgoing(self.source, f"k{n}", b"%d" % n) for n in numbers])

    async def _wait_until_done(self):
        end = time.monotonic() + PATIENCE_S
        async with connected(self.address) as bus:
            for number in range(PARTITIONS):
                while waiting := await bus.waiting(self.group, self.source, number):
                    assert time.monotonic() < end, f"{waiting} records wait in partition {number}"
                    await asyncio.sleep(0.2)

    async def _copied(self):
        async with connected(self.address) as bus:
            return Counter([
                int(record.value)
                for number in range(PARTITIONS)
                async for records in bus.iter_from(self.target, number, 0)
                for record in records
            ])  # fmt: skip

"""The embedded bus keeps the contract of every bus."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from skymesh.bus.bus import Outgoing
from skymesh.testing.bus_contract import BusContract
from skymesh.testing.bus_records import outgoing, take
from support.sqlite_mesh import open_bus

TESTS = Path(__file__).parents[1]
_STRIKE = """
import asyncio, os, sys
from skymesh.bus.bus import Outgoing
from support.sqlite_mesh import open_bus

async def main(address, step):
    async with open_bus(address) as bus:
        seen = []
        def strike(statement):
            seen.append(statement)
            if len(seen) == step:
                os._exit(7)
        async with bus.open("g", "in", 0) as partition:
            read = await partition.read(limit=3, max_bytes=1000)
            outputs = [Outgoing("out", record.key, record.value) for record in read.records]
            bus._file.connection.set_trace_callback(strike)
            await partition.commit(read, outputs)

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


class TestSqliteBus(BusContract):
    opener = "support.sqlite_mesh:open_bus"

    def test_records_that_are_not_kept_are_gone_behind_the_commit(self, address):
        async def work(bus):
            await bus.create("t", is_kept=False)
            await bus.create("kept")
            await bus.publish([*outgoing("t", 7, key="k"), *outgoing("kept", 7, key="k")])
            for topic in ("t", "kept"):
                await take(bus, "g", topic, 5)
            left = await bus.read_from("t", 0, 0, limit=100, max_bytes=1000)
            kept = await bus.read_from("kept", 0, 0, limit=100, max_bytes=1000)
            return [int(record.value) for record in left], len(kept)

        assert self.on(address, work) == ([5, 6], 7)

    def test_filling_goes_on_where_an_attempt_before_ended(self, address):
        records = [(f"k{n}", b"%d" % n) for n in range(10)]

        async def work(bus):
            await bus.create("t")
            await bus.fill("t", iter(records[:4]))
            await bus.fill("t", iter(records))
            await bus.fill("t", iter(records))
            return [(r.key, r.value) for r in await bus.read_from("t", 0, 0, limit=100, max_bytes=1000)]

        assert self.on(address, work) == records


def _struck(address, step):
    """Commit a batch in another process that is gone at the n-th statement; return its exit code."""
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-c", _STRIKE, address, str(step)]
    return subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, check=False).returncode


@pytest.mark.slow
def test_a_commit_struck_at_any_of_its_statements_is_whole_or_nothing(tmp_path):
    async def fill(address):
        async with open_bus(address) as bus:
            await bus.create("in", is_kept=False)
            await bus.create("out")
            await bus.publish([Outgoing("in", "k", b"%d" % n) for n in range(3)])

    async def look(address):
        async with open_bus(address) as bus:
            waiting = await bus.read_from("in", 0, 0, limit=9, max_bytes=1000)
            return await bus.committed("g", "in", 0), await bus.end("out", 0), len(waiting)

    codes, seen = [], set()
    for step in range(1, 30):
        address = str(tmp_path / f"bus{step}")
        asyncio.run(fill(address))
        codes.append(_struck(address, step))
        seen.add(asyncio.run(look(address)))
        if codes[-1] == 0:
            break
    assert codes[-1] == 0
    assert set(codes[:-1]) == {7}
    assert len(codes) > 5
    assert seen == {(0, 0, 3), (3, 3, 0)}

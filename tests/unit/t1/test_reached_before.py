"""A channel emits a state where it reaches it first, whatever stands beside it in a batch."""

from __future__ import annotations

import pytest

from skymesh.bus.bus import Outgoing
from skymesh.model.state import StateLink
from skymesh.runtime.topics import ACCEPTED
from support import nights
from support.live_loops import on_file
from support.mesh import write_job
from support.packets import container

MESSAGES = [container([item]) for item in nights.records()]
BEFORE = 4


@pytest.mark.parametrize("batch_records", [1, 4, 500])
def test_a_record_that_is_sent_again_makes_no_other_state_new(tmp_path, batch_records):
    job = write_job(tmp_path / "job.yaml", nights.channels())

    async def work(loops, *, is_sent_again):
        run = await loops.deploy(job)
        await loops.send(MESSAGES[:BEFORE])
        await loops.work()
        if is_sent_again:
            await _send_first_again(loops)
        await loops.send(MESSAGES[BEFORE:])
        await loops.work(batch_records=batch_records)
        return {link.position: link.emitted async for link in loops.mesh.store.scan(StateLink, run=run.id)}

    found = [
        on_file(folder(tmp_path / name), lambda loops, again=again: work(loops, is_sent_again=again))
        for name, again in (("once", False), ("again", True))
    ]
    assert found[0] == found[1]


def folder(path):
    path.mkdir()
    return path / "mesh.db"


async def _send_first_again(loops):
    """Publish the first record of every partition of T1's input once more, as who redrives it does."""
    bus, topic = loops.mesh.bus, loops.mesh.context.topic(ACCEPTED)
    for partition in range(loops.mesh.epoch.partitions):
        async for records in bus.iter_from(topic, partition, 0):
            await bus.publish([Outgoing(topic, records[0].key, records[0].value, partition)])
            break

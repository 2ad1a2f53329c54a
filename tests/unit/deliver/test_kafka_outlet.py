"""The outlet ``kafka`` before its topic is there: its messages wait, what is meant for others does not."""

from __future__ import annotations

from types import SimpleNamespace

import msgspec
import pytest

from skymesh.codecs import wire
from skymesh.errors import OutletUnavailableError
from skymesh.jobs.deployed import Deployed
from skymesh.jobs.outlets import PUBLIC
from skymesh.jobs.plan import JobPlan
from skymesh.model.ids import text_id
from skymesh.model.reaction import Letter, Receipt
from skymesh.model.records import Intended
from skymesh.runtime.jobs import OneJob
from skymesh.runtime.loop import TierLoop
from skymesh.runtime.topics import INTENTS
from skymesh.testing import documents as made
from skymesh_deliver.door import Door
from skymesh_deliver.kafka_outlet import KafkaOutlet
from skymesh_deliver.tier import Deliver
from support.loops import LIVE, on_mesh

TOPIC = "told"
LETTERS = (Letter("event.xml", "application/xml", b"<x/>"),)
REACTION = SimpleNamespace(name="event", outlets=("file", "kafka"))
CHANNEL = SimpleNamespace(name=made.CHANNEL, reactions=(REACTION,), grants=frozenset({"ztf_public"}))
JOB = OneJob(Deployed(made.RUN, "real", JobPlan("job", (CHANNEL,), ())))


def intent(number, target):
    return msgspec.structs.replace(made.intent(number), letters=LETTERS, target=target)


async def send(mesh, *intents):
    await mesh.store.write(intents)
    records = [Intended(one.position, one.stock, one.run, one.id, one.target) for one in intents]
    await mesh.send(INTENTS, [wire.encode(record) for record in records])


async def told(mesh):
    """Return the reactions that the topic holds."""
    return [
        dict(record.headers)["reaction"].decode()
        async for part in mesh.bus.iter_from(TOPIC, 0, 0)
        for record in part
    ]


def test_messages_wait_for_the_topic_and_are_told_once(tmp_path):
    other, ours = intent(1, "file"), intent(2, "kafka")
    tier = Deliver(LIVE, Door("kafka", "kafka", PUBLIC, topic=TOPIC))

    async def work(mesh):
        await mesh.create(INTENTS)
        ready = KafkaOutlet(mesh.bus, TOPIC).ready
        group, topic = LIVE.group(tier.name), LIVE.topic(INTENTS)
        async with mesh.bus.open(group, topic, 0) as partition:
            loop = TierLoop(partition, mesh.store, tier, LIVE, JOB, ready=ready)
            await send(mesh, other)
            assert await loop.step() == 1
            await send(mesh, ours)
            for _ in range(2):
                with pytest.raises(OutletUnavailableError, match=f"^{TOPIC}: there is no such topic"):
                    await loop.step()
            assert await mesh.bus.committed(group, topic, 0) == 1
            assert [receipt async for receipt in mesh.store.scan(Receipt)] == []
            await mesh.bus.create(TOPIC)
            assert [await loop.step(), await loop.step()] == [1, 0]
        return await told(mesh)

    assert on_mesh(tmp_path, work) == [text_id("reaction", ours.id)]


def test_what_is_intended_twice_is_told_once_and_what_was_not_committed_again(tmp_path):
    ours = intent(2, "kafka")
    tier = Deliver(LIVE, Door("kafka", "kafka", PUBLIC, topic=TOPIC))

    class KilledError(Exception):
        pass

    def die(place):
        if place == f"{tier.name} stored":
            raise KilledError

    async def work(mesh):
        await mesh.create(INTENTS)
        await mesh.bus.create(TOPIC)
        await send(mesh, ours)
        group, topic = LIVE.group(tier.name), LIVE.topic(INTENTS)
        async with mesh.bus.open(group, topic, 0) as partition:
            with pytest.raises(KilledError):
                await TierLoop(partition, mesh.store, tier, LIVE, JOB, checkpoint=die).step()
        assert await told(mesh) == []
        assert len([receipt async for receipt in mesh.store.scan(Receipt)]) == 1
        for _ in range(2):
            async with mesh.bus.open(group, topic, 0) as partition:
                assert await TierLoop(partition, mesh.store, tier, LIVE, JOB).step() == 1
            await send(mesh, ours)
        return await told(mesh)

    assert on_mesh(tmp_path, work) == [text_id("reaction", ours.id)]

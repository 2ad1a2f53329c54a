"""A run that is killed anywhere tells Kafka once, and a webhook as its policy says, when it goes on."""

from __future__ import annotations

import asyncio
import functools
import json
import random
import subprocess
import sys
from collections import Counter

import pytest

from skymesh.model.ids import text_id
from skymesh.model.reaction import Held, Intent, Receipt
from skymesh.model.run import Run
from skymesh_deliver import outlets
from skymesh_deliver.courier import Courier, now_ms
from skymesh_local.app import open_embedded
from support import nights
from support.mesh import (
    audit_store,
    channel,
    documents,
    open_store,
    run_files,
    with_path,
    write_files,
    write_job,
)
from support.own_bus import own_door
from support.webhook_server import receiving

BATCH = 4
TOPIC = "told"
STEPS = {
    "kafka": ("read", "stored", "committed"),
    "webhook": ("read", "stored", "attempted", "delivered", "committed"),
}
POLICIES = pytest.mark.parametrize("policy", ["resend", "hold"])


def event(once, **config):
    return {"unit": "VOEvent", "when": "summary", "once": once, "config": config}


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    """The night as files, with a job for each outlet, which tells files too."""
    folder = write_files(tmp_path_factory.mktemp("night"), nights.packets())
    for outlet in STEPS:
        to = [outlet, "file"]
        react = {"once": event("stock") | {"to": to}, "each": event("state", stream="each") | {"to": to}}
        write_job(folder / f"{outlet}.yaml", {"c": channel(react=react)}, name=outlet)
    return folder


def strike(night, outlet, places):
    """Run in other processes that are killed at these places; return what they printed."""
    job, alerts = str(night / f"{outlet}.yaml"), [str(night / "alerts")]
    settings = {"job": job, "alerts": alerts, "batch_records": BATCH, "deliver": True}
    command = [sys.executable, "-m", "support.killed", json.dumps(settings)]
    command += [f"{folder}={place}" for folder, place in places.items()]
    done = subprocess.run(command, env=with_path(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def go_on(night, outlet, out):
    job = night / f"{outlet}.yaml"
    return run_files(job, night / "alerts", out, batch_records=BATCH, deliver=True)


def intended(out, outlet):
    intents = documents(out / "store.db", Intent)
    return sorted(text_id("reaction", one.id) for one in intents if one.target == outlet)


def holes(out, **more):
    """Return the holes of a run; none if it had not begun."""
    path = out / "store.db"
    return audit_store(path, **more).holes if path.exists() and documents(path, Run) else []


@pytest.fixture
def own_topic(monkeypatch):
    """Let the outlet ``kafka`` be a topic of the run's own bus."""
    monkeypatch.setenv("SKYMESH_KAFKA_OUTLET_TOPIC", TOPIC)
    monkeypatch.setattr("skymesh_local.delivery._real_door", own_door)


def with_topic(out):
    """Make the store of a run with the outlet's topic in it."""

    async def work(embedded):
        await embedded.bus.create(TOPIC)
        await embedded.close()

    out.mkdir(parents=True, exist_ok=True)
    asyncio.run(work(open_embedded(out / "store.db")))


def told(out):
    """Return what stands in the outlet's topic."""

    async def read(bus):
        return [record async for part in bus.iter_from(TOPIC, 0, 0) for record in part]

    with open_store(out / "store.db") as embedded:
        return [
            (dict(record.headers)["reaction"].decode(), record.value)
            for record in asyncio.run(read(embedded.bus))
        ]


def test_kafka_is_told_once_wherever_a_run_is_killed(night, own_topic, tmp_path):
    steps = {tmp_path / step: f"deliver.kafka {step}" for step in STEPS["kafka"]}
    places = steps | {tmp_path / f"t3-{step}": f"t3 {step}" for step in ("stored", "committed")}
    for out in [*places, tmp_path / "whole"]:
        with_topic(out)
    go_on(night, "kafka", tmp_path / "whole")
    whole = told(tmp_path / "whole")
    assert sorted(name for name, _ in whole) == intended(tmp_path / "whole", "kafka")
    assert len(whole) > 10
    assert strike(night, "kafka", places) == []
    for out in places:
        assert holes(out, is_final=False) == [], out
        go_on(night, "kafka", out)
        assert told(out) == whole, out
        assert holes(out) == [], out


@pytest.fixture
def receiver(monkeypatch):
    """A receiver; and clocks of whoever goes on that are ahead of all leases of the dead."""
    with receiving() as told_:
        monkeypatch.setenv("SKYMESH_WEBHOOK_URL", told_.url)
        later = functools.partial(Courier, clock_ms=lambda: now_ms() + 3_600_000)
        monkeypatch.setattr(outlets, "Courier", later)
        yield told_


def assert_kept(out, receiver, policy, place):
    """Check what a policy promises of a run that was killed and went on."""
    reactions = intended(out, "webhook")
    counts = Counter(receiver.keys)
    waiting = sorted(text_id("reaction", held.id) for held in documents(out / "store.db", Held))
    receipts = [row for row in documents(out / "store.db", Receipt) if row.target == "webhook"]
    assert sorted([*waiting, *(text_id("reaction", row.id) for row in receipts)]) == reactions, place
    assert counts.keys() <= set(reactions), place
    assert holes(out) == [], place
    if policy == "resend":
        assert (sorted(counts), waiting) == (reactions, []), place
        assert sum(counts.values()) <= len(reactions) + 1, place
    else:
        assert set(counts.values()) == {1}, place
        assert len(waiting) <= 1, place
        assert set(reactions) - set(waiting) <= counts.keys(), place


@pytest.mark.slow
@POLICIES
def test_a_webhook_is_told_as_its_policy_says_wherever_a_run_is_killed(
    night, receiver, tmp_path, monkeypatch, policy
):
    monkeypatch.setenv("SKYMESH_WEBHOOK_POLICY", policy)
    unclear = 0
    for step in STEPS["webhook"]:
        receiver.calls.clear()
        out = tmp_path / step
        assert strike(night, "webhook", {out: f"deliver.webhook {step}"}) == []
        assert holes(out, is_final=False) == [], step
        go_on(night, "webhook", out)
        assert_kept(out, receiver, policy, step)
        unclear += len(receiver.keys) > len(set(receiver.keys)) or bool(documents(out / "store.db", Held))
    # Sent without a receipt; and about to be sent, which under ``hold`` nobody can tell from it.
    assert unclear == (1 if policy == "resend" else 2)


@pytest.mark.slow
@POLICIES
def test_a_webhook_is_told_as_its_policy_says_wherever_a_statement_is_the_last(
    night, receiver, tmp_path, monkeypatch, policy
):
    monkeypatch.setenv("SKYMESH_WEBHOOK_POLICY", policy)
    (count,) = strike(night, "webhook", {tmp_path / "never": 0})
    draw = random.Random(20260211)
    for number in range(6):
        receiver.calls.clear()
        out, place = tmp_path / str(number), draw.randrange(1, int(count))
        strike(night, "webhook", {out: place})
        go_on(night, "webhook", out)
        assert_kept(out, receiver, policy, place)

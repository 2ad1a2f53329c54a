"""How late a tier is, is told for each channel as often as its journal has work for that channel."""

from __future__ import annotations

import time

import pytest
from prometheus_client import CollectorRegistry

from skymesh.runtime.batch_meter import BatchMeter
from skymesh.telemetry.mesh_metrics import MeshMetrics
from support.live_loops import on_file
from support.mesh import channel, write_job
from support.packets import container, record

TIERS = ("t0", "t1", "t2", "t3")
ACCESS = {
    "public": ("ztf_public",),
    "partners": ("ztf_public", "ztf_private"),
    "staff": ("ztf_public", "ztf_private", "ztf_caltech"),
}
KEPT = {"night/public": 6, "night/partners": 12, "night/staff": 18}


def messages():
    """Return packets of the last hour, of programmes that all, some or none of the channels may see."""
    jd_utc = time.time() / 86_400 + 2_440_587.5
    seen = [
        record(
            object_id=f"ZTF21aaaaa{'abcdef'[number % 6]}a",
            jd_utc=jd_utc - (24 - number) / 1440,
            programid=number % 4,
        )
        for number in range(24)
    ]
    return [container([packet]) for packet in (*seen, seen[0])]


@pytest.fixture(scope="module")
def registries(tmp_path_factory):
    """The metrics of each tier of a mesh."""
    folder = tmp_path_factory.mktemp("latency")
    channels = {name: channel(*labels) for name, labels in ACCESS.items()}
    job = write_job(folder / "job.yaml", channels, name="night")
    registries = {tier: CollectorRegistry() for tier in TIERS}
    meters = {tier: BatchMeter(MeshMetrics(tier, registry)) for tier, registry in registries.items()}

    async def work(loops):
        await loops.deploy(job)
        await loops.send(messages(), is_keyed=True)
        await loops.work(meters=meters)

    on_file(folder / "mesh.db", work)
    return registries


def late(registries, tier, channel):
    labels = {"tier": tier, "channel": channel}
    return registries[tier].get_sample_value("skymesh_latency_from_observation_seconds_count", labels)


def executions(registries, tier, channel, *outcomes):
    """Count what a tier's journal says of a channel: filters, combiners or views, once for each record."""
    return sum(
        sample.value
        for family in registries[tier].collect()
        for sample in family.samples
        if sample.name == "skymesh_executions_total"
        and sample.labels["channel"] == channel
        and sample.labels["outcome"] in outcomes
    )


@pytest.mark.parametrize("channel,kept", KEPT.items())
def test_of_each_channel(registries, channel, kept):
    assert executions(registries, "t0", channel, "accepted") == kept
    assert executions(registries, "t1", channel, "reached") == kept
    assert [late(registries, tier, channel) for tier in TIERS] == [kept] * 4


def test_what_no_channel_keeps_is_counted_where_alerts_are_registered(registries):
    published = {"tier": "t0", "record": "accepted"}
    kept = registries["t0"].get_sample_value("skymesh_records_published_total", published)
    assert kept == 18
    assert late(registries, "t0", "") == 25 - kept
    assert [late(registries, tier, "") for tier in TIERS[1:]] == [None] * 3


def test_the_time_itself_is_that_since_the_exposure(registries):
    labels = {"tier": "t3", "channel": "night/public"}
    total = registries["t3"].get_sample_value("skymesh_latency_from_observation_seconds_sum", labels)
    assert 0 < total / late(registries, "t3", "night/public") < 3600

"""The tier over a survey's stream: every message is taken apart, and every packet in it accounted for."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from skymesh.bus.bus import Received, Slice, key_text
from skymesh.codecs import wire
from skymesh.codecs.confluent import Schemas
from skymesh.errors import (
    InvalidDataPointError,
    SchemaRegistryUnavailableError,
    UndecodableAlertError,
    UnknownSchemaError,
)
from skymesh.model.alert import Alert, Arrival
from skymesh.model.ids import text_id
from skymesh.model.run import DeadLetter
from skymesh.provenance.journal import BATCH
from skymesh.runtime.batch_meter import BatchMeter
from skymesh.runtime.tier import Batch
from skymesh.runtime.topics import ACCEPTED, ALERTS, DEAD_LETTERS, survey_record
from skymesh.store.store import Found
from skymesh.telemetry.mesh_metrics import MeshMetrics
from skymesh_ingest.journal import SHAPE
from skymesh_ingest.schemas import SchemaSettings, schemas_of
from skymesh_ingest.tier import Ingest
from skymesh_t0.tier import T0
from support import lsst_packets
from support.loops import LIVE, LOG, on_mesh
from support.packets import JD, container, packet, record
from support.registry_server import serving

ZTF, LSST = survey_record("ztf"), survey_record("lsst")
TOPIC = LIVE.topic(ZTF)
GOOD = packet(object_id="ZTF21aaaaaaa", cutouts=True)
OTHER = packet(object_id="ZTF21aaaaaab")
INVALID = packet(programid=9)


def ingest(folder, messages, *, survey=ZTF, schemas=None, then=None, partitions=1, **more):
    """Send messages to a survey's topic and let ingest read them; return what `look` sees."""

    async def work(mesh):
        await mesh.create(survey, ALERTS, partitions=partitions)
        for number, message in enumerate(messages):
            await mesh.send(survey, [message], keys=[f"key {number}"], partition=number % partitions)
        tier = Ingest(LIVE, schemas or Schemas(), **more)
        for number in range(partitions):
            await mesh.drain(tier, survey, number=number)
        return await then(mesh)

    return on_mesh(folder, work)


async def all_of(mesh):
    return await mesh.values(ALERTS, Alert), await mesh.letters(), await mesh.journal()


def test_a_message_becomes_an_alert_keyed_by_stock_with_its_stamps_and_itself_stored(tmp_path):
    async def look(mesh):
        (sent,) = await mesh.raw(ALERTS)
        (alert,) = await mesh.values(ALERTS, Alert)
        stamps = await mesh.store.read_cutouts(alert.cutouts)
        kept = [packet async for packet in mesh.store.scan(Alert)]
        return sent.key, alert, stamps, kept

    key, alert, stamps, kept = ingest(tmp_path, [GOOD], then=look)
    assert key == alert.stock == "ztf:ZTF21aaaaaaa"
    assert str(alert.source) == f"{TOPIC}/0#0"
    assert stamps
    assert kept == [alert]


def test_packets_are_kept_only_if_they_are_to_be(tmp_path):
    async def look(mesh):
        return [packet async for packet in mesh.store.scan(Alert)]

    assert ingest(tmp_path, [GOOD], then=look, keeps_packets=False) == []


def test_a_container_of_three_is_three_alerts_with_sources_of_their_own(tmp_path):
    three = container([record(jd_utc=JD + day) for day in range(3)], codec="deflate")
    alerts, letters, journal = ingest(tmp_path, [GOOD, three, OTHER], then=all_of)
    assert [str(alert.source) for alert in alerts] == [
        f"{TOPIC}/0#0", *(f"{TOPIC}/0#1#{number}" for number in range(3)), f"{TOPIC}/0#2"
    ]  # fmt: skip
    assert letters == []
    (batch,) = [entry for entry in journal if entry.instance == BATCH]
    assert (batch.counts["records"], batch.counts["read"]) == (3, 5)


def test_what_is_bad_is_dead_with_its_reason_and_the_message_that_can_be_sent_again(tmp_path):
    messages = [GOOD, INVALID, b"", b"no container", OTHER]
    alerts, letters, journal = ingest(tmp_path, messages, then=all_of)
    assert [alert.stock for alert in alerts] == ["ztf:ZTF21aaaaaaa", "ztf:ZTF21aaaaaab"]
    assert [(letter.code, letter.index, letter.payload) for letter in letters] == [
        (InvalidDataPointError.code, 1, INVALID),
        (UndecodableAlertError.code, 2, b""),
        (UndecodableAlertError.code, 3, b"no container"),
    ]
    assert [letter.original.key for letter in letters] == [b"key 1", b"key 2", b"key 3"]
    assert {(letter.run, letter.original.topic, letter.attempt) for letter in letters} == {(LOG, TOPIC, 1)}
    shape = next(entry for entry in journal if entry.instance == SHAPE)
    assert shape.counts == {"published": 2, "dead": 3}
    assert [line.subject for line in shape.lines] == [
        *(text_id("alert", alert.id) for alert in alerts), *(letter.place for letter in letters)
    ]  # fmt: skip


def test_one_bad_record_of_a_container_is_dead_as_a_container_of_its_own(tmp_path):
    mixed = container([record(), record(programid=9), record(jd_utc=JD + 1)], codec="snappy")
    alerts, (letter,), _ = ingest(tmp_path / "a", [mixed], then=all_of)
    assert len(alerts) == 2
    assert letter.place == f"{TOPIC}/0#0#1"
    assert 0 < len(letter.payload) < len(mixed)
    again, (same,), _ = ingest(tmp_path / "b", [letter.payload], then=all_of)
    assert again == []
    assert (same.code, same.reason) == (letter.code, letter.reason)


def test_a_dead_letter_travels_with_the_original_bytes_and_says_where_from(tmp_path):
    async def look(mesh):
        return await mesh.raw(DEAD_LETTERS)

    (sent,) = ingest(tmp_path, [INVALID], then=look)
    told = {name: text.decode() for name, text in sent.headers}
    assert sent.value == INVALID
    assert told["__connect.errors.topic"] == TOPIC
    assert told["__connect.errors.exception.class.name"] == "skymesh.errors.InvalidDataPointError"
    assert (told["__skymesh.tier"], told["__skymesh.unit"], told["__skymesh.attempt"]) == (
        "ingest",
        "ztf",
        "1",
    )


@settings(max_examples=15)
@given(
    kinds=st.lists(st.sampled_from([GOOD, OTHER, INVALID, b"", b"\xc1" + bytes(16), GOOD[:-40]]), max_size=9),
    partitions=st.integers(1, 3),
)
def test_of_every_source_partition_what_was_read_is_published_or_dead(tmp_path_factory, kinds, partitions):
    folder = tmp_path_factory.mktemp("mesh")
    alerts, letters, journal = ingest(folder, kinds, then=all_of, partitions=partitions)
    assert {entry.source for entry in journal} <= {TOPIC}
    for number in range(partitions):
        entries = [entry for entry in journal if entry.partition == number]
        batches = [entry for entry in entries if entry.instance == BATCH]
        counts = [entry.counts for entry in entries if entry.instance == SHAPE]
        published, dead = (sum(count.get(fate, 0) for count in counts) for fate in ("published", "dead"))
        assert sum(entry.counts["records"] for entry in batches) == len(kinds[number::partitions])
        assert sum(entry.counts["read"] for entry in batches) == published + dead
        assert dead == sum(letter.original.partition == number for letter in letters)
    assert len(letters) + len(alerts) == len(kinds)


def test_the_journals_of_two_surveys_do_not_meet(tmp_path):
    async def work(mesh):
        await mesh.create(ZTF, LSST, ALERTS)
        await mesh.send(ZTF, [GOOD])
        await mesh.send(LSST, [lsst_packets.container([lsst_packets.record()])])
        tier = Ingest(LIVE, Schemas())
        await mesh.drain(tier, ZTF)
        await mesh.drain(tier, LSST)
        journal = await mesh.journal()
        await mesh.store.write(journal)
        return journal, await mesh.values(ALERTS, Alert)

    journal, alerts = on_mesh(tmp_path, work)
    assert len({entry.id for entry in journal}) == len(journal) == 4
    assert {alert.survey for alert in alerts} == {"ztf", "lsst"}


def test_a_message_of_five_megabytes_is_an_alert_like_any_other(tmp_path):
    big = record(cutouts=True)
    big["cutoutScience"]["stampData"] = bytes(5 << 20)
    (alert,), letters, _ = ingest(tmp_path, [container([big])], then=all_of)
    assert alert.cutouts is not None
    assert letters == []


def test_five_megabytes_of_nothing_are_one_dead_letter_with_all_of_them(tmp_path):
    data = bytes(range(1, 256)) * (5 << 12)
    alerts, (letter,), _ = ingest(tmp_path, [data], then=all_of)
    assert (alerts, letter.payload) == ([], data)


def test_an_unknown_schema_id_is_dead_and_a_registry_that_is_away_holds_everything_back(tmp_path):
    message = lsst_packets.message(lsst_packets.record())

    async def work(mesh):
        await mesh.create(LSST, ALERTS)
        with serving() as registry:
            tier = Ingest(LIVE, schemas_of(SchemaSettings(registry=registry.url), unknown_s=0.0))
            await mesh.send(LSST, [message])
            registry.answers["/schemas/ids/1000"] = (503, {})
            with pytest.raises(SchemaRegistryUnavailableError):
                await mesh.drain(tier, LSST)
            held = await all_of(mesh), await mesh.bus.committed(LIVE.group("ingest"), LIVE.topic(LSST), 0)
            registry.answers.clear()
            await mesh.drain(tier, LSST)
            unknown = await mesh.letters()
            registry.serve(1000, lsst_packets.schema("10.0"))
            await mesh.send(LSST, [message])
            await mesh.drain(tier, LSST)
        return held, unknown, await mesh.letters(), await mesh.values(ALERTS, Alert)

    held, unknown, letters, alerts = on_mesh(tmp_path, work)
    assert held == (([], [], []), 0)
    assert [(letter.code, letter.payload) for letter in unknown] == [(UnknownSchemaError.code, message)]
    assert letters == unknown
    assert [alert.survey for alert in alerts] == ["lsst"]


def test_a_poison_packet_is_dead_and_the_journal_still_tiles_its_topic(tmp_path, monkeypatch):
    from skymesh.surveys import registry

    ztf = registry.get("ztf")
    shape = type(ztf).shape

    def fail_on_one(self, values, source):
        if values["objectId"] == "ZTF21poisons":
            raise ZeroDivisionError("a bug of the shaper")
        return shape(self, values, source)

    monkeypatch.setattr(type(ztf), "shape", fail_on_one)
    poison = container([record(object_id="ZTF21poisons")])
    alerts, (letter,), journal = ingest(tmp_path, [GOOD, poison, OTHER], then=all_of)
    assert len(alerts) == 2
    assert (letter.code, letter.error, letter.payload) == ("poison", "builtins.ZeroDivisionError", poison)
    batches = sorted((entry.first, entry.end, entry.source) for entry in journal if entry.instance == BATCH)
    assert batches == [(0, 1, TOPIC), (1, 2, TOPIC), (2, 3, TOPIC)]


def test_an_alert_of_two_thousand_points_travels_by_reference_and_is_registered(tmp_path):
    deep = lsst_packets.record(
        history=[lsst_packets.dia_source(day=-1 - number / 8) for number in range(1000)],
        forced=[lsst_packets.dia_forced_source(day=-1 - number / 8) for number in range(1000)],
    )

    async def work(mesh):
        await mesh.create(LSST, ALERTS, ACCEPTED)
        await mesh.send(LSST, [lsst_packets.container([deep])])
        await mesh.drain(Ingest(LIVE, Schemas()), LSST, record_bytes=200_000)
        (sent,) = await mesh.raw(ALERTS)
        await mesh.drain(T0(LIVE), ALERTS)
        return sent, [arrival async for arrival in mesh.store.scan(Arrival)]

    sent, (arrival,) = on_mesh(tmp_path, work)
    assert len(sent.value) == 17
    assert sent.key == arrival.stock
    assert len(arrival.alert.points) == 2001


def test_a_key_that_is_no_text_is_kept_as_it_is():
    (letter,) = deciding_on(Received(3, key_text(b"\xff\x00"), INVALID))
    assert letter.original.key == b"\xff\x00"
    assert wire.decode(wire.encode(letter), DeadLetter) == letter


def deciding_on(record):
    tier = Ingest(LIVE, Schemas())
    batch = Batch(0, 3, 4, (3,), (0,), (tier.decode(record, TOPIC, 0),))
    outcome = tier.process(batch, Found())
    wire.encode(outcome.journal)
    return outcome.dead


def test_how_late_a_message_is_counts_from_when_it_came_into_the_stream():
    tier, arrived_ms = Ingest(LIVE, Schemas()), int(time.time() * 1000) - 4000
    received = Received(7, "key", GOOD, time_ms=arrived_ms)
    batch = Batch(0, 7, 8, (7,), (arrived_ms,), (tier.decode(received, TOPIC, 0),))
    registry = CollectorRegistry()
    meter = BatchMeter(MeshMetrics("ingest", registry))
    meter.batch(Slice(7, 8, (received,)), batch, tier.process(batch, Found()), [])
    name, labels = "skymesh_latency_from_arrival_seconds", {"tier": "ingest", "channel": ""}
    assert registry.get_sample_value(f"{name}_count", labels) == 1
    assert 4 <= registry.get_sample_value(f"{name}_sum", labels) < 60
    # Nobody has looked yet when its alerts were observed.
    assert registry.get_sample_value("skymesh_latency_from_observation_seconds_count", labels) == 0

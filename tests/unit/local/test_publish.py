"""Publishing files: original bytes, a message for each record, in the one order whatever files are called."""

from __future__ import annotations

import random

import pytest

from skymesh.codecs.confluent import Schemas
from skymesh.errors import SettingsError, UndecodableAlertError
from skymesh.model.alert import Alert, Source
from skymesh.model.run import Blob
from skymesh.runtime.topics import ALERTS, survey_record
from skymesh_ingest.reading import Container, Unreadable
from skymesh_ingest.tier import Ingest
from skymesh_local.publish import Published, Target, publish_packets
from support import lsst_packets, nights
from support.loops import LIVE, on_mesh
from support.packets import JD, container, packet, record

ZTF = survey_record("ztf")
NIGHT = [container([item]) for item in nights.records()]


def publish(folder, files, *, partitions=1, record_bytes=None, is_keyed=True, times=1):
    """Publish files by name, then ingest them; return what was published, sent, and became of it."""

    async def work(mesh):
        await mesh.create(ZTF, ALERTS, partitions=partitions)
        target = Target(mesh.bus, mesh.store, LIVE.topic(ZTF), "ztf", record_bytes, is_keyed)
        for _ in range(times):
            items = [Container(name, data) for name, data in files.items()]
            published = await publish_packets(items, Schemas(), target)
        sent = await mesh.raw(ZTF)
        for number in range(partitions):
            await mesh.drain(Ingest(LIVE, Schemas()), ZTF, number=number)
        return published, sent, await mesh.values(ALERTS, Alert), await mesh.letters()

    return on_mesh(folder, work)


def test_single_records_are_sent_as_they_are_keyed_by_object(tmp_path):
    published, sent, alerts, _ = publish(tmp_path, {f"{n}": data for n, data in enumerate(NIGHT)})
    assert published == Published(len(NIGHT), 0)
    assert sorted(message.value for message in sent) == sorted(NIGHT)
    assert [message.key for message in sent] == [alert.stock for alert in alerts]
    keys = [(alert.trigger.mjd_tai, alert.id, alert.record) for alert in alerts]
    assert keys == sorted(keys)


def test_neither_names_nor_order_of_files_nor_how_records_are_packed_matter(tmp_path):
    shuffled = NIGHT[:]
    random.Random(3).shuffle(shuffled)
    _, _, expected, _ = publish(tmp_path / "a", {f"{n}": data for n, data in enumerate(NIGHT)})
    _, sent, alerts, _ = publish(tmp_path / "b", {f"x{n}": data for n, data in enumerate(shuffled)})
    packed = container(nights.records(), codec="deflate", sync_interval=1)
    _, single, unpacked, _ = publish(tmp_path / "c", {"all.avro": packed})
    identity = [(alert.id, alert.record, alert.points) for alert in expected]
    assert [(alert.id, alert.record, alert.points) for alert in alerts] == identity
    assert [(alert.id, alert.record, alert.points) for alert in unpacked] == identity
    assert [message.key for message in sent] == [message.key for message in single]


@pytest.mark.parametrize("codec", ["null", "deflate", "snappy", "zstandard"])
def test_each_record_of_a_container_is_a_container_that_reads_the_same(tmp_path, codec):
    records = [record(jd_utc=JD + day) for day in range(3)]
    _, sent, alerts, letters = publish(tmp_path, {"three.avro": container(records, codec=codec)})
    assert (len(sent), letters) == (3, [])
    _, _, alone, _ = publish(tmp_path / "alone", {f"{n}": container([r]) for n, r in enumerate(records)})
    assert [(alert.id, alert.record) for alert in alerts] == [(alert.id, alert.record) for alert in alone]


def test_what_cannot_be_read_is_sent_behind_the_others_and_is_accounted_for(tmp_path):
    damaged = container([record(jd_utc=JD + day) for day in range(3)], sync_interval=1)[:-200]
    files = {"bad": b"no container", "a": packet(), "damaged": damaged, "invalid": packet(programid=9)}
    published, sent, alerts, letters = publish(tmp_path, files)
    assert published == Published(6, 3)
    assert len(alerts) == len({alert.source for alert in alerts}) == 3
    assert len(letters) == 3
    assert [message.key for message in sent[3:]] == ["", "", ""]
    assert {b"no container", files["invalid"]} < {letter.payload for letter in letters}


def test_the_same_again_is_the_same_messages_again(tmp_path):
    files = {f"{n}": data for n, data in enumerate(NIGHT)}
    _, sent, alerts, _ = publish(tmp_path, files, times=2)
    values = [message.value for message in sent]
    assert values[: len(NIGHT)] == values[len(NIGHT) :]
    assert len(alerts) == 2 * len(NIGHT)


def test_without_keys_messages_go_round_the_partitions(tmp_path):
    files = {f"{n}": data for n, data in enumerate(NIGHT)}
    _, sent, alerts, _ = publish(tmp_path, files, partitions=3, is_keyed=False)
    assert {message.key for message in sent} == {""}
    counts = [sum(alert.source.name.endswith(f"/{n}") for alert in alerts) for n in range(3)]
    assert max(counts) - min(counts) <= 1


def test_a_large_message_travels_by_reference(tmp_path):
    big = record(cutouts=True)
    big["cutoutScience"]["stampData"] = bytes(2 << 20)
    _, (sent,), (alert,), letters = publish(tmp_path, {"big": container([big])}, record_bytes=900_000)
    assert len(sent.value) == 17
    assert (alert.stock, letters) == ("ztf:ZTF21aaaaaaa", [])


def test_nothing_is_sent_of_packets_of_another_survey_or_files_that_cannot_be_opened(tmp_path):
    other = Container("lsst.avro", lsst_packets.container([lsst_packets.record()]))
    closed = Unreadable(Source("night.tar", 0), UndecodableAlertError("damaged tar: it ends"), b"")

    async def work(mesh):
        await mesh.create(ZTF)
        target = Target(mesh.bus, mesh.store, LIVE.topic(ZTF), "ztf", 10)
        told = []
        for item in (other, closed):
            with pytest.raises(SettingsError) as error:
                await publish_packets([Container("a", NIGHT[0]), item], Schemas(), target)
            told.append(str(error.value))
        return told, await mesh.raw(ZTF), [blob async for blob in mesh.store.scan(Blob)]

    told, sent, blobs = on_mesh(tmp_path, work)
    assert told == [
        "lsst.avro#0: is a packet of lsst, not of ztf",
        "night.tar: damaged tar: it ends",
    ]
    assert (sent, blobs) == ([], [])

"""The simulated night is the same for ever, is made like real packets, and holds what it promises."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import struct
import subprocess
import sys
from collections import Counter
from hashlib import blake2b
from pathlib import Path

import fastavro
import pytest

from skymesh.surveys.ztf.packet_schema import HISTORY_FIELDS, PACKET_SCHEMA, write_packet
from skymesh.surveys.ztf.simulated_night import FAST_DECLINER, PUBLISHER, SLOW_SUPERNOVA, simulated_night

GOLDEN_RECORDS = "79bdc3734a072fbc2cb14ad922e4f478"
PRINT_DIGEST = """
from hashlib import blake2b
from skymesh.surveys.ztf.simulated_night import simulated_night
print(blake2b(b"".join(simulated_night()), digest_size=16).hexdigest())
"""
BANDS = {1: "g", 2: "r"}


def decode(container):
    (record,) = fastavro.reader(io.BytesIO(container))
    return record


@pytest.fixture(scope="module")
def containers():
    return list(simulated_night())


@pytest.fixture(scope="module")
def packets(containers):
    return [decode(container) for container in containers[:-1]]


def points(packet):
    return [*packet["prv_candidates"], packet["candidate"]]


def last_packet(packets, object_id):
    return [packet for packet in packets if packet["objectId"] == object_id][-1]


def decline_rates(packet):
    """Mag per day between the newest two detections of each band that are 0.1 to 2 days apart."""
    rates = {}
    for fid, band in BANDS.items():
        seen = [(p["jd"], p["magpsf"]) for p in points(packet) if p["fid"] == fid and p["candid"] is not None]
        (before, mag_before), (newest, mag_newest) = sorted([(0.0, 0.0), (0.0, 0.0), *seen])[-2:]
        if 0.1 < newest - before < 2.0:
            rates[band] = (mag_newest - mag_before) / (newest - before)
    return rates


def is_worth_a_look(packet):
    """Like the filter of a transient search: seen twice, real, and not on top of a star."""
    candidate = packet["candidate"]
    is_star = candidate["distpsnr1"] < 2 and candidate["sgscore1"] > 0.8
    return candidate["ndethist"] >= 2 and candidate["drb"] > 0.995 and not is_star


def test_every_process_makes_the_same_bytes():
    path = os.pathsep.join(entry for entry in sys.path if entry)
    digests = {
        subprocess.run(
            [sys.executable, "-c", PRINT_DIGEST],
            env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert digests == {blake2b(b"".join(simulated_night()), digest_size=16).hexdigest() + "\n"}


def test_the_decoded_records_never_change(packets):
    text = json.dumps(packets, sort_keys=True, default=bytes.hex)
    assert blake2b(text.encode(), digest_size=16).hexdigest() == GOLDEN_RECORDS


def test_another_seed_is_another_night(containers):
    assert next(simulated_night(seed=1)) not in containers


def test_forty_objects_make_some_sixty_packets_that_say_simulated(packets):
    assert len(packets) == 63
    assert len({packet["objectId"] for packet in packets}) == 40
    assert all(re.fullmatch(r"ZTF24[a-z]{7}", packet["objectId"]) for packet in packets)
    assert {packet["publisher"] for packet in packets} == {PUBLISHER}
    assert "simulated" in PUBLISHER


def test_packets_come_in_the_order_of_observation_and_one_comes_twice(containers, packets):
    order = [(packet["candidate"]["jd"], packet["candid"]) for packet in packets]
    assert order == sorted(order)
    assert [count for count in Counter(containers).values() if count > 1] == [2]
    assert containers[-1] == containers[0]


def test_candids_are_unique_and_beyond_what_a_double_holds(packets):
    candids = {packet["candid"] for packet in packets}
    assert len(candids) == len(packets)
    assert min(candids) > 2**53
    assert all(packet["candid"] == packet["candidate"]["candid"] for packet in packets)


def test_every_point_is_public(packets):
    assert {point["programid"] for packet in packets for point in points(packet)} == {1}


def test_only_the_fast_decliner_is_a_transient_that_fades_fast(packets):
    fast = {
        packet["objectId"]
        for packet in packets
        if is_worth_a_look(packet) and any(rate > 0.1 for rate in decline_rates(packet).values())
    }
    assert fast == {FAST_DECLINER}


def test_the_fast_decliner_fades_in_both_bands(packets):
    rates = decline_rates(last_packet(packets, FAST_DECLINER))
    assert set(rates) == {"g", "r"}
    assert all(0.4 < rate < 0.6 for rate in rates.values())


def test_the_slow_supernova_is_measured_but_not_fast(packets):
    packet = last_packet(packets, SLOW_SUPERNOVA)
    assert is_worth_a_look(packet)
    assert set(decline_rates(packet)) == {"g", "r"}
    assert max(decline_rates(packet).values()) < 0.1


def test_young_transients_rise(packets):
    rising = [rate for p in packets if p["objectId"][10] == "r" for rate in decline_rates(p).values()]
    assert len(rising) >= 12
    assert max(rising) < 0


def test_single_detections_follow_nothing_but_upper_limits(packets):
    single = [packet for packet in packets if packet["objectId"][10] in "nb"]
    assert len(single) == 17
    for packet in single:
        assert packet["candidate"]["ndethist"] == 1
        assert {point["magpsf"] for point in packet["prv_candidates"]} == {None}


def test_variable_stars_are_subtracted_with_both_signs(packets):
    signs = {packet["candidate"]["isdiffpos"] for packet in packets if packet["objectId"][10] == "v"}
    assert signs == {"t", "f"}


def test_objects_are_seen_in_both_bands_of_the_night(packets):
    seen = Counter(packet["objectId"] for packet in packets)
    twice = [object_id for object_id, count in seen.items() if count == 2]
    assert FAST_DECLINER in twice
    assert len(twice) == 23


def test_a_later_copy_is_rounded_and_respelt_and_lacks_the_triggers_own_fields(packets):
    first, second = [packet for packet in packets if packet["objectId"] == FAST_DECLINER]
    trigger = first["candidate"]
    (copy,) = [point for point in second["prv_candidates"] if point["candid"] == first["candid"]]
    assert copy["magpsf"] != trigger["magpsf"]
    assert copy["magpsf"] == pytest.approx(trigger["magpsf"], abs=1e-4)
    assert (trigger["isdiffpos"], copy["isdiffpos"]) == ("t", "1")
    assert (trigger["ssdistnr"], copy["ssdistnr"]) == (-999.0, None)
    assert set(copy) == set(HISTORY_FIELDS)
    assert "drb" not in copy


def test_upper_limits_are_shared_by_objects_of_one_readout_channel(packets):
    holders = Counter(
        limit
        for object_id in {packet["objectId"] for packet in packets}
        for limit in {
            (p["jd"], p["rcid"], p["diffmaglim"])
            for p in last_packet(packets, object_id)["prv_candidates"]
            if p["candid"] is None
        }
    )
    assert max(holders.values()) > 1


def test_ids_carry_night_and_readout_channel_as_the_surveys_do(packets):
    for point in (point for packet in packets for point in points(packet)):
        assert point["pid"] // 10**9 == point["nid"] == int(point["jd"] - 2457754.5)
        assert point["pid"] % 10_000 // 100 == point["rcid"]
        assert point["candid"] is None or point["candid"] // 10**6 == point["pid"]


def test_cutouts_are_small_fits_images(packets):
    for kind in ("Science", "Template", "Difference"):
        cutout = packets[0][f"cutout{kind}"]
        image = gzip.decompress(cutout["stampData"])
        assert cutout["fileName"].endswith(".fits.gz")
        assert image.startswith(b"SIMPLE  =                    T")
        assert len(image) % 2880 == 0
    centre = struct.unpack_from(">81f", image, 2880)[40]
    assert centre == 30.0


@pytest.mark.parametrize("codec", ["null", "deflate"])
def test_a_written_packet_reads_back_whatever_its_codec(packets, codec):
    assert decode(write_packet(packets[0], codec=codec)) == packets[0]


def test_what_may_be_null_may_be_left_out(packets):
    bare = {name: packets[0][name] for name in ("schemavsn", "publisher", "objectId", "candid", "candidate")}
    assert decode(write_packet(bare))["prv_candidates"] is None


def field_types(schema):
    """Fields and types of a packet's records, by record, without defaults and documentation."""
    types = {}

    def name_of(kind):
        if isinstance(kind, list):
            return [name_of(member) for member in kind]
        if isinstance(kind, dict) and kind["type"] == "record":
            types[kind["name"]] = [(field["name"], name_of(field["type"])) for field in kind["fields"]]
            return kind["name"]
        return ["array", name_of(kind["items"])] if isinstance(kind, dict) else kind

    name_of(schema)
    return types


@pytest.mark.shared_data
def test_the_schema_has_the_fields_and_types_of_a_real_packet():
    folder = Path(os.environ.get("SKYMESH_TEST_DATA", "../shared/data")) / "ztf" / "avro" / "boom"
    if not folder.is_dir():
        pytest.skip("no real alerts: SKYMESH_TEST_DATA names no folder with ztf/avro/boom")
    with next(folder.glob("*.avro")).open("rb") as file:
        real = fastavro.reader(file).writer_schema
    assert field_types(PACKET_SCHEMA) == field_types(real)

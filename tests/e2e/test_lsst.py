"""LSST's packets through the whole command: containers, messages, both surveys, and what can be wrong."""

from __future__ import annotations

import csv
import io
import json
import math
import random
import re
import socket
import tarfile
from collections import Counter

import fastavro
import pytest

from e2e.command import Done, audit, forked, only, write_files
from support.lsst_packets import (
    OBJECT_ID,
    SOURCE_ID,
    container,
    dia_forced_source,
    dia_source,
    kind_of,
    message,
    record,
    schema,
)
from support.packets import JD, detection, packet
from support.registry_server import serving

RUN = ("run", "survey_summary", "--json", "--alerts", "packets", "--out", "out")
FRAMED = {"7.4": 704, "10.0": 1000, "11.1": 1101}
HISTORY = {"history": [dia_source()], "forced": [dia_forced_source()]}


def packet_of(number, **values):
    """One of several synthetic packets: an object of its own, one trigger, two points of history."""
    source = dia_source(day=number / 100, diaSourceId=SOURCE_ID + number, diaObjectId=OBJECT_ID + number)
    return record(trigger=source | values, **HISTORY)


@pytest.fixture(scope="session")
def schemas(tmp_path_factory):
    """A folder of the synthetic schemas, laid out like the survey's."""
    folder = tmp_path_factory.mktemp("schemas")
    for version in FRAMED:
        major, minor = version.split(".")
        place = folder / major / minor
        place.mkdir(parents=True)
        (place / f"lsst.v{major}_{minor}.alert.avsc").write_text(json.dumps(schema(version)))
    return folder


def run(cwd, *more, files=None, **settings) -> Done:
    if files is not None:
        write_files(cwd / "packets", files)
    return forked(*RUN, *more, cwd=cwd, env={name.upper(): str(value) for name, value in settings.items()})


def letters(cwd, done):
    """Dead letters of a run by file."""
    told = forked("trace", done.json["run"], "--store", "sqlite:out/store.db", "--json", cwd=cwd).json
    return {
        letter["packet"].rpartition("packets/")[2].rpartition("#")[0]: letter
        for letter in told["dead_letters"]
    }


def messages():
    return {
        f"{version}.confluent.bin": message(packet_of(number), version=version, schema_id=id_)
        for number, (version, id_) in enumerate(FRAMED.items())
    }


def test_containers_and_messages_of_several_versions_are_read_with_schemas_of_a_folder(tmp_path, schemas):
    files = messages() | {"deep/containers.avro": container([packet_of(5), packet_of(6)], codec="deflate")}
    done = run(tmp_path, files=files, skymesh_lsst_schemas=schemas)
    assert (done.code, done.err) == (0, "")
    alerts = done.json["alerts"]
    assert alerts == {"read": 5, "published": 5, "duplicate": 0, "dead": 0, "accepted": 5}
    audit(tmp_path / "out" / "store.db", cwd=tmp_path)
    shown = forked(
        "show", f"lsst:{OBJECT_ID + 5}", "--store", "sqlite:out/store.db", "--json", cwd=tmp_path
    ).json
    assert Counter(point["kind"] for point in shown["points"]) == {"detection": 2, "forced": 1}
    assert only(shown["alerts"])["native"] == SOURCE_ID + 5


def test_messages_in_a_tar_are_read_like_those_in_a_folder(tmp_path, schemas):
    folder = write_files(tmp_path / "folder", messages())
    with tarfile.open(tmp_path / "night.tar.gz", "w:gz") as archive:
        archive.add(folder, "night")
    found = [
        forked("run", "survey_summary", "--json", "--alerts", place, "--out", f"of-{place}", cwd=tmp_path,
                env={"SKYMESH_LSST_SCHEMAS": str(schemas)}).json
        for place in ("folder", "night.tar.gz")
    ]  # fmt: skip
    assert found[0]["alerts"]["published"] == len(FRAMED)
    for key in ("run", "alerts", "channels", "datapoints", "digest", "results_digest"):
        assert found[0][key] == found[1][key]


def test_a_message_and_its_container_are_one_alert(tmp_path, schemas):
    files = {"a.avro": container([packet_of(1)]), "b.confluent.bin": message(packet_of(1))}
    done = run(tmp_path, files=files, skymesh_lsst_schemas=schemas)
    assert done.json["alerts"] == {"read": 2, "published": 2, "duplicate": 1, "dead": 0, "accepted": 1}


def test_two_surveys_in_one_run_and_only_what_is_granted_is_seen(tmp_path):
    files = {
        "lsst.avro": container([packet_of(1)]),
        "ztf.avro": packet(object_id="ZTF26lsstnot", jd_utc=JD, history=[detection()]),
    }
    done = run(tmp_path, files=files)
    assert done.json["channels"]["survey_summary/all"]["accepted"] == 2
    with (tmp_path / "out" / "candidates.csv").open(newline="") as stream:
        rows = {row["stock"]: row for row in csv.DictReader(stream)}
    assert set(rows) == {f"lsst:{OBJECT_ID + 1}", "ztf:ZTF26lsstnot"}
    # Its forced photometry in r is noise.
    assert rows[f"lsst:{OBJECT_ID + 1}"]["summary.bands"] == "lsstg"
    (tmp_path / "job.yaml").write_text(
        "name: one\nchannels: {c: {access: [ztf_public], filter: {unit: AcceptAll}}}\n"
    )
    one = forked("run", "job.yaml", "--json", "--alerts", "packets", "--out", "one", cwd=tmp_path).json
    assert (one["channels"]["one/c"]["accepted"], one["channels"]["one/c"]["rejected"]) == (1, 1)


def test_what_the_schemas_do_not_say_is_a_dead_letter_with_its_reason(tmp_path, schemas):
    good = message(packet_of(1))
    files = {
        "good.confluent.bin": good,
        "unknown_id.confluent.bin": message(packet_of(2), schema_id=1299),
        "other_version.confluent.bin": message(packet_of(3), version="7.4", schema_id=1000),
        "cut.confluent.bin": good[:-40],
        "cut_in_prefix.confluent.bin": good[:3],
        "two.confluent.bin": good + good,
        "zeros.avro": bytes(5000),
    }
    done = run(tmp_path, files=files, skymesh_lsst_schemas=schemas)
    assert done.code == 0
    alerts = done.json["alerts"]
    assert (alerts["read"], alerts["published"], alerts["dead"]) == (7, 1, 6)
    found = letters(tmp_path, done)
    assert {name: letter["code"] for name, letter in found.items()} == {
        "unknown_id.confluent.bin": "unknown_schema",
        "other_version.confluent.bin": "undecodable",
        "cut.confluent.bin": "undecodable",
        "cut_in_prefix.confluent.bin": "undecodable",
        "two.confluent.bin": "undecodable",
        "zeros.avro": "unknown_schema",
    }
    assert "1299" in found["unknown_id.confluent.bin"]["reason"]
    assert str(schemas) in found["unknown_id.confluent.bin"]["reason"]
    assert "behind" in found["two.confluent.bin"]["reason"]


def test_without_any_source_of_schemas_a_message_is_a_dead_letter_that_says_what_to_set(tmp_path):
    done = run(tmp_path, files=messages())
    assert (done.code, done.json["alerts"]["dead"]) == (0, len(FRAMED))
    for letter in letters(tmp_path, done).values():
        assert letter["code"] == "unknown_schema"
        assert "SKYMESH_LSST_SCHEMAS" in letter["reason"]
        assert "SKYMESH_SCHEMA_REGISTRY" in letter["reason"]


def test_flipped_bits_spoil_at_most_their_own_message(tmp_path, schemas):
    rng, good = random.Random(11), message(packet_of(1))
    files = {"good.confluent.bin": good}
    for number in range(200):
        spoilt = bytearray(message(packet_of(2 + number)))
        spoilt[rng.randrange(len(spoilt))] ^= 1 << rng.randrange(8)
        files[f"{number:03d}.confluent.bin"] = bytes(spoilt)
    done = run(tmp_path, files=files, skymesh_lsst_schemas=schemas)
    alerts = done.json["alerts"]
    assert alerts["read"] == alerts["published"] + alerts["dead"] == 201
    assert alerts["dead"] >= 10
    assert "good.confluent.bin" not in letters(tmp_path, done)
    audit(tmp_path / "out" / "store.db", cwd=tmp_path)


def test_no_number_in_a_packet_stops_the_run(tmp_path):
    """NaN, infinities and the largest floats in every field of every record, one at a time."""
    values = (math.nan, math.inf, -math.inf, 3e38, -3e38)
    files, number = {}, 0
    for make, kind in ((dia_source, "trigger"), (dia_source, "history"), (dia_forced_source, "forced")):
        for name in [n for n in make() if kind_of(n) in {"float", "double"}]:
            made = []
            for value in values:
                number += 1
                entry = make(day=0.0 if kind == "trigger" else -1.0) | {name: value}
                where = {"trigger": entry} if kind == "trigger" else {kind: [entry]}
                made.append(record(**where, diaSourceId=SOURCE_ID + number, diaObjectId=OBJECT_ID + number))
            files[f"{kind}_{name}.avro"] = container(made, version="11.1")
    done = run(tmp_path, files=files)
    assert done.code == 0, done.err[-500:]
    assert done.json["alerts"]["read"] == 5 * len(files)
    # Only what places a measurement in time, or an object in the sky, must be a sane number.
    assert {name: letter["code"] for name, letter in letters(tmp_path, done).items()} == dict.fromkeys(
        ("trigger_midpointMjdTai.avro", "trigger_ra.avro", "trigger_dec.avro", "history_midpointMjdTai.avro",
         "forced_midpointMjdTai.avro"), "invalid_data_point")  # fmt: skip
    assert all(unit["failed"] == 0 for unit in done.json["units"].values())
    told = (tmp_path / "out" / "candidates.csv").read_text()
    assert not {"inf", "-inf", "nan"} & set(re.split(r"[,\s]", told))


def test_a_registry_is_asked_once_for_each_id(tmp_path):
    files = messages() | {f"{n}.confluent.bin": message(packet_of(10 + n)) for n in range(5)}
    files["unknown.confluent.bin"] = message(packet_of(20), schema_id=1299)
    with serving() as server:
        for version, id_ in FRAMED.items():
            server.serve(id_, schema(version))
        done = run(tmp_path, files=files, skymesh_schema_registry=server.url)
        assert (done.json["alerts"]["published"], done.json["alerts"]["dead"]) == (8, 1)
        assert sorted(server.asked) == sorted(f"/schemas/ids/{id_}" for id_ in (*FRAMED.values(), 1299))


def test_a_folder_goes_before_a_registry(tmp_path, schemas):
    with serving() as server:
        settings = {"skymesh_schema_registry": server.url, "skymesh_lsst_schemas": schemas}
        done = run(tmp_path, files=messages(), **settings)
        assert done.json["alerts"]["published"] == len(FRAMED)
        assert server.asked == []


def test_a_registry_that_is_away_stops_the_run_which_goes_on_when_it_is_back(tmp_path):
    """A dead letter is for ever, and the log would be another: what cannot be known yet is not decided."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        done = run(tmp_path, files=messages(), skymesh_schema_registry=url)
    line = only(done.mistakes)
    assert done.code == 1
    assert url in line
    assert "does not answer" in line
    with serving() as server:
        for version, id_ in FRAMED.items():
            server.serve(id_, schema(version))
        again = run(tmp_path, skymesh_schema_registry=server.url)
    assert again.json["alerts"] == {"read": 3, "published": 3, "duplicate": 0, "dead": 0, "accepted": 3}
    audit(tmp_path / "out" / "store.db", cwd=tmp_path)


def test_a_registry_that_is_away_does_no_harm_to_containers(tmp_path):
    done = run(
        tmp_path, files={"a.avro": container([packet_of(1)])}, skymesh_schema_registry="http://127.0.0.1:9"
    )
    assert (done.code, done.json["alerts"]["published"]) == (0, 1)


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"skymesh_lsst_schemas": "nowhere"}, ["nowhere", "no folder"]),
        ({"skymesh_schema_registry": "host:8081"}, ["http://"]),
    ],
)
def test_a_wrong_setting_is_one_line(tmp_path, settings, words):
    done = run(tmp_path, files=messages(), **settings)
    line = only(done.mistakes)
    assert done.code == 2
    assert [word for word in words if word not in line] == []


def test_what_answers_and_is_no_registry_is_one_line(tmp_path):
    with serving() as server:
        for id_ in FRAMED.values():
            server.answers[f"/schemas/ids/{id_}"] = (200, b"<html>Welcome</html>")
        done = run(tmp_path, files=messages(), skymesh_schema_registry=server.url)
        assert done.code == 2
        assert f"{server.url}: what answers there is no schema registry" in only(done.mistakes)


@pytest.mark.shared_data
def test_real_packets_give_the_numbers_of_the_index(tmp_path, shared_data):
    folder = shared_data / "lsst"
    with (folder / "INDEX.csv").open() as stream:
        told = [row for row in csv.DictReader(stream) if row["file"].startswith("rubin_")]
    done = forked(
        "run", "survey_summary", "--json", "--alerts", folder / "real_native", "--out", "out", cwd=tmp_path
    )
    assert (done.code, done.err) == (0, "")
    alerts = done.json["alerts"]
    ids = {row["diaSourceId"] for row in told}
    assert alerts == {
        "read": 129,
        "published": 129,
        "duplicate": 129 - len(ids),
        "dead": 0,
        "accepted": len(ids),
    }
    stocks = {row["diaObjectId"] if row["diaObjectId"] != "0" else row["ssObjectId"] for row in told}
    with (tmp_path / "out" / "candidates.csv").open(newline="") as stream:
        rows = [row["stock"] for row in csv.DictReader(stream)]
    assert sorted(row.partition(":")[2] for row in rows) == sorted(stocks)
    assert done.json["datapoints"] == 27432 + 40061
    audit(tmp_path / "out" / "store.db", cwd=tmp_path)


@pytest.mark.shared_data
def test_real_packets_as_messages_are_the_same_run(tmp_path, shared_data):
    files = {}
    folder = shared_data / "lsst"
    path = folder / "real_native" / "rubin_20251231_b.v10_0.avro"
    with path.open("rb") as stream:
        reader = fastavro.reader(stream)
        writer = fastavro.parse_schema(reader.writer_schema)
        for number, item in enumerate(reader):
            files[f"{number}.confluent.bin"] = framed(writer, item)
    found = run(tmp_path, files=files, skymesh_lsst_schemas=folder / "schemas").json
    plain = forked("run", "survey_summary", "--json", "--alerts", path, "--out", "plain", cwd=tmp_path).json
    for key in ("run", "alerts", "channels", "datapoints", "digest", "results_digest"):
        assert found[key] == plain[key]


def framed(writer, item):
    out = io.BytesIO()
    fastavro.schemaless_writer(out, writer, item)
    return b"\0" + (1000).to_bytes(4, "big") + out.getvalue()


@pytest.mark.shared_data
def test_the_samples_in_confluents_framing_are_read(tmp_path, shared_data):
    folder = shared_data / "lsst"
    run_ = ("run", "survey_summary", "--json", "--alerts", folder / "confluent", "--out", "out")
    done = forked(*run_, cwd=tmp_path, env={"SKYMESH_LSST_SCHEMAS": str(folder / "schemas")})
    assert done.json["alerts"] == {"read": 11, "published": 11, "duplicate": 9, "dead": 0, "accepted": 2}

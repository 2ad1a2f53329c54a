"""Packets that cannot be used become dead letters with a reason; all others go their way."""

from __future__ import annotations

import io
import json
import math
import os
import random
import re
import tarfile
from typing import NamedTuple

import fastavro
import pytest

from e2e.command import audit, forked, skymesh, write_files
from skymesh.surveys.ztf.packet_schema import PACKET_SCHEMA
from support.packets import JD, candidate, container, detection, forced, limit, packet, record

GOOD = packet(object_id="ZTF21goodone", jd_utc=JD + 1)
ONE = packet(history=[detection(), limit()], cutouts=True)
MANY = container(
    [record(object_id=f"ZTF21many{n}", jd_utc=JD + n / 1000, rcid=n) for n in range(8)], sync_interval=1
)
ZSTANDARD = packet(codec="zstandard")
BLOCK = (len(MANY) - MANY.index(b"ZTF21many0")) // 8
SYNC = b"S" * 16


class Expected(NamedTuple):
    """What a bad file comes to: usable records, unusable ones, and words of the first reason."""

    read: int
    dead: int
    words: tuple[str, ...]
    code: str = "undecodable"


def flipped(data, place, bits=0xFF):
    return data[:place] + bytes([data[place] ^ bits]) + data[place + 1 :]


def avro_long(number):
    zigzag, encoded = number << 1, b""
    while zigzag >= 0x80:
        encoded += bytes([zigzag & 0x7F | 0x80])
        zigzag >>= 7
    return encoded + bytes([zigzag])


def raw_container(schema, count, body, codec=b"null"):
    """A container with any text as its schema, and one block that claims any number of records."""
    head = b"Obj\x01" + avro_long(2)
    for item in (b"avro.schema", schema, b"avro.codec", codec):
        head += avro_long(len(item)) + item
    return head + b"\0" + SYNC + avro_long(count) + avro_long(len(body)) + body + SYNC


def foreign(count):
    stream = io.BytesIO()
    schema = {"type": "record", "name": "weather", "fields": [{"name": "rain", "type": "int"}]}
    fastavro.writer(stream, schema, [{"rain": n} for n in range(count)])
    return stream.getvalue()


def ztf_schema_without(name):
    """The survey's own schema, with a word in it damaged."""
    return json.dumps(PACKET_SCHEMA).replace(f'"{name}"', f'"{name[:-1]}~"', 1).encode()


INVALID = "invalid_data_point"
UNKNOWN = "unknown_schema"
BAD = {
    "empty.avro": (b"", Expected(1, 1, ("empty",))),
    "text.avro": (b"hello\n", Expected(1, 1, ("not an Avro container",))),
    "picture.avro": (b"\x89PNG\r\n\x1a\n" + bytes(5000), Expected(1, 1, ("not an Avro container",))),
    "magic_alone.avro": (b"Obj\x01", Expected(1, 1, ("header",))),
    "cut_in_header.avro": (ONE[:60], Expected(1, 1, ("header",))),
    "cut_behind_header.avro": (ONE[: ONE.index(b"ZTF21") - 20], Expected(1, 1, ("damaged",))),
    "cut_in_record.avro": (ONE[:-200], Expected(1, 1, ("damaged after 0",))),
    "cut_by_a_byte.avro": (ONE[:-1], Expected(2, 1, ("damaged after 1", "sync"))),
    "flipped_sync.avro": (flipped(ONE, len(ONE) - 3), Expected(2, 1, ("damaged after 1", "sync"))),
    "flipped_deflate.avro": (flipped(packet(codec="deflate"), -300), Expected(1, 1, ("damaged after 0",))),
    "flipped_snappy.avro": (flipped(packet(codec="snappy"), -300), Expected(1, 1, ("damaged after 0",))),
    "flipped_zstandard.avro": (
        flipped(ZSTANDARD, ZSTANDARD.index(b"\x28\xb5\x2f\xfd")), Expected(1, 1, ("damaged after 0",))),
    "two_joined.avro": (packet(object_id="ZTF21joined") + ONE, Expected(2, 1, ("damaged after 1",))),
    "many_cut.avro": (MANY[: -2 * BLOCK - BLOCK // 2], Expected(6, 1, ("damaged after 5",))),
    "many_flipped.avro": (flipped(MANY, len(MANY) - 3 * BLOCK - 8), Expected(6, 1, ("damaged after 5",))),
    "many_last_sync.avro": (flipped(MANY, len(MANY) - 1), Expected(9, 1, ("damaged after 8", "sync"))),
    "foreign.avro": (foreign(5), Expected(5, 5, ("'weather'",), UNKNOWN)),
    "foreign_without_records.avro": (foreign(0), Expected(1, 1, ("'weather'",), UNKNOWN)),
    "no_object.avro": (packet(object_id=""), Expected(1, 1, ("objectId",), INVALID)),
    "blank_object.avro": (packet(object_id="ZTF 21"), Expected(1, 1, ("objectId",), INVALID)),
    "line_break_object.avro": (packet(object_id="ZTF\u2028\x1b[31m"), Expected(1, 1, ("objectId",), INVALID)),
    "no_candid.avro": (packet(candid=0), Expected(1, 1, ("candid",), INVALID)),
    "two_candids.avro": (
        container([record() | {"candid": 77}]), Expected(1, 1, ("candid 77",), INVALID)),
    "unknown_programme.avro": (packet(programid=9), Expected(1, 1, ("programid 9",), INVALID)),
    "unknown_programme_in_history.avro": (
        packet(history=[detection(programid=9)]), Expected(1, 1, ("programid 9",), INVALID)),
    "unknown_sign.avro": (packet(isdiffpos="x"), Expected(1, 1, ("isdiffpos 'x'",), INVALID)),
    "nan_ra.avro": (packet(ra=math.nan), Expected(1, 1, ("position",), INVALID)),
    "inf_ra.avro": (packet(ra=math.inf), Expected(1, 1, ("position",), INVALID)),
    "nan_dec.avro": (packet(dec=math.nan), Expected(1, 1, ("position",), INVALID)),
    "dec_beyond_the_pole.avro": (packet(dec=-90.5), Expected(1, 1, ("position",), INVALID)),
    "nan_jd.avro": (packet(trigger=candidate() | {"jd": math.nan}), Expected(1, 1, ("jd",), INVALID)),
    "inf_jd.avro": (packet(trigger=candidate() | {"jd": -math.inf}), Expected(1, 1, ("jd",), INVALID)),
    "jd_before_1972.avro": (packet(trigger=candidate() | {"jd": 0.0}), Expected(1, 1, ("1972",), INVALID)),
    "nan_jd_in_history.avro": (
        packet(history=[detection() | {"jd": math.nan}]), Expected(1, 1, ("jd",), INVALID)),
    "nan_jd_in_limits.avro": (packet(history=[limit() | {"jd": math.nan}]), Expected(1, 1, ("jd",), INVALID)),
    "nan_jd_in_forced.avro": (packet(forced=[forced() | {"jd": math.nan}]), Expected(1, 1, ("jd",), INVALID)),
}  # fmt: skip

SCHEMAS_DAMAGED = {
    "no_json.avro": raw_container(b"{", 1, b"\0"),
    "not_utf8.avro": raw_container(b'{"type": "\xff"}', 1, b"\0"),
    "null.avro": raw_container(b"null", 1, b"\0"),
    "number.avro": raw_container(b"5", 1, b"\0"),
    "list.avro": raw_container(b"[]", 1, b"\0"),
    "no_fields.avro": raw_container(b'{"type": "record", "name": "f"}', 1, b"\0"),
    "fields_no_list.avro": raw_container(b'{"type": "record", "name": "f", "fields": {"a": 1}}', 1, b"\0"),
    "field_without_name.avro": raw_container(
        b'{"type": "record", "name": "f", "fields": [{"type": "int"}]}', 1, b"\0"
    ),
    "unknown_type.avro": raw_container(
        b'{"type": "record", "name": "f", "fields": [{"name": "x", "type": "nosuch"}]}', 1, b"\0"
    ),
    "deep.avro": raw_container(b"[" * 100_000, 1, b"\0"),
    "recursive.avro": raw_container(
        b'{"type": "record", "name": "f", "fields": [{"name": "x", "type": ["null", "f"]}]}',
        1, b"\2" * 100_000 + b"\0",
    ),
    "endless.avro": raw_container(
        b'{"type": "record", "name": "f", "fields": [{"name": "x", "type": "f"}]}', 1, b"\0"
    ),
    "unknown_codec.avro": raw_container(json.dumps(PACKET_SCHEMA).encode(), 1, b"\0", b"lzma"),
    **{
        f"ztf_without_{name}.avro": raw_container(ztf_schema_without(name), 1, b"\0")
        for name in ("type", "record", "name", "fields", "candidate", "objectId", "string", "double", "items")
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def bad(tmp_path_factory):
    """A run over a folder of bad files, with a good one among them."""
    folder = tmp_path_factory.mktemp("bad")
    files = {name: data for name, (data, _) in BAD.items()}
    write_files(folder / "packets", {**files, "deep/er/good.avro": GOOD})
    return run_and_trace(skymesh, folder, folder / "packets")


def run_and_trace(command, folder, path):
    """Run over a path; return numbers, sources by name, and dead letters by name, after an audit."""
    done = command("run", "survey_summary", "--alerts", path, "--out", "out", "--json", cwd=folder)
    assert done.code == 0, done
    assert "Traceback" not in done.err
    store = folder / "out" / "store.db"
    assert audit(store, cwd=folder)["digest"] == done.json["digest"]
    run = command("trace", done.json["run"], "--store", f"sqlite:{store}", "--json", cwd=folder).json
    sources = {source["name"].rpartition("/packets/")[2]: source for source in run["sources"]}
    letters = {}
    for letter in run["dead_letters"]:
        name, _, _ = letter["packet"].rpartition("/packets/")[2].rpartition("#")
        letters.setdefault(name, []).append(letter)
    return done, sources, letters


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_accounted_for_with_its_reason(bad, name):
    _, sources, letters = bad
    expected = BAD[name][1]
    source = sources[name]
    assert (source["read"], source["dead"]) == (expected.read, expected.dead)
    assert source["published"] == expected.read - expected.dead
    assert {letter["code"] for letter in letters[name]} == {expected.code}
    assert [word for word in expected.words if word not in letters[name][0]["reason"]] == []
    assert all(letter["reason"].isprintable() for letter in letters[name])


def test_a_damaged_container_names_the_first_record_that_is_lost(bad):
    _, _, letters = bad
    assert letters["many_cut.avro"][0]["packet"].endswith("many_cut.avro#5")
    assert letters["cut_by_a_byte.avro"][0]["packet"].endswith("cut_by_a_byte.avro#1")


def test_the_good_among_the_bad_goes_its_way(bad):
    done, sources, _ = bad
    numbers = done.json
    assert sources["deep/er/good.avro"] | {"name": ""} == {"name": "", "read": 1, "published": 1, "dead": 0}
    assert numbers["alerts"]["read"] == sum(expected.read for _, expected in BAD.values()) + 1
    assert numbers["alerts"]["dead"] == sum(expected.dead for _, expected in BAD.values())


def test_dead_letters_are_one_warning_for_all(bad):
    done, _, _ = bad
    (line,) = done.err.splitlines()
    assert json.loads(line)["dead"] == done.json["alerts"]["dead"]


@pytest.mark.parametrize("name", SCHEMAS_DAMAGED)
def test_a_schema_that_is_none_is_a_dead_letter(tmp_path, name):
    write_files(tmp_path / "packets", {"bad.avro": SCHEMAS_DAMAGED[name], "good.avro": GOOD})
    done = forked("run", "survey_summary", "--alerts", "packets", "--out", "out", "--json", cwd=tmp_path)
    assert done.code == 0, done.err[-500:]
    alerts = done.json["alerts"]
    assert (alerts["read"], alerts["published"], alerts["dead"]) == (2, 1, 1)


def test_records_of_no_bytes_do_not_run_for_ever(tmp_path):
    write_files(tmp_path / "packets", {"bad.avro": raw_container(b'"null"', 1 << 60, b""), "good.avro": GOOD})
    done = forked("run", "survey_summary", "--alerts", "packets", "--out", "out", "--json", cwd=tmp_path)
    assert done.code == 0, done.err[-500:]
    assert done.json["alerts"]["published"] == 1


def test_a_flipped_bit_anywhere_spoils_at_most_its_own_packet(tmp_path):
    rng = random.Random(7)
    places = [rng.randrange(4, len(ONE)) for _ in range(300)]
    files = {f"{n:03d}.avro": flipped(ONE, place, 1 << rng.randrange(8)) for n, place in enumerate(places)}
    write_files(tmp_path / "packets", {**files, "good.avro": GOOD})
    done, sources, _ = run_and_trace(forked, tmp_path, tmp_path / "packets")
    assert sources["good.avro"]["published"] == 1
    assert len(sources) == 301
    assert done.json["alerts"]["dead"] >= 50


def test_no_number_in_a_packet_stops_the_run(tmp_path):
    """NaN, infinities and the largest floats in every field of every record, one at a time."""
    values = (math.nan, math.inf, -math.inf, 3e38, -3e38)
    files = {}
    for make, kind in ((candidate, "trigger"), (detection, "history"), (limit, "limit"), (forced, "forced")):
        for name in [name for name, value in make().items() if isinstance(value, float)]:
            records = []
            for number, value in enumerate(values):
                changed = make(jd_utc=JD - 1 + number / 100) | {name: value}
                where = {
                    "trigger": {"trigger": changed},
                    "forced": {"forced": [changed]},
                }.get(kind, {"history": [changed]})
                records.append(record(object_id=f"ZTF21{kind}x{name}x{number}", **where))
            files[f"{kind}_{name}.avro"] = container(records)
    write_files(tmp_path / "packets", files)
    done, sources, letters = run_and_trace(forked, tmp_path, tmp_path / "packets")
    alerts = done.json["alerts"]
    assert alerts["read"] == 5 * len(files)
    assert {letter["code"] for of_file in letters.values() for letter in of_file} == {INVALID}
    # Only what places a measurement in time, or an object in the sky, must be a sane number.
    assert set(letters) == {
        "trigger_jd.avro", "trigger_ra.avro", "trigger_dec.avro",
        "history_jd.avro", "limit_jd.avro", "forced_jd.avro",
    }  # fmt: skip
    assert all(sources[name]["dead"] in {3, 4, 5} for name in letters)
    assert all(unit["failed"] == 0 for unit in done.json["units"].values())
    assert not {"inf", "-inf", "nan"} & set(
        re.split(r"[,\s]", (tmp_path / "out" / "candidates.csv").read_text())
    )


def test_a_history_of_ten_thousand_points_is_one_alert_like_any_other(tmp_path):
    history = [detection(jd_utc=JD - n / 100, candid=10_000 + n) for n in range(1, 10_001)]
    write_files(tmp_path / "packets", {"big.avro": packet(history=history), "good.avro": GOOD})
    done, _, _ = run_and_trace(forked, tmp_path, tmp_path / "packets")
    assert done.json["alerts"]["accepted"] == 2
    assert done.json["datapoints"] == 10_002
    assert {unit["ok"] for unit in done.json["units"].values()} == {2}


def write_tar(path, members, mode="w"):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


NIGHT = {
    f"night/{n}.avro": packet(object_id=f"ZTF21tar{n}", jd_utc=JD + n / 1000, rcid=n, history=[detection()])
    for n in range(4)
}


@pytest.mark.parametrize(
    "ending, mode", [(".tar", "w"), (".tar.gz", "w:gz"), (".tgz", "w:gz"), (".tar.xz", "w:xz")]
)
def test_a_tar_is_read_like_the_folder_it_was_made_from(tmp_path, ending, mode):
    write_files(tmp_path / "folder", NIGHT)
    write_tar(tmp_path / f"packets{ending}", dict(reversed(NIGHT.items())), mode)
    run = ("run", "survey_summary", "--json", "--alerts")
    one = forked(*run, "folder", "--out", "one", cwd=tmp_path)
    other = forked(*run, f"packets{ending}", "--out", "other", cwd=tmp_path)
    for key in ("run", "alerts", "channels", "datapoints", "digest", "results_digest"):
        assert other.json[key] == one.json[key]
    assert (one.err, other.err) == ("", "")


def test_junk_in_a_tar_is_dead_or_no_packet_and_leaves_no_file(tmp_path):
    path = tmp_path / "packets" / "junk.tar"
    members = {"README.txt": b"hello", ".DS_Store": b"x", "night/._0.avro": b"x",
               "/etc/absolute.avro": b"x", "../../above.avro": b"x"}  # fmt: skip
    write_tar(path, {**NIGHT, **members})
    with tarfile.open(path, "a") as archive:
        for name, kind in (("folder.avro", tarfile.DIRTYPE), ("pipe.avro", tarfile.FIFOTYPE),
                           ("link.avro", tarfile.SYMTYPE), ("device.avro", tarfile.CHRTYPE)):  # fmt: skip
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    done, _, letters = run_and_trace(forked, tmp_path, path)
    assert {name.partition("!")[2] for name in letters} == {
        "README.txt", "/etc/absolute.avro", "../../above.avro",
    }  # fmt: skip
    assert done.json["alerts"]["published"] == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "packets"]


def damaged_tars():
    """Tars of four members, damaged; with how many records can still be read."""
    plain, packed = io.BytesIO(), io.BytesIO()
    for stream, mode in ((plain, "w"), (packed, "w:gz")):
        with tarfile.open(fileobj=stream, mode=mode) as archive:
            for name, data in NIGHT.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    tar, gz = plain.getvalue(), packed.getvalue()
    headers = [tar.index(name.encode()) for name in NIGHT]
    return {
        "empty.tar": (b"", 0),
        "text.tar": (b"hello " * 500, 0),
        "text.tar.gz": (b"hello " * 500, 0),
        "no_gzip_inside.tgz": (tar[:2000], 0),
        "cut_in_member.tar": (tar[: headers[2] + 3000], 2),
        "cut_in_header.tar": (tar[: headers[2] + 100], 2),
        "first_header.tar": (flipped(tar, headers[0]), 0),
        "third_header.tar": (flipped(tar, headers[2] + 150), 2),
        "cut.tar.gz": (gz[:-40], 4),
        "checksum.tar.gz": (flipped(gz, len(gz) - 6), 4),
    }


@pytest.mark.parametrize("name", damaged_tars())
def test_a_damaged_tar_counts_its_tail_as_one_that_is_dead(tmp_path, name):
    data, readable = damaged_tars()[name]
    write_files(tmp_path / "packets", {name: data, "good.avro": GOOD})
    run = ("run", "survey_summary", "--alerts", "packets", "--out", "out", "--json")
    done = forked(*run, cwd=tmp_path)
    assert done.code == 0, done.err[-500:]
    alerts = done.json["alerts"]
    assert alerts["dead"] >= 1, "the tail is lost without a word"
    if readable < len(NIGHT):
        assert (alerts["published"], alerts["dead"]) == (readable + 1, 1)
    assert forked("audit", "--store", "sqlite:out/store.db", "--final", cwd=tmp_path).code == 0


def test_a_name_that_is_not_utf8_is_read_like_any_other(tmp_path):
    name = os.fsdecode(b"nuit-d'\xe9t\xe9/\xff.avro")
    write_files(tmp_path / "packets", {name: GOOD})
    done = forked("run", "survey_summary", "--alerts", "packets", "--out", "out", "--json", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert done.json["alerts"]["published"] == 1
    audit(tmp_path / "out" / "store.db", cwd=tmp_path)

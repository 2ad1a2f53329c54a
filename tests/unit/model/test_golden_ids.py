"""Golden vectors of every kind of id, written with nothing but hashlib and MessagePack's specification.

Whoever has to change a pinned value changes what ids mean: that is a new version of the encoding.
"""

from __future__ import annotations

import struct
from hashlib import blake2b

import pytest

from skymesh.model.alert import alert_id
from skymesh.model.execution import (
    UnitRef,
    config_id,
    content_digest,
    execution_id,
    journal_id,
)
from skymesh.model.ids import digest_bytes, digest_sequence
from skymesh.model.reaction import Letter, letters_digest, reaction_id
from skymesh.model.run import job_id, run_id
from skymesh.model.state import make_state
from skymesh.surveys.lsst import fields as lsst_fields
from skymesh.surveys.ztf.fields import DETECTION_FIELDS, FORCED_FIELDS, LIMIT_FIELDS
from support import lsst_packets as lsst
from support.packets import JD, alert, as_history, candidate, detection, forced, limit, pid_of, points

A, B, C = bytes(range(16)), bytes(range(16, 32)), b"\xff" * 16
DOUBLES = {"jd", "ra", "dec", "ranr", "decnr", "scorr"}
REF = UnitRef("FastDecliner", "1", A, B)


def pack(value):
    """MessagePack as its specification says, for the values used here."""
    constants = {None: b"\xc0", False: b"\xc2", True: b"\xc3"}
    if value is None or isinstance(value, bool):
        return constants[value]
    writers = {
        int: _int,
        float: lambda number: b"\xcb" + struct.pack(">d", number),
        str: _text,
        bytes: _bytes,
    }
    if type(value) in writers:
        return writers[type(value)](value)
    if isinstance(value, dict):
        return bytes([0x80 + len(value)]) + b"".join(pack(k) + pack(value[k]) for k in sorted(value))
    head = bytes([0x90 + len(value)]) if len(value) < 16 else b"\xdc" + struct.pack(">H", len(value))
    return head + b"".join(map(pack, value))


def _int(value):
    for bits, prefix in ((7, b""), (8, b"\xcc"), (16, b"\xcd"), (32, b"\xce")):
        if 0 <= value < 1 << bits:
            return prefix + value.to_bytes((bits + 7) // 8, "big")
    return b"\xcf" + value.to_bytes(8, "big")


def _text(value):
    data = value.encode()
    return (bytes([0xA0 + len(data)]) if len(data) < 32 else b"\xd9" + bytes([len(data)])) + data


def _bytes(value):
    head = b"\xc4" + bytes([len(value)]) if len(value) < 256 else b"\xc5" + struct.pack(">H", len(value))
    return head + value


def hex_of(kind, data):
    return blake2b(data, digest_size=16, person=f"{kind}/1".encode()).hexdigest()


def raw(entry, names):
    """The raw values of a synthetic history entry as they stand in the packet: floats of 32 bits."""
    values = []
    for name in names:
        value = entry[name]
        if isinstance(value, float) and name not in DOUBLES:
            (value,) = struct.unpack("<f", struct.pack("<f", value))
        values.append({"isdiffpos": {"t": True, "f": False}}.get(name, {}).get(value, value))
    return [None if value == -999 else value for value in values]


def test_alert():
    expected = hex_of("alert", b"\x92\xa3ztf\xcf" + (516401801615015023).to_bytes(8, "big"))
    assert alert_id("ztf", 516401801615015023).hex() == expected == "08a3d62810fddd4a64254bd852472ae2"
    assert alert(candid=516401801615015023).id.hex() == expected


def test_detection():
    entry = detection()
    point = points(history=[entry])[1]
    body = pack(["ztf", "detection", entry["candid"], *raw(entry, DETECTION_FIELDS)])
    assert point.body == body
    expected = hex_of("point", body)
    assert point.id.hex() == expected == "5c84dec78d013f0a225ef0095af63f8c"


def test_upper_limit():
    entry = limit()
    point = points(history=[entry])[1]
    values = [JD - 5, 1, pid_of(JD - 5, 28), 20.25, 1]
    assert raw(entry, LIMIT_FIELDS) == values
    expected = hex_of("point", pack(["ztf", "limit", pid_of(JD - 5, 28), *values]))
    assert point.id.hex() == expected == "9de8a95c2cde4fca9ee683e09c954f4f"


def test_forced_photometry():
    entry = forced()
    point = points(forced=[entry])[1]
    key = ["ztf", "forced", f"ZTF21aaaaaaa/{pid_of(JD - 4, 28)}"]
    expected = hex_of("point", pack([*key, *raw(entry, FORCED_FIELDS)]))
    assert point.id.hex() == expected == "88a2bf87ba5682c6870c144615e11102"


@pytest.mark.parametrize(
    "kind, entry, golden",
    [
        ("detection", lsst.dia_source(), "e972e0b1ed1f2ae9270aaa5ac1b71203"),
        ("forced", lsst.dia_forced_source(), "5fcfff37d4fd91273438ae22a94b73ef"),
        ("limit", lsst.dia_limit(), "8f00fe766c60c5b1f77ba2d2648a7436"),
    ],
)
def test_points_of_lsst(kind, entry, golden):
    """Synthetic entries, whose floats of 32 bits are exact."""
    lists = {"detection": "history", "forced": "forced", "limit": "limits"}
    version = "7.4" if kind == "limit" else "11.1"
    point = lsst.points(version=version, **{lists[kind]: [entry]})[1]
    native = entry[{"detection": "diaSourceId", "forced": "diaForcedSourceId", "limit": "ccdVisitId"}[kind]]
    body = pack(["lsst", kind, native, *(entry[name] for name in lsst_fields.FIELDS[kind])])
    assert point.body == body
    assert point.id.hex() == hex_of("point", body) == golden


def test_state():
    expected = hex_of("state", b"\x92\xa8ztf:ZTF1\x92\xc4\x10" + A + b"\xc4\x10" + B)
    assert make_state("ztf:ZTF1", [B, A, B]).id.hex() == expected == "869965517e4452a61b0de22e4ef17925"


def test_config():
    expected = hex_of("config", b"\x82\xacmax_gap_days\xcb" + struct.pack(">d", 2.0) + b"\xa4name\xa1x")
    assert (
        config_id({"name": "x", "max_gap_days": 2.0}).hex() == expected == "ca3f3e434fb8d9f0c3b3ba8c94fbc73a"
    )


def test_job():
    resolved = {
        "name": "j",
        "channels": {"j/c": {"access": ["ztf_public"], "follow": False}},
        "summaries": {},
    }
    assert job_id(resolved).hex() == hex_of("job", pack(resolved)) == "53df83701b76c9bec18b276d416fde5e"


def test_run():
    expected = hex_of("run", b"\x94\xc4\x10" + A + b"\xc4\x10" + B + b"\xa4real\xa0")
    assert run_id(A, B, "real", "").hex() == expected == "d5ac003a178aa700f78b1364745b344f"
    assert len({run_id(A, B, "real", ""), run_id(A, B, "simulated", ""), run_id(A, B, "real", "x"),
                run_id(B, A, "real", ""), run_id(A, C, "real", "")}) == 5  # fmt: skip


def test_result():
    inputs = {
        "fit": ("result", C, "ok"),
        "curve": ("curve", A, "DifferenceFlux", "1", B),
        "last": ("absent",),
    }
    expected = hex_of("result", pack(["FastDecliner", "1", A, inputs]))
    assert execution_id(REF, inputs).hex() == expected == "ea7010098a1bfa59a9454e6709cc83c0"


def test_content_of_a_result():
    expected = hex_of("digest", b"\x92\xa2ok\x81\xa4fast\xc3")
    assert content_digest("ok", {"fast": True}).hex() == expected == "b80dc91bb52131b5a538ff327b4be6cd"


def test_reaction():
    data = b"\x96\xa3j/c\xa7VOEvent\xc4\x10" + A + b"\xa4file\xa5stock\xa8ztf:ZTF1"
    ref = UnitRef("VOEvent", "1", A, B)
    once_for_the_object = reaction_id(ref, "j/c", "file", "stock", "ztf:ZTF1")
    assert once_for_the_object.hex() == hex_of("reaction", data) == "e287fd4d123e77a34851de702b0a80d2"
    data = b"\x96\xa3j/c\xa7VOEvent\xc4\x10" + A + b"\xa4file\xa5state\xc4\x10" + C
    assert (
        reaction_id(ref, "j/c", "file", "state", C).hex()
        == hex_of("reaction", data)
        == "4588b09783342886429af66407b5a65c"
    )
    assert (
        reaction_id(UnitRef("VOEvent", "2", A, C), "j/c", "file", "state", C).hex()
        == "4588b09783342886429af66407b5a65c"
    )
    others = [
        reaction_id(UnitRef("Other", "1", A, B), "j/c", "file", "state", C),
        reaction_id(UnitRef("VOEvent", "1", B, B), "j/c", "file", "state", C),
        reaction_id(ref, "j/d", "file", "state", C),
        reaction_id(ref, "j/c", "other", "state", C),
        reaction_id(ref, "j/c", "file", "stock", C),
        reaction_id(ref, "j/c", "file", "state", A),
    ]
    assert len({*others, once_for_the_object}) == 7


def test_messages_of_a_reaction():
    expected = hex_of("digest", pack([["e.xml", "application/xml", b"<x/>"]]))
    letters = (Letter("e.xml", "application/xml", b"<x/>"),)
    assert letters_digest(letters).hex() == expected == "c849eeeb5d0818bc921d2182428fecdb"


def test_journal():
    expected = hex_of("journal", b"\x97\xc4\x10" + A + b"\xa2t2\xa3j/c\xa7decline\x00\x05\xcd\x01\x00")
    assert (
        journal_id(A, "t2", "j/c", "decline", 0, 5, 256).hex()
        == expected
        == "f3524c770b8871951f262776f2945433"
    )


def test_cutout():
    stamps = {
        name: b"\x1f\x8b" + name.capitalize().encode() * 100 for name in ("difference", "science", "template")
    }
    assert (
        alert(cutouts=True).cutouts.hex()
        == hex_of("cutout", pack(stamps))
        == "c83764f65febcb4180ddf55dc0847a26"
    )
    assert alert(cutouts=False).cutouts is None


def test_log():
    assert (
        digest_sequence("log", iter([A + B, C + A])).hex()
        == hex_of("log", A + B + C + A)
        == "fc6bf2635be28d9680febf263ca721a3"
    )
    assert digest_sequence("log", [C + A, A + B]) != digest_sequence("log", [A + B, C + A])


def test_code_digest_does_not_enter_an_execution():
    assert execution_id(REF, {}) == execution_id(UnitRef("FastDecliner", "1", A, C), {})


@pytest.mark.parametrize("name", DETECTION_FIELDS)
def test_any_changed_value_of_a_detection_changes_its_id(name):
    entry = detection()
    changed = {"isdiffpos": "f", "programid": 2, "ssnamenr": "1234"}.get(name)
    if changed is None:
        changed = "other" if isinstance(entry[name], str) else 7 if entry[name] == -999 else entry[name] + 1
    before, after = (points(history=[each])[1] for each in (entry, entry | {name: changed}))
    assert before.id != after.id
    assert before.key == after.key


@pytest.mark.parametrize("name", ["tblid", "nid", "pdiffimfilename", "programpi"])
def test_row_numbers_and_file_names_of_the_pipeline_do_not_enter(name):
    entry = detection()
    changed = entry | {name: 999 if name in {"tblid", "nid"} else "x"}
    assert points(history=[entry])[1].id == points(history=[changed])[1].id


@pytest.mark.parametrize(
    "unit, inputs",
    [
        (UnitRef("FastDecliner", "2", A, B), {"state": ("state", A)}),
        (UnitRef("Other", "1", A, B), {"state": ("state", A)}),
        (UnitRef("FastDecliner", "1", B, B), {"state": ("state", A)}),
        (REF, {"state": ("state", B)}),
        (REF, {"other": ("state", A)}),
        (REF, {"state": ("points", A)}),
        (REF, {"state": ("absent",)}),
        (REF, {}),
    ],
)
def test_unit_version_config_and_every_input_enter_a_result(unit, inputs):
    assert execution_id(unit, inputs) != execution_id(REF, {"state": ("state", A)})


def test_digest_of_the_bytes_themselves():
    assert digest_bytes("cutout", b"abc").hex() == hex_of("cutout", b"abc")


def test_the_object_does_not_enter_a_detection_but_enters_forced_photometry():
    one = points(object_id="ZTF21aaaaaaa", history=[detection()], forced=[forced()])
    other = points(object_id="ZTF21aaaaaab", history=[detection()], forced=[forced()])
    assert [a.id == b.id for a, b in zip(one, other, strict=True)] == [True, True, False]


def test_a_rounded_copy_is_another_version_of_the_same_measurement():
    trigger = candidate()
    first = points(trigger=trigger)[0]
    copy = points(jd_utc=JD + 2, history=[as_history(trigger)])[1]
    assert first.key == copy.key
    assert first.id != copy.id
    assert first.rank > copy.rank

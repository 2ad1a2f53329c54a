"""The main job of the quick start: of the simulated night it singles one object out, and tells of it once."""

from __future__ import annotations

import csv
from xml.etree import ElementTree as ET

import pytest

from e2e.command import audit, forked, lasting, only, skymesh

ONE, NOT_THE_OTHER = "ztf:ZTF24aaaaafd", "ztf:ZTF24aaaaasn"


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    folder = tmp_path_factory.mktemp("night")
    done = skymesh("run", "fast_decline", "--out", "out", "--json", cwd=folder)
    assert (done.code, done.err) == (0, "")
    return folder, done


def params(folder):
    path = only(list((folder / "out" / "event").iterdir()))
    return {item.get("name"): item.get("value") for item in ET.parse(path).iter("Param")}


def test_one_object_is_told_and_the_other_is_kept_in_the_table(night):
    folder, done = night
    assert done.json["channels"]["fast_decline/hunters"]["reactions"] == 1
    assert params(folder)["stock"] == ONE
    with (folder / "out" / "candidates.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["stock"] for row in rows if row["decline.fast"] == "True"] == [ONE] == [rows[0]["stock"]]
    assert NOT_THE_OTHER in [row["stock"] for row in rows]
    assert [path.name for path in (folder / "out" / "curves").iterdir()] == ["hunters-ztf-ZTF24aaaaafd.png"]


def test_the_event_is_of_a_test_and_leads_back_to_the_packets(night):
    folder, _ = night
    event = ET.parse(only(list((folder / "out" / "event").iterdir()))).getroot()
    assert event.get("role") == "test"
    trace = ("trace", params(folder)["reaction"], "--store", "sqlite:out/store.db", "--json")
    told = only(forked(*trace, cwd=folder).json["told"])
    assert (told["stock"], told["state"]) == (ONE, params(folder)["state"])
    assert "simulated/" in str(told["from"])


def test_the_same_command_again_tells_nothing_again(night):
    folder, first = night
    before = {path.name: path.stat().st_mtime_ns for path in (folder / "out" / "event").iterdir()}
    again = forked("run", "fast_decline", "--out", "out", "--json", cwd=folder)
    assert lasting(again.json) == lasting(first.json)
    assert {path.name: path.stat().st_mtime_ns for path in (folder / "out" / "event").iterdir()} == before
    assert audit(folder / "out" / "store.db", cwd=folder)["holes"] == []


def test_a_higher_rate_tells_of_nothing(tmp_path):
    done = forked("run", "fast_decline", "--set", "min_rate=5", "--out", "out", "--json", cwd=tmp_path)
    assert done.json["channels"]["fast_decline/hunters"]["reactions"] == 0
    assert not (tmp_path / "out" / "event").exists()

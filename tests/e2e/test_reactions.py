"""A job that tells: the decliner of the simulated night becomes one VOEvent, the slow supernova none."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from xml.etree import ElementTree as ET

import pytest

from e2e.command import audit, forked, lasting, only, skymesh

DECLINER, SLOW = "ztf:ZTF24aaaaafd", "ztf:ZTF24aaaaasn"
JOB = """\
name: fast_decline
parameters: {min_rate: 0.1}
channels:
  hunters:
    access: [ztf_public]
    filter: {unit: SimpleDecentFilter, config: {min_ndet: 2, min_drb: 0.995}}
    analyse:
      decline: {unit: FastDecliner, config: {min_rate_mag_per_day: "${min_rate}"}}
      summary: {unit: LightCurveSummary}
    react:
      event: {unit: VOEvent, when: "decline.fast and summary.negative == 0", once: stock, to: [file]}
  followers:
    access: [ztf_public]
    filter: {unit: AcceptAll}
    analyse:
      decline: {unit: FastDecliner}
    react:
      update: {unit: VOEvent, config: {role: observation, authority: example.org, contact_name: A,
        contact_email: a@example.org}, when: "decline.fast", to: [file]}
  quiet:
    access: [ztf_public]
    filter: {unit: AcceptAll}
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """The folder of a finished run, and what it printed."""
    folder = tmp_path_factory.mktemp("told")
    (folder / "job.yaml").write_text(JOB)
    return folder, skymesh("run", "job.yaml", "--out", "out", "--json", cwd=folder)


def events(folder, name):
    """Return the packets of a reaction by their objects."""
    found = {}
    for path in sorted((folder / "out" / name).iterdir()):
        root = ET.fromstring(path.read_bytes())
        stock = next(p.get("value") for p in root.iter("Param") if p.get("name") == "stock")
        found.setdefault(stock, []).append((path, root))
    return found


def look(folder, *arguments):
    return forked(*arguments, "--store", f"sqlite:{folder / 'out' / 'store.db'}", cwd=folder)


def test_the_decliner_gives_one_event_and_the_slow_supernova_none(told):
    folder, done = told
    assert (done.code, done.err) == (0, "")
    found = events(folder, "event")
    (path, root) = only(found[DECLINER])
    assert SLOW not in found
    assert set(found) == {DECLINER}
    assert root.get("ivorn") == f"ivo://reporter.invalid/fast_decline/hunters#{path.stem}"
    assert root.get("role") == "test"
    values = {p.get("name"): p.get("value") for p in root.iter("Param")}
    assert values["fast"] == "true"
    assert float(values["fastest_mag_per_day"]) > 0.1


def test_once_for_each_state_gives_updates_that_supersede_each_other(told):
    folder, _ = told
    found = events(folder, "update")
    several = [packets for packets in found.values() if len(packets) > 1]
    assert several
    for packets in found.values():
        ivorns = {root.get("ivorn") for _, root in packets}
        assert len(ivorns) == len(packets)
        cited = [root.findtext("Citations/EventIVORN") for _, root in packets]
        assert cited.count(None) == 1
        assert len({ivorn for ivorn in cited if ivorn} & ivorns) == len(packets) - 1


def test_simulated_alerts_are_told_as_a_test_whatever_the_job_says(told):
    folder, _ = told
    roles = {root.get("role") for packets in events(folder, "update").values() for _, root in packets}
    assert roles == {"test"}


def test_the_numbers_count_what_was_intended(told):
    folder, done = told
    counted = {name: channel["reactions"] for name, channel in done.json["channels"].items()}
    files = {name: len(list((folder / "out" / name).iterdir())) for name in ("event", "update")}
    assert counted == {
        "fast_decline/hunters": files["event"],
        "fast_decline/followers": files["update"],
        "fast_decline/quiet": 0,
    }
    assert audit(folder / "out" / "store.db", cwd=folder)["balanced"]


def test_the_same_command_again_tells_nothing_new(told):
    folder, done = told
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.glob("out/*/*.xml")}
    again = forked("run", "job.yaml", "--out", "out", "--json", cwd=folder)
    assert lasting(again.json) == lasting(done.json)
    after = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.glob("out/*/*.xml")}
    assert after == before


def test_the_same_command_again_writes_messages_that_are_gone_and_nothing_else(told, tmp_path):
    folder, done = told
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    before = {path: path.read_bytes() for path in tmp_path.glob("out/*/*.xml")}
    kept, cut, *_ = sorted(tmp_path.glob("out/update/*.xml"))
    written = kept.stat().st_mtime_ns
    shutil.rmtree(tmp_path / "out" / "event")
    cut.write_bytes(before[cut][:100])
    rows = _rows(tmp_path)
    again = forked("run", "job.yaml", "--out", "out", "--json", cwd=tmp_path)
    assert (again.code, lasting(again.json)) == (0, lasting(done.json))
    assert {path: path.read_bytes() for path in tmp_path.glob("out/*/*.xml")} == before
    assert kept.stat().st_mtime_ns == written
    assert _rows(tmp_path) == rows
    assert audit(tmp_path / "out" / "store.db", cwd=tmp_path)["balanced"]


def _rows(folder):
    """Return how many receipts and entries of the journal there are."""
    with closing(sqlite3.connect(folder / "out" / "store.db")) as file:
        count = "SELECT count(*) FROM {}"
        return {name: file.execute(count.format(name)).fetchall() for name in ("receipts", "journal")}


def test_elsewhere_and_with_workers_the_events_are_the_same(told, tmp_path):
    folder, done = told
    command = ("run", folder / "job.yaml", "--out", "out", "--json", "--workers", "2")
    assert lasting(forked(*command, cwd=tmp_path).json) == lasting(done.json)
    told_here, told_there = (
        {path.name: path.read_bytes() for path in where.glob("out/*/*.xml")} for where in (tmp_path, folder)
    )
    assert told_here == told_there


def test_a_reaction_is_traced_to_its_state_results_alert_message_and_receipt(told):
    folder, _ = told
    path, _ = only(events(folder, "event")[DECLINER])
    name = f"reaction:{path.stem}"
    traced = look(folder, "trace", name, "--json").json
    one = only(traced["told"])
    assert (traced["id"], one["stock"], one["once"], one["target"]) == (name, DECLINER, "stock", "file")
    assert (one["unit"], one["version"], traced["parameters"]["role"]) == ("VOEvent", "1", "test")
    assert one["from"]["id"] == one["state"]
    assert all(point["packets"] for point in one["from"]["points"])
    assert {result["unit"] for result in one["given"]} == {"FastDecliner", "LightCurveSummary"}
    assert {result["id"] for result in one["given"]} == {r["result"] for r in one["results"].values()}
    place = only(one["receipt"])
    assert (folder / "out" / place["name"]) == path
    assert place["size_bytes"] == path.stat().st_size
    for linked in (one["alert"], one["state"], one["config"], one["results"]["decline"]["result"]):
        assert look(folder, "trace", linked, "--json").code == 0
    assert name in look(folder, "trace", name).out


def test_show_lists_the_reactions_of_an_object_to_the_channel_whose_they_are(told):
    folder, _ = told
    everyone = look(folder, "show", DECLINER, "--json").json["reactions"]
    assert {reaction["instance"] for reaction in everyone} == {"event", "update"}
    own = look(folder, "show", DECLINER, "--channel", "hunters", "--json").json["reactions"]
    assert {reaction["channel"] for reaction in own} == {"fast_decline/hunters"}
    assert look(folder, "show", DECLINER, "--channel", "quiet", "--json").json["reactions"] == []
    assert look(folder, "show", SLOW, "--json").json["reactions"] == []
    for reaction in everyone:
        seen = look(folder, "trace", reaction["id"], "--channel", "hunters", "--json")
        assert seen.code == (0 if reaction["channel"] == "fast_decline/hunters" else 2)
    assert only(own)["receipt"][0]["name"] in look(folder, "show", DECLINER).out


def test_people_are_told_where_the_messages_are_and_what_is_planned(told):
    folder, _ = told
    done = forked("run", "job.yaml", "--out", "out", cwd=folder)
    assert "1 reactions" in done.out
    assert "event/, update/" in done.out
    plan = forked("check", "job.yaml", cwd=folder).out
    assert (
        "event = VOEvent 1 when decline.fast and summary.negative == 0, once for each stock, to file" in plan
    )


def test_a_message_that_was_not_written_or_is_not_accounted_for_is_a_hole(told, tmp_path):
    folder, _ = told
    shutil.copytree(folder / "out", tmp_path / "out")
    with closing(sqlite3.connect(tmp_path / "out" / "store.db")) as file, file:
        file.execute("DELETE FROM receipts")
    done = forked(
        "audit", "--store", f"sqlite:{tmp_path / 'out' / 'store.db'}", "--final", "--json", cwd=tmp_path
    )
    assert done.code == 1
    assert any("has no receipt" in hole for hole in json.loads(done.out)["holes"])


@pytest.mark.parametrize("old, new, said", [
    ("decline.fast and", "decline.fats and", "react.event.when: decline has no 'fats'; it has: fast, "),
    ("decline.fast and", "declin.fast and", "react.event.when: no instance 'declin'; there are: decline, "),
    ('== 0"', '== 0 and"', "react.event.when: no expression"),
    ("once: stock", "once: day", "react.event.once"),
    ("to: [file]}\n  followers", "to: [slack]}\n  followers", "react.event.to.0"),
    ("{unit: VOEvent, when", "{unit: VOEvnt, when", "did you mean VOEvent?"),
    ("{unit: VOEvent, when", "{unit: FastDecliner, when", "FastDecliner is no Reactor"),
    ("contact_email: a@example.org", "contact_emial: a@example.org", "react.update.config.contact_emial"),
    ("authority: example.org, ", "", "names its authority"),
    ("      event: ", "      view: ", "react.view: 'view' is what the journal calls"),
])  # fmt: skip
def test_a_mistake_in_a_reaction_is_one_line_that_says_where(tmp_path, old, new, said):
    assert old in JOB
    (tmp_path / "job.yaml").write_text(JOB.replace(old, new))
    for verb in ("check", "run"):
        done = forked(verb, "job.yaml", cwd=tmp_path)
        assert done.code == 2
        assert said in only(done.mistakes)
        assert "channels." in only(done.mistakes)


def test_a_folder_in_which_nothing_can_be_written_is_one_line_and_the_same_command_goes_on(tmp_path):
    (tmp_path / "job.yaml").write_text(JOB)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "event").write_text("in the way")
    command = ("run", "job.yaml", "--out", "out", "--json")
    done = forked(*command, cwd=tmp_path)
    assert done.code == 1
    assert "event" in only(done.mistakes)
    (tmp_path / "out" / "event").unlink()
    again = forked(*command, cwd=tmp_path)
    assert again.code == 0
    assert len(list((tmp_path / "out" / "event").iterdir())) == 1
    assert audit(tmp_path / "out" / "store.db", cwd=tmp_path)["balanced"]

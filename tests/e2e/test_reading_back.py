"""Reading back what a run left: check, units, show, trace, reproduce and audit."""

from __future__ import annotations

import csv
import json
import re
import shutil
import sqlite3
from contextlib import closing, contextmanager

import msgspec
import pytest

from e2e.command import Done, forked, only, skymesh, write_files
from skymesh.codecs import wire
from skymesh.model.execution import Result, content_digest
from skymesh.model.run import RunSummary
from support.packets import JD, as_history, candidate, detection, limit, packet

JOB = """\
name: two
channels:
  public:
    access: [ztf_public]
    filter: {unit: AcceptAll}
    analyse: {decline: {unit: FastDecliner}}
  partners:
    access: [ztf_public, ztf_private, ztf_caltech, ztf_engineering]
    filter: {unit: AcceptAll}
    analyse: {decline: {unit: FastDecliner}, summary: {unit: LightCurveSummary}}
summarise:
  table: {unit: CandidateTable, channels: [public, partners], to: [file]}
"""
STOCK = "ztf:ZTF21aaaaaab"
ID = re.compile(r"\b(?:alert|point|state|config|job|run|result|journal|cutout):[0-9a-f]{32}\b")
KINDS = ("alert", "point", "state", "config", "job", "run", "result", "journal", "cutout")


class Store:
    """A finished run in a store, and the commands that read it."""

    def __init__(self, folder, numbers):
        self.folder, self.numbers = folder, numbers

    def __call__(self, command, *arguments) -> Done:
        return forked(command, *arguments, "--store", "sqlite:store.db", cwd=self.folder)

    def told(self, command, *arguments):
        done = self(command, *arguments, "--json")
        assert (done.code, done.err) == (0, ""), done
        return done.json

    def rows(self):
        with (self.folder / "out" / "table.csv").open(newline="") as stream:
            return list(csv.DictReader(stream))

    def copy(self, folder):
        """Copy the store to be tampered with."""
        for path in self.folder.glob("store.db*"):
            shutil.copy(path, folder)
        return Store(folder, self.numbers)


@contextmanager
def opened(folder):
    """Reach into a store behind the program's back; what is changed stays."""
    with closing(sqlite3.connect(folder / "store.db")) as connection, connection:
        yield connection


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Two channels with different rights, over two objects: one of them with private points."""
    folder = tmp_path_factory.mktemp("store")
    first = candidate(jd_utc=JD, magpsf=18.0)
    private = detection(jd_utc=JD - 1, magpsf=17.5, programid=2)
    packets = {
        "night/1.avro": packet(object_id="ZTF21aaaaaab", trigger=first, cutouts=True,
                               history=[private, limit(jd_utc=JD - 4)]),
        "night/2.avro": packet(object_id="ZTF21aaaaaab", jd_utc=JD + 1, magpsf=18.75,
                               history=[as_history(first), private, limit(jd_utc=JD - 4)]),
        "night/hidden.avro": packet(object_id="ZTF21aaaaaac", jd_utc=JD + 0.5, programid=2, rcid=3),
        "night/broken.avro": b"Obj",
    }  # fmt: skip
    write_files(folder, packets)
    (folder / "job.yaml").write_text(JOB)
    run = ("run", "job.yaml", "--alerts", "night", "--store", "sqlite:store.db", "--out", "out", "--json")
    done = skymesh(*run, cwd=folder)
    assert done.code == 0, done
    return Store(folder, done.json)


def test_check_prints_the_plan(store):
    done = forked("check", "job.yaml", cwd=store.folder)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[0] == f"{store.numbers['job']}  two"
    for word in ("two/public", "two/partners", "AcceptAll 1", "VisiblePoints 1", "DifferenceFlux 1",
                 "decline = FastDecliner 1", "summary = LightCurveSummary 1", "table = CandidateTable 2",
                 "ztf_private"):  # fmt: skip
        assert word in done.out


def test_check_of_a_built_in_job(tmp_path):
    done = forked("check", "survey_summary", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert "survey_summary/all" in done.out
    assert list(tmp_path.iterdir()) == []


def test_units_are_listed_each_with_a_sentence(tmp_path):
    done = forked("units", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    lines = dict(line.split(maxsplit=1) for line in done.out.splitlines())
    assert {
        "AcceptAll",
        "SampleFilter",
        "VisiblePoints",
        "DifferenceFlux",
        "FastDecliner",
        "CandidateTable",
    } <= set(lines)
    assert all(sentence.endswith(".") for sentence in lines.values())


def test_a_unit_is_documented_with_its_parameters(tmp_path):
    done = forked("units", "FastDecliner", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("FastDecliner 1, Analyser (skymesh ")
    assert "min_rate_mag_per_day: float, default 0.1" in done.out
    assert "An object is fast if it fades by more than this." in done.out
    assert "inputs\n  curve: light curve\n" in done.out
    assert "makes FastDecline\n  fast: bool\n" in done.out
    assert "must be given" in forked("units", "SampleFilter", cwd=tmp_path).out
    unknown = forked("units", "fastdecliner", cwd=tmp_path)
    assert unknown.code == 2
    assert "FastDecliner" in only(unknown.mistakes)


def test_show_tells_an_object_whole(store):
    told = store.told("show", STOCK)
    assert told["stock"] == STOCK
    assert len(told["alerts"]) == 2
    # Two triggers, the private detection, the limit; the first trigger's rounded copy is outranked.
    assert len(told["points"]) == 4
    assert {len(state["points"]) for state in told["states"]} == {2, 3, 4}
    assert {state["channel"] for state in told["states"]} == {"two/public", "two/partners"}
    assert {result["outcome"] for result in told["results"]} == {"ok"}
    for text in (STOCK, *(state["id"] for state in told["states"])):
        assert text in store("show", STOCK).out
    assert store.told("show", "ZTF21aaaaaab") == told


def test_show_as_a_channel_sees_it(store):
    told = store.told("show", STOCK, "--channel", "public")
    assert {tuple(point["labels"]) for point in told["points"]} == {("ztf_public",)}
    assert {state["channel"] for state in told["states"]} == {"two/public"}
    assert store.told("show", STOCK, "--channel", "two/public") == told
    everything = store.told("show", STOCK, "--channel", "partners")
    assert len(everything["points"]) == 4


def test_what_is_hidden_is_told_like_what_is_not_there(store):
    assert store.told("show", "ztf:ZTF21aaaaaac")["alerts"]
    hidden = store("show", "ztf:ZTF21aaaaaac", "--channel", "public")
    absent = store("show", "ztf:ZTF99zzzzzzz", "--channel", "public")
    assert (hidden.code, absent.code) == (2, 2)
    assert only(hidden.mistakes).replace("ZTF21aaaaaac", "") == only(absent.mistakes).replace(
        "ZTF99zzzzzzz", ""
    )
    private = next(p["id"] for p in store.told("show", STOCK)["points"] if "ztf_private" in p["labels"])
    hidden = store("trace", private, "--channel", "public")
    absent = store("trace", "point:" + "0" * 32, "--channel", "public")
    assert only(hidden.mistakes).partition(": ")[2] == only(absent.mistakes).partition(": ")[2]
    assert private in store("trace", private, "--channel", "partners").out


def test_every_id_that_is_told_can_be_traced(store):
    """From the run and a row of the table, follow every id until nothing new turns up."""
    row = store.rows()[0]
    found = {store.numbers["run"], *filter(ID.fullmatch, row.values())}
    assert {"run", "alert", "state", "result"} <= {id_.partition(":")[0] for id_ in found}
    open_, traced = sorted(found), {}
    while open_:
        id_ = open_.pop()
        traced[id_] = store.told("trace", id_)
        assert traced[id_]["id"] == id_
        new = set(ID.findall(json.dumps(traced[id_]))) - found
        found |= new
        open_ += sorted(new)
    assert {id_.partition(":")[0] for id_ in traced} >= set(KINDS) - {"journal"}


def test_journal_entries_are_traced_with_what_they_cover(store):
    with opened(store.folder) as rows:
        ids = [row[0].hex() for row in rows.execute("SELECT id FROM journal")]
    seen, lines, spent_s = set(), 0, {}
    for id_ in ids:
        entry = store.told("trace", f"journal:{id_}")
        seen.add((entry["tier"], entry["channel"], entry["instance"]))
        lines += len(entry["lines"])
        assert entry["run"] == store.numbers["run"]
        assert entry["unit"] is None or entry["config"].startswith("config:")
        spent_s[entry["tier"]] = spent_s.get(entry["tier"], 0) + (entry["cpu_s"] if entry["channel"] else 0)
    assert lines >= store.numbers["journal"] > 0
    assert {tier for tier, _, _ in seen} >= {"t0", "t1", "t2", "t3"}
    # Nothing reacts in these jobs: T3 has no unit of a channel.
    assert [spent_s[tier] > 0 for tier in ("t0", "t1", "t2", "t3")] == [True, True, True, False]
    assert ("t2", "two/partners", "summary") in seen


def test_a_row_of_the_table_leads_back_to_the_files_of_its_packets(store):
    row = next(row for row in store.rows() if (row["stock"], row["channel"]) == (STOCK, "two/partners"))
    told = store.told("trace", row["decline.result"])
    assert told["unit"] == "FastDecliner"
    limits = {"min_rate_mag_per_day": 0.1, "min_gap_days": 0.1, "max_gap_days": 2.0, "min_snr": 3.0}
    assert told["parameters"] == limits
    assert (
        told["content"]["fastest_mag_per_day"]
        == float(row["decline.fastest_mag_per_day"])
        == pytest.approx(0.75)
    )
    state = only(told["states"])
    assert state["id"] == row["state"]
    assert row["alert"] in {held["alert"] for held in state["held_at"]}
    files = {packet["packet"] for point in state["points"] for packet in point["packets"]}
    assert files == {"night/1.avro#0", "night/2.avro#0"}
    for name in files:
        assert (store.folder / name.partition("#")[0]).read_bytes().startswith(b"Obj\x01")
    text = store("trace", row["decline.result"]).out
    assert "night/1.avro#0" in text
    assert row["state"] in text


def test_trace_of_the_run_tells_the_files_and_the_dead(store):
    told = store.told("trace", store.numbers["run"])
    assert {source["name"]: (source["read"], source["dead"]) for source in told["sources"]} == {
        "night/1.avro": (1, 0), "night/2.avro": (1, 0),
        "night/hidden.avro": (1, 0), "night/broken.avro": (1, 1),
    }  # fmt: skip
    assert only(told["dead_letters"])["packet"] == "night/broken.avro#0"
    everything = ["ztf_caltech", "ztf_engineering", "ztf_private", "ztf_public"]
    assert [product["labels"] for product in told["products"]] == [everything] * 2
    seen = store.told("trace", store.numbers["run"], "--channel", "public")
    assert "dead_letters" not in seen
    assert seen["products"] == []


@pytest.mark.parametrize(
    "text",
    ["", "state", "state:", "state:12", "state:" + "g" * 32, "state:" + "0" * 33, "nothing:" + "0" * 32],
)
@pytest.mark.parametrize("command", ["trace", "reproduce"])
def test_what_is_no_id_is_one_line(store, command, text):
    done = store(command, text)
    assert (done.code, len(done.mistakes)) == (2, 1)


@pytest.mark.parametrize("kind", [*KINDS, "reaction"])
def test_an_id_that_is_not_there_is_one_line(store, kind):
    done = store("trace", f"{kind}:{'0' * 32}")
    assert (done.code, len(done.mistakes)) == (2, 1)


def results_of(store):
    return {id_ for row in store.rows() for id_ in row.values() if id_.startswith("result:")}


def test_every_result_of_the_table_is_reproduced(store):
    assert len(results_of(store)) >= 4
    for id_ in results_of(store):
        done = store("reproduce", id_)
        assert (done.code, done.err, done.out) == (0, "", f"{id_} is the same: ok\n")


def test_only_results_are_reproduced(store):
    for id_ in (store.numbers["run"], store.rows()[0]["state"], "result:" + "0" * 32):
        done = store("reproduce", id_)
        assert (done.code, len(done.mistakes)) == (2, 1)


def alter(folder, table, kind, change):
    """Replace the documents of a table by what `change` makes of them; return how many differ."""
    changed = 0
    with opened(folder) as rows:
        for row, body in rows.execute(f"SELECT rowid, body FROM {table}").fetchall():
            new = wire.encode(change(wire.decode(body, kind)))
            changed += new != body
            rows.execute(f"UPDATE {table} SET body = ? WHERE rowid = ?", (new, row))
    return changed


def test_an_altered_result_is_not_reproduced_and_the_audit_sees_it(store, tmp_path):
    row = next(row for row in store.rows() if row["decline.fastest_mag_per_day"])

    def embellish(result):
        if result.ref.unit != "FastDecliner" or result.content["fastest_mag_per_day"] is None:
            return result
        content = {**result.content, "fastest_mag_per_day": 9.75}
        return msgspec.structs.replace(result, content=content, digest=content_digest("ok", content))

    copy = store.copy(tmp_path)
    assert alter(tmp_path, "results", Result, embellish) >= 1
    done = copy("reproduce", row["decline.result"])
    assert (done.code, done.err) == (1, "")
    lines = done.out.splitlines()
    assert lines[0] == f"{row['decline.result']} is not the same:"
    difference = only(lines[1:])
    assert "fastest_mag_per_day" in difference
    assert "9.75" in difference
    assert row["decline.fastest_mag_per_day"] in difference
    audited = copy("audit", "--json")
    assert audited.code == 1
    assert not audited.json["balanced"]
    assert any(row["decline.result"] in hole for hole in audited.json["holes"])


def test_an_outcome_that_was_turned_into_a_failure_is_not_reproduced(store, tmp_path):
    copy = store.copy(tmp_path)
    digest = content_digest("failed", None)

    def fail(result):
        changes = {"outcome": "failed", "content": None, "reason": "made up", "digest": digest}
        return msgspec.structs.replace(result, **changes)

    alter(tmp_path, "results", Result, fail)
    done = copy("reproduce", store.rows()[0]["decline.result"])
    assert done.code == 1
    assert "outcome" in done.out


LOSSES = [
    "arrivals",
    "state_links",
    "states",
    "journal",
    "results",
    "views",
    "dead_letters",
    "settled",
    "cutouts",
]


@pytest.mark.parametrize("table", LOSSES)
def test_whatever_is_lost_from_the_store_is_a_hole(store, tmp_path, table):
    copy = store.copy(tmp_path)
    with opened(tmp_path) as rows:
        columns = rows.execute(f"PRAGMA table_info({table})").fetchall()
        key = ", ".join(f'"{name}"' for _, name, *_, is_key in columns if is_key)
        first = f"SELECT {key} FROM {table} LIMIT 1"
        lost = rows.execute(f"DELETE FROM {table} WHERE ({key}) = ({first})").rowcount
    assert lost == 1
    done = copy("audit", "--final", "--json")
    assert done.code == 1
    assert not done.json["balanced"]
    assert done.json["holes"]
    text = copy("audit", "--final")
    assert (text.code, text.err) == (1, "")
    assert "NOT balanced" in text.out


def test_audit_tells_a_balanced_run(store):
    told = store.told("audit", "--final")
    assert set(told) >= {"balanced", "digest", "results_digest", "packets", "inflight", "holes"}
    assert told["packets"] == {
        "read": 4,
        "published": 3,
        "accepted": 3,
        "rejected": 0,
        "duplicate": 0,
        "dead": 1,
    }
    assert (told["balanced"], told["inflight"], told["holes"]) == (True, 0, [])
    assert told["digest"] == store.numbers["digest"]
    assert told["results_digest"] == store.numbers["results_digest"]
    text = store("audit")
    assert text.code == 0
    assert "balanced" in text.out
    assert told["digest"] in text.out


def test_an_unfinished_run_is_balanced_but_not_final(store, tmp_path):
    copy = store.copy(tmp_path)
    with opened(tmp_path) as rows:
        rows.execute("DELETE FROM run_summaries")
    assert copy("audit").code == 0
    done = copy("audit", "--final", "--json")
    assert done.code == 1
    assert done.json["holes"] == ["the run is not finished"]


def test_what_reads_a_store_does_not_change_it(store, tmp_path):
    copy = store.copy(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    row = store.rows()[0]
    for command in (
        ("audit",),
        ("show", STOCK),
        ("trace", row["state"]),
        ("reproduce", row["decline.result"]),
    ):
        assert copy(*command).code == 0
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_store_of_a_later_version_is_one_line_and_stays_as_it_is(store, tmp_path):
    copy = store.copy(tmp_path)
    with opened(tmp_path) as rows:
        rows.execute("PRAGMA user_version = 999")
    before = (tmp_path / "store.db").read_bytes()
    for command in (("audit",), ("run", "survey_summary", "--out", "out")):
        done = copy(*command)
        assert done.code == 2
        assert "999" in only(done.mistakes)
    assert (tmp_path / "store.db").read_bytes() == before


def test_a_row_that_cannot_be_read_is_one_line(store, tmp_path):
    copy = store.copy(tmp_path)
    with opened(tmp_path) as rows:
        rows.execute("UPDATE arrivals SET body = x'90'")
    for command in (("audit",), ("show", STOCK), ("trace", store.rows()[0]["alert"])):
        done = copy(*command)
        assert done.code in {1, 2}
        assert len(done.mistakes) == 1


def test_a_summary_altered_by_hand_does_not_deceive_the_audit(store, tmp_path):
    copy = store.copy(tmp_path)

    def embellish(summary):
        return msgspec.structs.replace(summary, numbers=summary.numbers | {"digest": "0" * 32})

    assert alter(tmp_path, "run_summaries", RunSummary, embellish) == 1
    assert copy("audit", "--json").json["digest"] == store.numbers["digest"]


def test_show_asks_which_channel_if_two_jobs_have_one_of_the_name(store, tmp_path):
    copy = store.copy(tmp_path)
    (tmp_path / "job.yaml").write_text(JOB.replace("name: two", "name: other"))
    run = ("run", "job.yaml", "--store", "sqlite:store.db", "--out", "out", "--json")
    assert forked(*run, cwd=tmp_path).code == 0
    done = copy("show", STOCK, "--channel", "public")
    assert done.code == 2
    assert "two/public" in only(done.mistakes)
    assert "other/public" in only(done.mistakes)
    assert copy("show", STOCK, "--channel", "two/public").code == 0
    assert copy("show", STOCK, "--channel", "nobody").code == 2

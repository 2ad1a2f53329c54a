"""The contract of ``skymesh run``: what it prints, where it writes, and what the same command does again."""

from __future__ import annotations

import csv
import re
import sqlite3
import subprocess
import sys

import pytest

from e2e.command import PATIENCE_S, Done, audit, environment, forked, lasting, only, skymesh, write_files
from support.packets import JD, container, detection, packet, record

KEYS = {
    "run", "job", "alerts", "channels", "units", "journal", "datapoints",
    "digest", "results_digest", "seconds",
}  # fmt: skip
JOB = """\
name: sampled
parameters: {rate: 0.5, limit: 0.1}
channels:
  some:
    access: [ztf_public]
    filter: {unit: SampleFilter, config: {rate: "${rate}"}}
    analyse:
      decline: {unit: FastDecliner, config: {min_rate_mag_per_day: "${limit}"}}
summarise:
  table: {unit: CandidateTable, channels: [some], to: [file]}
"""


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    """The built-in job on the simulated night, as the quick start has it, but for ``--json``."""
    folder = tmp_path_factory.mktemp("night")
    return folder, skymesh("run", "survey_summary", "--json", cwd=folder)


def test_json_has_the_keys_of_the_contract_and_nothing_is_beside_it(night):
    _, done = night
    assert (done.code, done.err) == (0, "")
    assert done.out.count("\n") == 1
    numbers = done.json
    assert set(numbers) == KEYS
    assert set(numbers["alerts"]) == {"read", "published", "duplicate", "dead", "accepted"}
    assert set(numbers["channels"]) == {"survey_summary/all"}
    assert set(numbers["channels"]["survey_summary/all"]) == {"accepted", "rejected", "states", "reactions"}
    assert set(numbers["units"]) == {"survey_summary/all.summary", "survey_summary/all.decline"}
    for unit in numbers["units"].values():
        assert set(unit) == {"unit", "ok", "missing", "failed", "memoised", "seconds"}
    assert re.fullmatch(r"run:[0-9a-f]{32}", numbers["run"])
    assert re.fullmatch(r"job:[0-9a-f]{32}", numbers["job"])
    assert re.fullmatch(r"[0-9a-f]{32}", numbers["digest"])
    assert re.fullmatch(r"[0-9a-f]{32}", numbers["results_digest"])
    assert 0 < numbers["seconds"] < PATIENCE_S


def test_without_alerts_the_job_runs_on_the_simulated_night(night):
    folder, done = night
    numbers = done.json
    alerts, channel = numbers["alerts"], numbers["channels"]["survey_summary/all"]
    assert alerts == {"read": 64, "published": 64, "duplicate": 1, "dead": 0, "accepted": 63}
    assert (channel["accepted"], channel["rejected"], channel["states"]) == (63, 0, 63)
    assert {unit["ok"] for unit in numbers["units"].values()} == {63}
    store = only(list(folder.glob("skymesh-out/survey_summary-*/store.db")))
    run = skymesh("trace", numbers["run"], "--store", f"sqlite:{store}", "--json", cwd=folder).json
    assert run["origin"] == "simulated"
    assert audit(store, cwd=folder)["packets"]["accepted"] == 63


def test_files_go_to_a_folder_below_skymesh_out_that_the_run_id_finds(night):
    folder, done = night
    named_by_run = folder / "skymesh-out" / done.json["run"].removeprefix("run:")
    assert {path.name for path in named_by_run.iterdir()} == {
        "candidates.csv", "candidates.ecsv", "index.html", "store.db", "store.db.cutouts",
    }  # fmt: skip
    assert [path.name for path in folder.iterdir()] == ["skymesh-out"]


def test_the_same_command_again_prints_the_same_numbers(night):
    folder, first = night
    table = only(list(folder.glob("skymesh-out/survey_summary-*/candidates.csv")))
    before = table.read_bytes()
    table.unlink()
    again = skymesh("run", "survey_summary", "--json", cwd=folder)
    assert (again.code, again.err) == (0, "")
    assert lasting(again.json) == lasting(first.json)
    assert table.read_bytes() == before


def test_for_people_the_numbers_and_the_beginning_of_the_table_are_printed(night):
    folder, first = night
    done = skymesh("run", "survey_summary", cwd=folder)
    assert (done.code, done.err) == (0, "")
    assert first.json["run"] in done.out
    assert "64 packets read" in done.out
    assert "63 accepted" in done.out
    assert "ztf:ZTF24aaaaafd" in done.out
    assert "candidates.csv, candidates.ecsv" in done.out
    page = folder / done.out.splitlines()[-1].removeprefix("to look at: ")
    assert page.read_text().startswith("<!DOCTYPE html>")
    assert "SIMULATED" in page.read_text()
    assert max(map(len, done.out.splitlines())) <= 120
    assert "\x1b" not in done.out


def test_it_is_the_same_run_as_a_module_in_another_folder_with_workers(night, tmp_path):
    _, first = night
    command = [sys.executable, "-m", "skymesh_local", "run", "survey_summary", "--json", "--workers", "2"]
    done = subprocess.run(
        [*command, "--out", "elsewhere"], cwd=tmp_path, env=environment(), capture_output=True, text=True,
        timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    numbers = Done(done.returncode, done.stdout, done.stderr).json
    assert done.stderr == ""
    assert lasting(numbers) == lasting(first.json)
    assert [path.name for path in tmp_path.iterdir()] == ["elsewhere"]


def test_run_by_name_is_a_run_apart_that_shares_the_results(night, tmp_path):
    _, first = night
    run = ("run", "survey_summary", "--json", "--store", "sqlite:both.db")
    forked(*run, "--out", "one", cwd=tmp_path)
    other = forked(*run, "--run", "again", cwd=tmp_path).json
    assert other["run"] != first.json["run"]
    assert {unit["memoised"] for unit in other["units"].values()} == {63}
    for key in ("job", "alerts", "channels", "datapoints", "digest", "results_digest"):
        assert other[key] == first.json[key]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "both.db", "both.db.cutouts", "one", "skymesh-out",
    ]  # fmt: skip
    assert (tmp_path / "skymesh-out" / "again" / "candidates.csv").is_file()

    # The log is shared, the runs are two: an audit must be told which.
    several = forked("audit", "--store", "sqlite:both.db", cwd=tmp_path)
    line = only(several.mistakes)
    assert several.code == 2
    assert first.json["run"] in line
    assert other["run"] in line
    for name in ("again", other["run"], other["run"].removeprefix("run:")[:8]):
        told = forked("audit", "--store", "sqlite:both.db", "--run", name, "--json", cwd=tmp_path)
        assert (told.code, told.json["run"]) == (0, other["run"])
    unknown = forked("audit", "--store", "sqlite:both.db", "--run", "third", cwd=tmp_path)
    assert (unknown.code, len(unknown.mistakes)) == (2, 1)


def test_a_job_file_with_parameters(tmp_path):
    (tmp_path / "job.yaml").write_text(JOB)
    run = ("run", tmp_path / "job.yaml", "--json")
    half = forked(*run, cwd=tmp_path).json
    whole = forked(*run, "--set", "rate=1", cwd=tmp_path).json
    slow = forked(*run, "--set", "rate=1", "--set", "limit=0.3", "--out", "slow", cwd=tmp_path).json
    channels = [numbers["channels"]["sampled/some"] for numbers in (half, whole, slow)]
    assert 0 < channels[0]["accepted"] < channels[1]["accepted"] == channels[2]["accepted"] == 63
    assert channels[0]["rejected"] == 63 - channels[0]["accepted"]
    assert half["alerts"] == {"read": 64, "published": 64, "duplicate": 1, "dead": 0,
                              "accepted": channels[0]["accepted"]}  # fmt: skip
    assert len({numbers["run"] for numbers in (half, whole, slow)}) == 3
    assert len({numbers["job"] for numbers in (half, whole, slow)}) == 3
    assert whole["digest"] != slow["digest"]
    with (tmp_path / "slow" / "table.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["decline.fast"] for row in rows} == {"True", "False"}
    assert len({row["stock"] for row in rows}) == len(rows) == 40


NIGHT = [
    record(object_id=f"ZTF21run{n % 4}", jd_utc=JD + n / 100, rcid=n, history=[detection(jd_utc=JD - 2)])
    for n in range(12)
]


def test_names_and_order_of_files_make_no_difference(tmp_path):
    one = {f"{n:02d}.avro": container([packet]) for n, packet in enumerate(NIGHT)}
    other = {
        f"x/{11 - n:02d}.AVRO": container([packet], codec="deflate") for n, packet in enumerate(NIGHT[:5])
    }
    other["rest.avro"] = container(reversed(NIGHT[5:]), codec="snappy", sync_interval=1)
    write_files(tmp_path / "one", one)
    write_files(tmp_path / "other", other | {"notes.txt": b"no packet, and not read"})
    run = ("run", "survey_summary", "--json", "--alerts")
    first = forked(*run, "one", cwd=tmp_path)
    files = [f"--alerts=other/{name}" for name in reversed(other)]
    second = forked("run", "survey_summary", "--json", *files, cwd=tmp_path)
    third = forked(*run, "other", cwd=tmp_path)
    assert (first.err, second.err, third.err) == ("", "", "")
    for numbers in (second.json, third.json):
        assert {k: v for k, v in lasting(numbers).items() if k != "journal"} == {
            k: v for k, v in lasting(first.json).items() if k != "journal"
        }
    assert first.json["alerts"]["accepted"] == 12


def test_the_log_of_a_run_can_be_replayed(night, tmp_path):
    folder, first = night
    store = only(list(folder.glob("skymesh-out/survey_summary-*/store.db")))
    run = ("run", "survey_summary", "--json", "--store", f"sqlite:{store}", "--log", first.json["run"])
    replayed = forked(*run, "--out", "replay", cwd=tmp_path)
    assert (replayed.code, replayed.err) == (0, "")
    assert lasting(replayed.json)["digest"] == first.json["digest"]
    assert replayed.json["alerts"] == first.json["alerts"]
    assert audit(tmp_path / "replay" / "store.db", cwd=tmp_path)["digest"] == first.json["digest"]
    (tmp_path / "job.yaml").write_text(JOB)
    other = forked("run", "job.yaml", *run[2:], "--out", "other", cwd=tmp_path)
    assert other.json["alerts"]["read"] == 64
    assert other.json["digest"] != first.json["digest"]


def test_duplicates_are_counted_and_change_nothing(tmp_path):
    data = packet(object_id="ZTF21twice", history=[detection()])
    write_files(tmp_path / "packets", {"a.avro": data, "copy/a.avro": data, "b.avro": data})
    done = forked("run", "survey_summary", "--alerts", "packets", "--out", "o", "--json", cwd=tmp_path)
    assert done.json["alerts"] == {"read": 3, "published": 3, "duplicate": 2, "dead": 0, "accepted": 1}
    assert done.json["channels"]["survey_summary/all"]["states"] == 1
    assert audit(tmp_path / "o" / "store.db", cwd=tmp_path)["packets"]["duplicate"] == 2


def test_names_from_packets_and_folders_are_never_taken_for_markup(tmp_path):
    names = ("ZTF[/red]x", "[bold]", "=cmd|'x',y", 'a"b')
    packets = {f"{n}.avro": packet(object_id=name, jd_utc=JD + n, rcid=n) for n, name in enumerate(names)}
    write_files(tmp_path / "pack[/red]ets", packets)
    done = forked("run", "survey_summary", "--alerts", "pack[/red]ets", "--out", "[bold]o[/x]", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert "ztf:ZTF[/red]x" in done.out
    assert "[bold]o[/x]" in done.out
    with (tmp_path / "[bold]o[/x]" / "candidates.csv").open(newline="") as stream:
        assert {row["stock"] for row in csv.DictReader(stream)} == {f"ztf:{name}" for name in names}


def test_a_store_is_sqlite_and_says_its_version(night):
    folder, _ = night
    store = only(list(folder.glob("skymesh-out/survey_summary-*/store.db")))
    connection = sqlite3.connect(store)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert connection.execute("PRAGMA user_version").fetchone()[0] > 0
    connection.close()

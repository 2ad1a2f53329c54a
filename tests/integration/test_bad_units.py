"""Units that hang, die, lie or wait: each costs its own execution, with a reason, and nothing else."""

from __future__ import annotations

import json

import pytest

from skymesh.model.execution import JournalEntry, Result
from skymesh.model.run import RunSummary
from support.announced import announce_units
from support.mesh import audit_store, channel, constant, documents, messages, skymesh, write_files, write_job
from support.packets import JD, container, record


@pytest.fixture
def mesh(tmp_path):
    """Runs a job with units in its one channel over two alerts; returns exit status, numbers and errors."""
    units = announce_units(tmp_path / "units", "support.bad_units")
    items = [record(jd_utc=JD, magpsf=19.0), record(jd_utc=JD + 1, magpsf=20.0)]
    write_files(tmp_path / "alerts", {"all.avro": container(items)})

    def run(analyse, *options, out="out", **more):
        analyse = {name: {"unit": name} if config is None else config for name, config in analyse.items()}
        job = write_job(tmp_path / "job.yaml", {"c": channel(analyse=analyse, **more)})
        options = ("--alerts", tmp_path / "alerts", "--out", tmp_path / out, "--json", *options)
        done = skymesh("run", job, *options, path=[units])
        return done.returncode, json.loads(done.stdout or "null"), done.stderr

    return run


def _outcomes(numbers):
    kinds = ("ok", "missing", "failed")
    units = {name.rpartition(".")[2]: unit for name, unit in numbers["units"].items()}
    return {name: tuple(unit[kind] for kind in kinds) for name, unit in units.items()}


def _reasons(tmp_path):
    return {result.ref.unit: result.reason for result in documents(tmp_path / "out" / "store.db", Result)}


def _lines(tmp_path, instance):
    entries = documents(tmp_path / "out" / "store.db", JournalEntry)
    told = [line for entry in entries if entry.instance == instance for line in entry.lines]
    return [line for line in told if line.outcome != "delivered"]


REASONS = {
    "Fine": "",
    "Raises": "ValueError: no such thing",
    "Lies": "TypeError: run returned Follower",
    "Mistypes": "ValidationError: Expected `int`, got `str`",
    "Hoards": "MemoryError",
    "Sleeps": "longer than its deadline of 0.2 s",
    "Lacks": "nothing to work on",
    "Garbles": "ValueError: bad \\ud800",
    "Overflows": "OverflowError",
    "Misspells": "UnicodeEncodeError",
    "Numbers": "TypeError: a map's keys are text, not int",
    "LacksGarbled": "no \\ud800",
    "LacksNumber": "5",
    "LacksWords": "MuteError",
}
LACKING = {name for name in REASONS if name.startswith("Lacks")}
OK, MISSING, FAILED = (2, 0, 0), (0, 2, 0), (0, 0, 2)


@pytest.mark.parametrize("workers", [1, 2])
def test_whatever_a_unit_does_is_an_outcome_with_a_reason(mesh, tmp_path, workers):
    status, numbers, errors = mesh(dict.fromkeys(REASONS), "--workers", str(workers))
    assert status == 0, errors
    assert _outcomes(numbers) == (
        dict.fromkeys(REASONS, FAILED) | {"Fine": OK} | dict.fromkeys(LACKING, MISSING)
    )
    told = _reasons(tmp_path)
    for unit, reason in REASONS.items():
        assert reason in told[unit]
        assert "\n" not in told[unit]
    assert audit_store(tmp_path / "out" / "store.db").holes == []


@pytest.mark.slow
def test_a_process_that_ends_or_never_ends_loses_one_execution(mesh, tmp_path):
    status, numbers, errors = mesh(dict.fromkeys(["Fine", "Exits", "Dies", "Swallows"]), "--workers", "2")
    assert status == 0, errors
    assert _outcomes(numbers) == {
        "Fine": OK,
        "Exits": FAILED,
        "Dies": FAILED,
        "Swallows": FAILED,
    }
    told = _reasons(tmp_path)
    assert told["Exits"].startswith("SystemExit: 0")
    assert told["Dies"] == "its process ended with code 5"
    assert "deadline" in told["Swallows"]
    assert audit_store(tmp_path / "out" / "store.db").holes == []


def test_a_unit_that_asks_to_exit_does_not_end_the_run(mesh, tmp_path):
    status, numbers, errors = mesh(dict.fromkeys(["Fine", "Exits"]))
    assert status == 0, errors
    assert numbers is not None
    assert _outcomes(numbers) == {"Fine": OK, "Exits": FAILED}


def test_a_unit_that_interrupts_is_heard_as_a_person_only_where_one_may_interrupt(mesh, tmp_path):
    units = dict.fromkeys(["Fine", "Interrupts"])
    status, numbers, errors = mesh(units, "--workers", "2")
    assert status == 0, errors
    assert _outcomes(numbers) == {"Fine": OK, "Interrupts": FAILED}
    assert _reasons(tmp_path)["Interrupts"].startswith("KeyboardInterrupt")
    assert mesh(units, out="here")[:2] == (130, None)


def test_what_builds_on_a_result_that_is_not_ok_is_missing(mesh, tmp_path):
    status, numbers, errors = mesh(dict.fromkeys(["Raises", "BuildsOn"]))
    assert status == 0, errors
    assert _outcomes(numbers) == {"Raises": FAILED, "BuildsOn": MISSING}
    assert "Raises is failed: ValueError" in _reasons(tmp_path)["BuildsOn"]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_service_that_is_away_for_a_moment_leaves_no_trace(mesh, tmp_path, workers):
    flagged = {"Away": {"unit": "Away", "config": {"flag": str(tmp_path / "flag")}}, "Fine": None}
    status, numbers, errors = mesh(flagged, "--workers", str(workers))
    assert status == 0, errors
    assert _outcomes(numbers) == {"Away": OK, "Fine": OK}
    again = mesh(flagged, out="again")[1]
    assert constant(again) == constant(numbers)


@pytest.mark.slow
def test_a_service_that_stays_away_settles_nothing_and_the_same_command_goes_on(mesh, tmp_path):
    flagged = {"StaysAway": {"unit": "StaysAway", "config": {"flag": str(tmp_path / "flag")}}, "Fine": None}
    status, numbers, errors = mesh(flagged)
    assert (status, numbers) == (1, None)
    assert "the service does not answer" in errors
    assert "Traceback" not in errors
    assert documents(tmp_path / "out" / "store.db", RunSummary) == []
    assert documents(tmp_path / "out" / "store.db", Result) == []
    (tmp_path / "flag").touch()
    resumed, whole = mesh(flagged)[1], mesh(flagged, out="whole")[1]
    assert constant(resumed) == constant(whole)
    assert audit_store(tmp_path / "out" / "store.db").holes == []


def test_a_passed_deadline_is_not_remembered_for_other_runs(mesh, tmp_path):
    flagged = {"LateOnce": {"unit": "LateOnce", "config": {"flag": str(tmp_path / "flag")}}}
    first = mesh(flagged)[1]
    assert _outcomes(first) == {"LateOnce": (1, 0, 1)}
    second = mesh(flagged, "--run", "second")[1]
    assert _outcomes(second) == {"LateOnce": OK}
    assert mesh(flagged)[1] == first
    for numbers in (first, second):
        assert audit_store(tmp_path / "out" / "store.db", run=numbers["run"]).holes == []


@pytest.mark.parametrize("unit,accepted", [("RaisingFilter", 1), ("ExitingFilter", 0), ("WrongFilter", 0)])
def test_a_filter_that_fails_rejects_with_a_reason(mesh, tmp_path, unit, accepted):
    status, numbers, errors = mesh({"Fine": None}, unit=unit)
    assert status == 0, errors
    assert "Traceback" not in errors
    assert numbers["channels"]["job/c"]["accepted"] == accepted
    assert numbers["channels"]["job/c"]["rejected"] == 2 - accepted


@pytest.mark.parametrize(
    "unit,reason",
    [
        ("GarblingFilter", "bad \\ud800"),
        ("WordlessFilter", "failed: TypeError: returned Verdict, not a Verdict with its reason as text"),
        ("UndecidedFilter", "failed: ValueError: The truth value of an array"),
    ],
)
def test_whatever_a_filter_says_is_in_the_journal(mesh, tmp_path, unit, reason):
    status, numbers, errors = mesh({"Fine": None}, unit=unit)
    assert status == 0, errors
    assert numbers["channels"]["job/c"]["rejected"] == 2
    lines = _lines(tmp_path, "filter")
    assert [line.outcome for line in lines] == ["rejected"] * 2
    assert all(line.reason.startswith(reason) for line in lines)
    assert audit_store(tmp_path / "out" / "store.db").holes == []


TOLD = {
    "TellsFine": ("fired", ""),
    "TellsNoType": ("failed", "TypeError: a media type is text, not NoneType"),
    "TellsGarbledType": ("failed", "UnicodeEncodeError"),
    "TellsNumberedName": ("failed", "ValueError: no name for a message: 5"),
    "TellsGarbledProblem": ("failed", "ValueError: bad \\ud800"),
    "TellsGarbledLack": ("missing", "no \\ud800"),
}


@pytest.mark.parametrize("workers", [1, 2])
def test_what_a_reactor_cannot_tell_is_its_own_failure(mesh, tmp_path, workers):
    react = {name: {"unit": name, "once": "state", "to": ["file"]} for name in TOLD}
    status, _, errors = mesh({"answer": {"unit": "Fine"}}, "--workers", str(workers), react=react)
    assert status == 0, errors
    for name, (outcome, reason) in TOLD.items():
        lines = _lines(tmp_path, name)
        assert [line.outcome for line in lines] == [outcome] * 2
        assert all(line.reason.startswith(reason) for line in lines)
    assert list(messages(tmp_path / "out").values()) == [b"fine"] * 2
    assert audit_store(tmp_path / "out" / "store.db").holes == []


@pytest.mark.parametrize(
    "summary, problem",
    [
        ({"unit": "Escapes", "config": {"name": "../outside.txt"}}, "lies in the run's folder"),
        ({"unit": "Escapes", "config": {"name": "/tmp/outside.txt"}}, "lies in the run's folder"),
        ({"unit": "Escapes", "config": {"name": ""}}, "lies in the run's folder"),
        ({"unit": "Breaks"}, "no more"),
        ({"unit": "Draws"}, "cannot choose"),
    ],
    ids=["above", "elsewhere", "nameless", "breaks", "draws"],
)
def test_a_summary_that_fails_is_one_line_and_leaves_no_half_file(tmp_path, summary, problem):
    units = announce_units(tmp_path / "units", "support.bad_units")
    write_files(tmp_path / "alerts", {"a.avro": container([record()])})
    summaries = {"bad": summary | {"channels": ["c"], "to": ["file"]}}
    job = write_job(tmp_path / "job.yaml", {"c": channel()}, summarise=summaries)
    done = skymesh("run", job, "--alerts", tmp_path / "alerts", "--out", tmp_path / "out", path=[units])
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "summarise.bad" in line
    assert problem in line
    assert {path.name for path in (tmp_path / "out").iterdir()} <= {
        "store.db", "store.db.cutouts", "store.db-wal", "store.db-shm",
    }  # fmt: skip
    assert not (tmp_path / "outside.txt").exists()


@pytest.mark.parametrize(
    "name",
    ["store.db", "store.db-wal", "store.db.cutouts", "night.db", "night.db-shm", "store.db/x", "index.html",
     "event/x.xml", "event", ".hidden", "a/.b", "table.csv", "./table.csv"],
)  # fmt: skip
def test_a_summary_does_not_write_over_the_run_or_another_summary(tmp_path, name):
    units = announce_units(tmp_path / "units", "support.bad_units")
    write_files(tmp_path / "alerts", {"a.avro": container([record()])})
    summaries = {
        "table": {"unit": "CandidateTable", "channels": ["c"], "to": ["file"]},
        "zbad": {"unit": "Escapes", "config": {"name": name}, "channels": ["c"], "to": ["file"]},
    }
    react = {"event": {"unit": "VOEvent", "when": "summary", "once": "state", "to": ["file"]}}
    job = write_job(tmp_path / "job.yaml", {"c": channel(react=react)}, summarise=summaries)
    out, store = tmp_path / "out", tmp_path / "out" / "night.db"
    options = ("--alerts", tmp_path / "alerts", "--out", out, "--store", f"sqlite:{store}")
    done = skymesh("run", job, *options, path=[units])
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "summarise.zbad" in line
    assert repr(name) in line
    assert ("already made by table" if "table" in name else "kept for the run's own files") in line
    assert b"here" not in {path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert audit_store(store).holes == ["the run is not finished"]


@pytest.mark.parametrize("name", ["night.csv", "store.txt", "mine/index.html", "events.txt"])
def test_a_summary_may_take_any_other_name(tmp_path, name):
    units = announce_units(tmp_path / "units", "support.bad_units")
    write_files(tmp_path / "alerts", {"a.avro": container([record()])})
    summaries = {"fine": {"unit": "Escapes", "config": {"name": name}, "channels": ["c"], "to": ["file"]}}
    react = {"event": {"unit": "VOEvent", "when": "summary", "once": "state", "to": ["file"]}}
    job = write_job(tmp_path / "job.yaml", {"c": channel(react=react)}, summarise=summaries)
    store = f"sqlite:{tmp_path / 'out' / 'night.db'}"
    options = ("--alerts", tmp_path / "alerts", "--out", tmp_path / "out", "--store", store)
    for _ in range(2):
        done = skymesh("run", job, *options, path=[units])
        assert (done.returncode, done.stderr) == (0, "")
        assert (tmp_path / "out" / name).read_bytes() == b"here"

"""Paths, stores, folders, names and arguments that are wrong: one line, exit code 2, and nothing spoilt."""

from __future__ import annotations

import ctypes
import os
import sqlite3
import subprocess

import pytest

from e2e.command import COMMAND, audit, environment, forked, only, skymesh, write_files
from support.packets import packet

RUN = ("run", "survey_summary", "--json")
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2


@pytest.fixture
def place(tmp_path):
    """A folder with a packet, an empty folder, and files that are something else."""
    write_files(tmp_path, {"packets/good.avro": packet(), "note.txt": b"a note\n", "nothing/notes.txt": b""})
    return tmp_path


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--alerts", "nowhere"], ["nowhere", "no such file or folder"]),
        (["--alerts", "note.txt/packets"], ["note.txt/packets"]),
        (["--alerts", "nothing"], ["nothing", "no Avro file"]),
        (["--alerts", "packets", "--alerts", "nowhere"], ["nowhere"]),
        (["--alerts", "x" * 300], ["x" * 20]),
        (["--alerts", "/dev/null"], ["/dev/null"]),
        (["--alerts", "pipe.avro"], ["pipe.avro"]),
        (["--alerts", "loop.avro"], ["loop.avro"]),
        (["--out", "note.txt"], ["note.txt", "cannot be written"]),
        (["--out", "note.txt/out"], ["note.txt/out", "cannot be written"]),
        (["--store", "night.db"], ["night.db", "sqlite:PATH"]),
        (["--store", "sqlite:"], ["sqlite:PATH"]),
        (["--store", "mongodb://host/db"], ["mongodb", "sqlite:PATH"]),
        (["--store", "sqlite:note.txt"], ["note.txt", "not a database"]),
        (["--store", "sqlite:nothing"], ["nothing"]),
        (["--store", "sqlite:note.txt/night.db"], ["note.txt/night.db"]),
        (["--store", "sqlite:theirs.db"], ["theirs.db"]),
        (["--run", "../above"], ["--run"]),
        (["--run", "a/b"], ["--run"]),
        (["--run", "."], ["--run"]),
        (["--log", "night"], ["--log", "--store"]),
        (["--log", "night", "--store", "sqlite:nowhere.db"], ["nowhere.db"]),
        (["--log", "night", "--store", "sqlite:note.txt"], ["note.txt"]),
        (["--log", "night", "--store", "sqlite:note.txt", "--alerts", "packets"], ["--log", "--alerts"]),
    ],
    ids=lambda value: " ".join(value)[:60] if value[0].startswith("--") else "",
)
def test_a_wrong_place_is_one_line_and_nothing_is_made(place, arguments, words):
    os.mkfifo(place / "pipe.avro")
    (place / "loop.avro").symlink_to("loop.avro")
    connection = sqlite3.connect(place / "theirs.db")
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    before = {path.name: path.lstat().st_size for path in place.iterdir()}
    done = forked(*RUN, *arguments, cwd=place)
    assert done.code == 2, done
    assert [word for word in words if word not in only(done.mistakes)] == []
    after = {path.name: path.lstat().st_size for path in place.iterdir() if path.name != "skymesh-out"}
    assert after == before


@pytest.mark.parametrize(
    "command",
    [("audit",), ("show", "ztf:X"), ("trace", "state:" + "0" * 32), ("reproduce", "result:" + "0" * 32)],
)
@pytest.mark.parametrize(
    "store", ["nowhere.db", "note.txt", "empty.db", "theirs.db", "packets", "note.txt/x.db"]
)
def test_reading_what_is_no_store_is_one_line_and_changes_nothing(place, command, store):
    (place / "empty.db").write_bytes(b"")
    connection = sqlite3.connect(place / "theirs.db")
    connection.execute("CREATE TABLE theirs (x)")
    connection.commit()
    connection.close()
    before = {path: path.read_bytes() for path in place.iterdir() if path.is_file()}
    done = forked(*command, "--store", f"sqlite:{store}", cwd=place)
    assert (done.code, len(done.mistakes)) == (2, 1)
    assert {path: path.read_bytes() for path in place.iterdir() if path.is_file()} == before


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["fly"],
        ["run"],
        ["run", "survey_summary", "more"],
        ["run", "survey_summary", "--bogus"],
        ["run", "survey_summary", "--workers", "0"],
        ["run", "survey_summary", "--workers", "many"],
        ["run", "survey_summary", "--alerts"],
        ["show", "ztf:X"],
        ["trace", "--store", "sqlite:x.db"],
        ["audit", "--store"],
        ["check"],
    ],
    ids=" ".join,
)
def test_wrong_arguments_are_exit_code_2(tmp_path, arguments):
    done = forked(*arguments, cwd=tmp_path)
    assert done.code == 2
    if arguments:
        assert len(done.mistakes) == 1
    else:
        assert "Usage" in done.out + done.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "command", [[], ["run"], ["check"], ["units"], ["show"], ["trace"], ["reproduce"], ["audit"]]
)
def test_help_is_there_for_every_command(tmp_path, command):
    done = forked(*command, "--help", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert "Usage: skymesh" in done.out


def test_a_wrong_log_level_is_one_line(tmp_path):
    done = skymesh("units", cwd=tmp_path, env={"SKYMESH_LOG_LEVEL": "loud"})
    assert done.code == 2
    assert "SKYMESH_LOG_LEVEL" in only(done.mistakes)


def test_a_pipe_among_packets_does_not_stop_the_run(place):
    os.mkfifo(place / "packets" / "pipe.avro")
    (place / "packets" / "lost.avro").symlink_to("nowhere")
    (place / "packets" / "folder.avro").mkdir()
    done = forked(*RUN, "--alerts", "packets", "--out", "out", cwd=place)
    assert done.code == 0, done.err[-500:]
    assert done.json["alerts"]["published"] == 1


def test_folders_that_link_to_each_other_are_read_once(place):
    (place / "packets" / "up").symlink_to("..")
    done = forked(*RUN, "--alerts", "packets", "--out", "out", cwd=place)
    assert (done.code, done.err) == (0, "")
    assert done.json["alerts"] == {"read": 1, "published": 1, "duplicate": 0, "dead": 0, "accepted": 1}


def give_up_rights():
    """Let permissions bind the superuser too, from the next program on (prctl's PR_CAPBSET_DROP)."""
    if os.geteuid() == 0:
        for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
            assert ctypes.CDLL(None).prctl(24, capability, 0, 0, 0) == 0


def test_a_file_that_may_not_be_read_is_a_dead_letter_and_a_folder_one_line(place):
    write_files(place, {"packets/closed/in.avro": packet(), "packets/closed.avro": packet()})
    (place / "packets" / "closed.avro").chmod(0)
    run = (*RUN, "--alerts", "packets")
    done = skymesh(*run, "--out", "out", cwd=place, preexec_fn=give_up_rights)
    assert (done.json["alerts"]["read"], done.json["alerts"]["dead"]) == (3, 1)
    told = skymesh("trace", done.json["run"], "--store", "sqlite:out/store.db", "--json", cwd=place).json
    letter = only(told["dead_letters"])
    assert letter["packet"] == "packets/closed.avro#0"
    assert "Permission denied" in letter["reason"]
    (place / "packets" / "closed").chmod(0)
    done = skymesh(*run, "--out", "other", cwd=place, preexec_fn=give_up_rights)
    (place / "packets" / "closed").chmod(0o700)
    assert done.code == 2
    assert "packets/closed: cannot be read: Permission denied" in only(done.mistakes)


@pytest.mark.parametrize("name", ["candidates.csv", "candidates.ecsv"])
def test_a_product_whose_place_is_taken_is_one_line_and_can_be_made_later(place, name):
    (place / "out" / name / "full").mkdir(parents=True)
    run = (*RUN, "--alerts", "packets", "--out", "out")
    done = forked(*run, cwd=place)
    assert done.code in {1, 2}
    assert f"out/{name}" in only(done.mistakes)
    (place / "out" / name / "full").rmdir()
    (place / "out" / name).rmdir()
    assert forked(*run, cwd=place).code == 0
    assert (place / "out" / name).is_file()
    audit(place / "out" / "store.db", cwd=place)


def test_a_reader_that_closes_early_is_no_error_of_ours(place):
    """As in ``skymesh … | head``: nothing is printed to stderr."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [COMMAND, "units"], cwd=place, env=environment(), stdout=writing, stderr=subprocess.PIPE, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    os.close(writing)
    assert done.stderr == ""
    assert done.returncode != 0

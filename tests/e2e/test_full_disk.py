"""A disk that is full ends a run with one line; with room again the same command finishes it, and equally."""

from __future__ import annotations

import pytest

from e2e.command import audit, forked, lasting, only, skymesh, write_files
from support.packets import JD, detection, packet

RUN = ("run", "survey_summary", "--alerts", "packets", "--out", "out", "--json")
KIB = 1024


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    packets = {}
    for number in range(40):
        history = [detection(jd_utc=JD - day, rcid=number) for day in range(1, 20)]
        packets[f"{number}.avro"] = packet(
            object_id=f"ZTF21disk{number}",
            jd_utc=JD + number / 1000,
            rcid=number,
            history=history,
            cutouts=True,
        )
    write_files(folder / "packets", packets | {"broken.avro": b""})
    done = skymesh(*RUN, cwd=folder)
    assert done.code == 0, done
    size = (folder / "out" / "store.db").stat().st_size
    return folder / "packets", done.json, size


@pytest.mark.parametrize("part", [0.001, 0.2, 0.6, 0.8, 0.95])
def test_the_same_command_finishes_when_there_is_room_again(undisturbed, tmp_path, part):
    packets, numbers, size = undisturbed
    (tmp_path / "packets").symlink_to(packets)
    full = forked(*RUN, cwd=tmp_path, file_bytes=int(part * size))
    line = only([line for line in full.err.splitlines() if not line.startswith("{")])
    assert (full.code, full.out) == (1, ""), full
    assert line.startswith("skymesh: ")
    assert "out/store.db: " in line or "temporary file: " in line

    again = forked(*RUN, cwd=tmp_path)
    assert again.code == 0, again
    assert lasting(again.json) == lasting(numbers)
    assert audit(tmp_path / "out" / "store.db", cwd=tmp_path)["digest"] == numbers["digest"]
    assert (tmp_path / "out" / "candidates.csv").read_bytes() == (
        packets.parent / "out" / "candidates.csv"
    ).read_bytes()


@pytest.mark.parametrize("is_cut", [True, False], ids=["cut", "overwritten"])
def test_a_damaged_store_is_one_line_that_does_not_promise_too_much(undisturbed, tmp_path, is_cut):
    packets, _, _ = undisturbed
    data = bytearray((packets.parent / "out" / "store.db").read_bytes())
    data[8 * KIB : 16 * KIB] = b"\xa5" * 8 * KIB
    (tmp_path / "damaged.db").write_bytes(data[: 30 * KIB] if is_cut else data)
    done = forked("audit", "--store", "sqlite:damaged.db", cwd=tmp_path)
    assert done.code in {1, 2}
    assert "damaged.db" in only(done.mistakes)
    assert "run the same command again" not in done.err

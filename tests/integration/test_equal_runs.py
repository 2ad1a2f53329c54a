"""The same packets make the same states and results, however they are packed, cut and accompanied."""

from __future__ import annotations

import io
import random
import tarfile

import pytest

from skymesh.model.run import Run
from support import nights
from support.mesh import audit_store, channel, constant, documents, picture, run_files, write_files, write_job
from support.packets import JD, as_history, candidate, container, record

PUBLIC = "job/public"
REACTIONS = ("event", "each", "fast", "never")


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    """The night as files, its job, and the numbers and picture of a plain run."""
    folder = write_files(tmp_path_factory.mktemp("night"), nights.packets())
    job = write_job(folder / "job.yaml", nights.channels())
    numbers = run_files(job, folder / "alerts", folder / "out")
    return folder, job, numbers, picture(folder / "out" / "store.db")


def test_the_night_holds_what_it_says(night):
    folder, _, numbers, made = night
    assert numbers["alerts"] == {"read": 19, "published": 18, "duplicate": 2, "dead": 1, "accepted": 16}
    states = {name: told["states"] for name, told in numbers["channels"].items()}
    assert states["job/public"] < states["job/partners"]
    assert {name for name, *_ in made.links} == {"job/public", "job/partners", "job/staff"}
    assert any(len(held) > 1 for held, _ in made.links.values())
    assert any(held and not emitted for held, emitted in made.links.values())
    told = {name: sum(reaction[2] == name for reaction in made.reactions) for name in REACTIONS}
    assert 0 < told["fast"] <= told["event"] < told["each"] == states["job/partners"]
    assert told["never"] == 0
    reactions = {name: channel["reactions"] for name, channel in numbers["channels"].items()}
    assert reactions == {
        "job/public": told["event"], "job/partners": told["each"], "job/staff": told["fast"],
    }  # fmt: skip
    assert audit_store(folder / "out" / "store.db").holes == []


def test_names_and_order_of_files_do_not_matter(night, tmp_path):
    _, job, numbers, made = night
    files = list(nights.packets().values())
    random.Random(1).shuffle(files)
    named = {f"{'abc'[n % 3]}/{len(files) - n}.AVRO": data for n, data in enumerate(files)}
    again = run_files(job, write_files(tmp_path / "in", named), tmp_path / "out")
    assert constant(again) == constant(numbers)
    assert picture(tmp_path / "out" / "store.db") == made


def test_a_tar_is_as_good_as_a_folder(night, tmp_path):
    _, job, numbers, made = night
    with tarfile.open(tmp_path / "night.tar.gz", "w:gz") as tar:
        for name, data in sorted(nights.packets().items(), reverse=True):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    again = run_files(job, tmp_path / "night.tar.gz", tmp_path / "out")
    assert constant(again) == constant(numbers)
    assert picture(tmp_path / "out" / "store.db") == made


@pytest.mark.parametrize("codec", ["null", "deflate"])
def test_one_container_is_as_good_as_many(night, tmp_path, codec):
    _, job, numbers, made = night
    items = nights.records()
    random.Random(2).shuffle(items)
    files = {"all.avro": container(items, codec=codec, sync_interval=2000), "dead.avro": nights.DEAD}
    again = run_files(job, write_files(tmp_path / "in", files), tmp_path / "out")
    assert constant(again) == constant(numbers)
    assert picture(tmp_path / "out" / "store.db") == made


@pytest.mark.parametrize("batch_records", [1, 3, 500])
def test_the_size_of_batches_does_not_matter(night, tmp_path, batch_records):
    folder, job, numbers, made = night
    again = run_files(job, folder / "alerts", tmp_path, batch_records=batch_records)
    assert constant(again) == constant(numbers)
    assert picture(tmp_path / "store.db") == made
    assert audit_store(tmp_path / "store.db").holes == []


@pytest.mark.slow
def test_processes_make_what_one_process_makes(night, tmp_path):
    folder, job, numbers, made = night
    again = run_files(job, folder / "alerts", tmp_path, workers=2)
    assert constant(again) == constant(numbers)
    assert picture(tmp_path / "store.db") == made


def test_a_channel_does_not_feel_others_beside_it(night, tmp_path):
    folder, _, numbers, made = night
    job = write_job(tmp_path / "job.yaml", {"public": nights.channels()["public"]})
    alone = run_files(job, folder / "alerts", tmp_path)
    assert alone["channels"][PUBLIC] == numbers["channels"][PUBLIC]
    assert alone["digest"] != numbers["digest"]
    assert picture(tmp_path / "store.db").of(PUBLIC) == made.of(PUBLIC)


def test_a_job_does_not_feel_another_in_its_store(night, tmp_path):
    folder, job, numbers, made = night
    store = f"sqlite:{tmp_path / 'shared.db'}"
    other = write_job(tmp_path / "other.yaml", {"x": channel("ztf_private", "ztf_public")}, name="other")
    first = run_files(other, folder / "alerts", tmp_path, store=store)
    again = run_files(job, folder / "alerts", tmp_path, store=store)
    assert constant(again) == constant(numbers)
    assert again["units"]["job/public.summary"]["memoised"] > 0
    runs = {f"run:{run.id.hex()}": run.id for run in documents(tmp_path / "shared.db", Run)}
    assert len(runs) == 2
    assert picture(tmp_path / "shared.db", runs[again["run"]]) == made
    for name in (first["run"], again["run"]):
        assert audit_store(tmp_path / "shared.db", run=name).holes == []


def test_a_run_of_another_name_makes_the_same(night, tmp_path):
    folder, job, numbers, made = night
    again = run_files(job, folder / "alerts", tmp_path, name="apart")
    assert again["run"] != numbers["run"]
    assert (again["digest"], again["results_digest"]) == (numbers["digest"], numbers["results_digest"])
    assert picture(tmp_path / "store.db") == made


def test_copies_and_dead_files_change_no_state(night, tmp_path):
    _, job, _, _ = night
    items = nights.records()[:-2]
    pictures, digests = [], []
    for name, more in (
        ("once", {}),
        ("again", {"dead.avro": nights.DEAD, "twice.avro": container(items[::-2])}),
    ):
        files = {"all.avro": container(items)} | more
        numbers = run_files(job, write_files(tmp_path / name, files), tmp_path / name)
        pictures.append(picture(tmp_path / name / "store.db"))
        digests.append((numbers["digest"], numbers["results_digest"]))
    assert numbers["alerts"]["duplicate"] == len(items[::-2])
    assert pictures[0] == pictures[1]
    assert digests[0] == digests[1]


def test_one_alert_under_two_objects_is_two_alerts(tmp_path):
    item = nights.records()[0]
    files = {"a.avro": container([item]), "b.avro": container([item | {"objectId": "ZTF21aaaaaxx"}])}
    job = write_job(tmp_path / "job.yaml", {"public": channel()})
    numbers = run_files(job, write_files(tmp_path / "in", files), tmp_path)
    assert numbers["channels"][PUBLIC]["states"] == 2
    assert audit_store(tmp_path / "store.db").holes == []


def test_an_object_with_more_points_than_travel_makes_the_same(tmp_path):
    triggers = [candidate(jd_utc=JD + n / 64) for n in range(900)]
    items = [
        record(trigger=triggers[n], history=[as_history(one) for one in triggers[max(0, n - 450) : n]])
        for n in (450, 899)
    ]
    write_files(tmp_path / "in", {"long.avro": container(items)})
    job = write_job(tmp_path / "job.yaml", {"public": channel()})
    pictures = []
    for batch_records in (1, 500):
        out = tmp_path / f"out{batch_records}"
        numbers = run_files(job, tmp_path / "in", out, batch_records=batch_records)
        assert numbers["units"]["job/public.summary"]["ok"] == 2
        pictures.append(picture(out / "store.db"))
        assert audit_store(out / "store.db").holes == []
    assert pictures[0] == pictures[1]

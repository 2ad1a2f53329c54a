"""Every kind of input: what units are given, what enters the id, and that it can be given again."""

from __future__ import annotations

import json

import pytest

from skymesh.catalogue.importing import import_catalogue
from skymesh.model.execution import Result
from skymesh.model.ids import text_id
from skymesh.model.reaction import Intent
from skymesh.model.run import JobRecord
from support.announced import announce_units
from support.mesh import audit_store, channel, documents, run_files, skymesh, write_files, write_job
from support.packets import JD, as_history, candidate, container, record
from support.plugins import write_distribution

FIRST = candidate(jd_utc=JD, magpsf=19.0, ra=150.1, dec=2.2)
SECOND = candidate(jd_utc=JD + 1, magpsf=18.0, ra=150.1, dec=2.2)
THIRD = candidate(jd_utc=JD + 2, magpsf=20.0, ra=150.1, dec=2.2)
STARS = "name,ra,dec\nnear,150.1002,2.2001\nfar,150.2,2.2\n"


@pytest.fixture
def mesh(tmp_path):
    """Runs a job over three alerts of an object, one with image stamps, and an object elsewhere."""
    units = announce_units(tmp_path / "units", "support.wired_units")
    own = {"object_id": "ZTF21aaaaaaa"}
    items = [
        record(**own, trigger=FIRST, cutouts=True),
        record(**own, trigger=SECOND, history=[as_history(FIRST)]),
        record(**own, trigger=THIRD, history=[as_history(FIRST), as_history(SECOND)]),
        record(object_id="ZTF21aaaaaab", jd_utc=JD + 3, ra=200.0, dec=-10.0),
    ]
    write_files(tmp_path / "alerts", {"all.avro": container(items)})
    (tmp_path / "stars.csv").write_text(STARS)
    import_catalogue(tmp_path / "stars.csv", tmp_path / "stars", ra_column="ra", dec_column="dec")

    def run(analyse, *options, out="out", resources=None, **more):
        named = {name: {"unit": spec} if isinstance(spec, str) else spec for name, spec in analyse.items()}
        given = {"resources": resources} if resources else {}
        job = write_job(tmp_path / "job.yaml", {"c": channel(analyse=named, **more)}, **given)
        options = ("--alerts", tmp_path / "alerts", "--out", tmp_path / out, "--json", *options)
        done = skymesh("run", job, *options, path=[units])
        return done.returncode, json.loads(done.stdout or "null"), done.stderr.strip().splitlines()

    run.path = [units]
    return run


def contents(tmp_path, unit, out="out"):
    return [r.content for r in documents(tmp_path / out / "store.db", Result) if r.ref.unit == unit]


def by_position(tmp_path, unit):
    results = [r for r in documents(tmp_path / "out" / "store.db", Result) if r.ref.unit == unit]
    return [r.content or r.reason for r in sorted(results, key=lambda r: r.position)]


CATALOGUE = {"stars": {"catalogue": "stars"}}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_position_is_worked_on_once_for_all_states_that_share_it(mesh, tmp_path, workers):
    diary = tmp_path / "diary.txt"
    where = {"unit": "Where", "config": {"diary": str(diary)}}
    code, numbers, errors = mesh({"where": where}, "--workers", workers)
    assert code == 0, errors
    assert diary.read_text().splitlines() == ["ran", "ran"]
    assert numbers["units"]["job/c.where"]["ok"] == 4
    assert numbers["units"]["job/c.where"]["memoised"] == 2
    assert {"ra_deg": 150.1, "dec_deg": 2.2} in contents(tmp_path, "Where")
    assert audit_store(tmp_path / "out" / "store.db").holes == []


def test_selectors_choose_among_the_detections(mesh, tmp_path):
    assert mesh({"chosen": "Chooses"})[0] == 0
    one, two, three = FIRST["candid"], SECOND["candid"], THIRD["candid"]
    assert by_position(tmp_path, "Chooses")[:3] == [
        {"first": one, "newest": one, "brightest": one},
        {"first": one, "newest": two, "brightest": two},
        {"first": one, "newest": three, "brightest": two},
    ]


def test_image_stamps_are_those_of_the_alert_and_may_be_missing(mesh, tmp_path):
    code, numbers, errors = mesh({"looks": "Looks", "may": "MayLook"})
    assert code == 0, errors
    looked = by_position(tmp_path, "Looks")
    assert set(looked[0]["sizes"]) == {"science", "template", "difference"}
    assert looked[1:] == ["the alert has no image stamps"] * 2
    assert [told["has_stamps"] for told in by_position(tmp_path, "MayLook")] == [True, False, False]
    assert (numbers["units"]["job/c.looks"]["ok"], numbers["units"]["job/c.looks"]["missing"]) == (1, 3)


def test_catalogues_come_from_the_resources_and_their_digest_enters_the_id(mesh, tmp_path):
    analyse = {"near": "Neighbours", "all": "AllNeighbours"}
    code, numbers, errors = mesh(analyse, resources=CATALOGUE)
    assert code == 0, errors
    assert sorted(map(str, contents(tmp_path, "Neighbours"))) == ["{'names': ['near']}", "{'names': []}"]
    assert contents(tmp_path, "AllNeighbours") == [{"names": ["stars"]}] * 2
    (job,) = documents(tmp_path / "out" / "store.db", JobRecord)
    assert len(job.resolved["resources"]["stars"]["catalogue"]) == 16

    (tmp_path / "stars").rename(tmp_path / "elsewhere")
    again = mesh(analyse, out="moved", resources={"stars": {"catalogue": "elsewhere"}})[1]
    assert (again["job"], again["digest"]) == (numbers["job"], numbers["digest"])

    (tmp_path / "stars.csv").write_text(STARS + "more,200.0,-10.0\n")
    import_catalogue(tmp_path / "stars.csv", tmp_path / "stars", ra_column="ra", dec_column="dec")
    other = mesh(analyse, out="other", resources=CATALOGUE)[1]
    assert other["job"] != numbers["job"]
    assert other["digest"] != numbers["digest"]


def test_whatever_a_unit_was_given_can_be_given_again(mesh, tmp_path):
    where = {"unit": "Where", "config": {"diary": str(tmp_path / "diary.txt")}}
    counts = {"unit": "Counts", "config": {"mood": "short"}}
    analyse = {"near": "Neighbours", "all": "AllNeighbours", "looks": "Looks", "may": "MayLook",
               "chosen": "Chooses", "where": where, "counts": counts}  # fmt: skip
    assert mesh(analyse, resources=CATALOGUE)[0] == 0
    results = documents(tmp_path / "out" / "store.db", Result)
    assert {result.ref.unit for result in results} == {
        spec if isinstance(spec, str) else spec["unit"] for spec in analyse.values()
    }
    store = f"sqlite:{tmp_path / 'out' / 'store.db'}"
    for result in results:
        id_ = f"result:{result.id.hex()}"
        done = skymesh("reproduce", id_, "--store", store, path=mesh.path)
        assert (done.returncode, done.stderr) == (0, ""), (result.ref.unit, done.stdout)
        told = json.loads(skymesh("trace", id_, "--store", store, "--json", path=mesh.path).stdout)
        tags = {entry[0] for entry in told["inputs"].values()}
        assert tags & TAGS[result.ref.unit], result.ref.unit

    (tmp_path / "stars").rename(tmp_path / "elsewhere")
    near = next(r for r in results if r.ref.unit == "Neighbours")
    done = skymesh("reproduce", f"result:{near.id.hex()}", "--store", store, path=mesh.path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "asked, said",
    [
        ("position: Position", "Wants now asks for position (position); it was given curve (curve)"),
        ("curve: DataPoints", "Wants now asks for curve (points); it was given curve (curve)"),
        ("curve: LightCurve, more: Told", "Wants now asks for more (result); it was given curve (curve)"),
    ],
)
def test_a_unit_that_asks_for_other_inputs_now_is_one_line(tmp_path, asked, said):
    source = """
        from skymesh.units import Analyser, DataPoints, LightCurve, Position, Result

        class Told(Result):
            count: int

        class Wants(Analyser):
            version = "1"

            def run(self, curve: LightCurve) -> Told:
                return Told(count=1)
    """
    units = tmp_path / "units"
    units.mkdir()
    write_distribution(units, "wanting", source, {"skymesh.units": {"Wants": "Wants"}})
    write_files(tmp_path / "alerts", {"a.avro": container([record()])})
    job = write_job(tmp_path / "job.yaml", {"c": channel(analyse={"wants": {"unit": "Wants"}})})
    assert (
        skymesh("run", job, "--alerts", tmp_path / "alerts", "--out", tmp_path, path=[units]).returncode == 0
    )
    (result,) = documents(tmp_path / "store.db", Result)
    module = units / "wanting.py"
    module.write_text(module.read_text().replace("curve: LightCurve", asked))
    id_ = text_id("result", result.id)
    done = skymesh("reproduce", id_, "--store", f"sqlite:{tmp_path / 'store.db'}", path=[units])
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"skymesh: {id_}: {said}\n"


def test_a_catalogue_is_traced_to_its_folder_and_the_jobs_that_use_it(mesh, tmp_path):
    store = f"sqlite:{tmp_path / 'store.db'}"
    others = {"others": {"catalogue": "stars"}}
    jobs = [
        mesh(analyse, "--store", store, resources=resources)[1]["job"]
        for analyse, resources in (({"near": "Neighbours"}, CATALOGUE), ({"all": "AllNeighbours"}, others))
    ]
    without = write_job(tmp_path / "without.yaml", {"d": channel()}, name="without")
    run_files(without, tmp_path / "alerts", tmp_path / "without", store=store)
    id_ = skymesh("catalogue", "show", tmp_path / "stars").stdout.split()[0]
    near = next(r for r in documents(tmp_path / "store.db", Result) if r.ref.unit == "Neighbours")
    look = ("--store", store, "--json", "--channel")
    told = json.loads(skymesh("trace", text_id("result", near.id), *look, "c").stdout)
    assert told["inputs"]["stars"] == ["catalogue", id_]
    told = json.loads(skymesh("trace", id_, *look, "c").stdout)
    assert (told["id"], told["kind"], told["path"]) == (id_, "catalogue", str(tmp_path / "stars"))
    used = {use["job"]: use["as"] for use in told["used_by"]}
    assert used == dict(zip(jobs, (["stars"], ["others"]), strict=True))
    unknown = f"catalogue:{'0' * 32}"
    for asked, name in ((unknown, "c"), (id_, "d")):
        done = skymesh("trace", asked, *look, name)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f"skymesh: {asked}: nothing of this name")


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    "mood, told", [("good", [101, 102, 103, 101]), ("alone", [-1, -2, -3, -1]), ("short", [1, 2, 3, 1])]
)
def test_a_batch_form_serves_all_states_at_once_or_each_is_run_alone(mesh, tmp_path, workers, mood, told):
    code, _, errors = mesh({"counts": {"unit": "Counts", "config": {"mood": mood}}}, "--workers", workers)
    assert code == 0, errors
    assert [content["points"] for content in by_position(tmp_path, "Counts")] == told


def test_a_batch_form_settles_each_state_for_itself(mesh, tmp_path):
    code, numbers, _ = mesh({"counts": {"unit": "Counts", "config": {"mood": "choosy"}}})
    assert code == 0
    assert {k: numbers["units"]["job/c.counts"][k] for k in ("ok", "missing", "failed")} == {
        "ok": 2, "missing": 1, "failed": 1,
    }  # fmt: skip
    assert "nor that one" in by_position(tmp_path, "Counts")[-1]


def test_filters_are_given_catalogues_too(mesh):
    for unit in ("StarVeto", "NeedsStars"):
        code, numbers, errors = mesh({}, resources=CATALOGUE, unit=unit, out=unit)
        assert code == 0, errors
        assert numbers["channels"]["job/c"]["accepted"] == 1
    code, numbers, _ = mesh({}, unit="StarVeto", config={"radius_arcsec": 0}, out="none")
    assert (code, numbers["channels"]["job/c"]["accepted"]) == (0, 4)


def test_a_reaction_tells_the_earlier_result_that_it_was_given(mesh, tmp_path):
    recalls = {"unit": "Recalls", "when": "counts", "once": "state", "to": ["file"]}
    assert mesh({"counts": "Counts"}, react={"recalls": recalls})[0] == 0
    told = {}
    for intent in documents(tmp_path / "out" / "store.db", Intent):
        store = f"sqlite:{tmp_path / 'out' / 'store.db'}"
        done = skymesh("trace", text_id("reaction", intent.id), "--store", store, "--json", path=mesh.path)
        (one,) = json.loads(done.stdout)["told"]
        assert [f"result:{intent.results['counts'][0].hex()}"] == [result["id"] for result in one["given"]]
        earlier = [(r["content"]["points"], len(r["states"][0]["points"])) for r in one["earlier"]]
        told[intent.letters[0].body.decode()] = earlier
    assert told == {
        "nothing, then 101": [], "101, then 102": [(101, 1)], "102, then 103": [(102, 2)],
    }  # fmt: skip


TAGS = {
    "Neighbours": {"catalogue"}, "AllNeighbours": {"catalogues"}, "Looks": {"cutouts", "absent"},
    "MayLook": {"cutouts", "absent"}, "Chooses": {"point"}, "Where": {"position"}, "Counts": {"points"},
}  # fmt: skip
TWO = {"stars": {"catalogue": "stars"}, "others": {"catalogue": "stars"}}


@pytest.mark.parametrize(
    "analyse, more, said",
    [
        ({"a": "Neighbours"}, {}, "channels.c.analyse.a: stars wants a catalogue, add one under resources:"),
        ({"a": "Neighbours"}, {"resources": TWO}, "say inputs: {stars: others}"),
        (
            {"a": {"unit": "Neighbours", "inputs": {"stars": "suns"}}},
            {"resources": CATALOGUE},
            "has no catalogue 'suns'",
        ),
        ({}, {"resources": {"stars": {"catalogue": "nowhere"}}}, "resources.stars: "),
        ({}, {"resources": {"stars": {"skymap": "map.fits"}}}, "resources.stars.catalogue: this key"),
        ({}, {"unit": "StarVeto"}, "channels.c.filter: radius_arcsec > 0 needs a catalogue of stars"),
        ({}, {"unit": "NeedsStars"}, "channels.c.filter: stars wants a catalogue"),
        ({}, {"unit": "WantsPosition"}, "a filter is given catalogues alone"),
    ],
)  # fmt: skip
def test_what_a_resource_lacks_is_one_line_before_anything_runs(mesh, tmp_path, analyse, more, said):
    code, _, lines = mesh(analyse, **more)
    assert code == 2
    assert any(said in line for line in lines), lines
    assert not (tmp_path / "out").exists()


def test_an_input_among_several_catalogues_is_named(mesh):
    near = {"unit": "Neighbours", "inputs": {"stars": "others"}}
    code, numbers, errors = mesh({"near": near}, resources=TWO)
    assert code == 0, errors
    assert numbers["units"]["job/c.near"]["ok"] == 4

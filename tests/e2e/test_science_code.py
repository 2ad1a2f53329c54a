"""Science code of somebody else, installed beside the mesh: it may fail, print or change; the run goes on."""

from __future__ import annotations

import json

import pytest

from e2e.command import Done, forked, only, write_files
from support.packets import JD, detection, packet
from support.plugins import write_distribution

UNITS = '''
    import sys
    import warnings

    from skymesh.units import Analyser, Filter, LightCurve, MissingInputError, Result, Verdict


    class Count(Result):
        number: int


    class Ratio(Result):
        value: float


    class Counter(Analyser):
        """Count the points."""

        version = "1"

        def run(self, curve: LightCurve) -> Count:
            print("counting")
            print("still counting", file=sys.stderr)
            warnings.warn("never mind")
            return Count(number=len(curve) + 0)


    class Builder(Analyser):
        """Build on the count."""

        version = "1"

        def run(self, count: Count) -> Ratio:
            return Ratio(value=float("nan"))


    class Failing(Analyser):
        """Fail, in two lines."""

        version = "1"

        def run(self, curve: LightCurve) -> Ratio:
            raise RuntimeError("first line\\nsecond line")


    class Leaving(Analyser):
        """Leave the program."""

        version = "1"

        def run(self, curve: LightCurve) -> Ratio:
            sys.exit(3)


    class Endless(Analyser):
        """Call itself."""

        version = "1"

        def run(self, curve: LightCurve) -> Ratio:
            return self.run(curve)


    class Needy(Analyser):
        """Miss something."""

        version = "1"

        def run(self, curve: LightCurve) -> Ratio:
            raise MissingInputError("no redshift")


    class Stumbling(Filter):
        """Fail for one object."""

        version = "1"

        def accept(self, alert):
            if alert.stock.endswith("bad"):
                raise ValueError("cannot judge")
            return Verdict(True)
'''
NAMES = ("Counter", "Builder", "Failing", "Leaving", "Endless", "Needy", "Stumbling")
JOB = """\
name: lab
channels:
  a:
    access: [ztf_public]
    filter: {unit: Stumbling}
    analyse:
      count: {unit: Counter}
      ratio: {unit: Builder}
      failing: {unit: Failing}
      leaving: {unit: Leaving}
      endless: {unit: Endless}
      needy: {unit: Needy}
summarise:
  table: {unit: CandidateTable, channels: [a], to: [file]}
"""


class Laboratory:
    """A folder with a package of units that is imported beside the mesh, and a run with them."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "plugins").mkdir()
        entry_points = {"skymesh.units": {name: name for name in NAMES}}
        write_distribution(folder / "plugins", "lab_units", UNITS, entry_points)
        (folder / "job.yaml").write_text(JOB)
        packets = {
            f"{name}.avro": packet(
                object_id=f"ZTF21{name}", jd_utc=JD + n, rcid=n, history=[detection(rcid=n)]
            )
            for n, name in enumerate(("one", "two", "bad"))
        }
        write_files(folder / "packets", packets)

    def __call__(self, *arguments) -> Done:
        return forked(*arguments, cwd=self.folder, path=[self.folder / "plugins"])

    def rewrite(self, old, new):
        path = self.folder / "plugins" / "lab_units.py"
        text = path.read_text()
        assert text.count(old) == 1
        path.write_text(text.replace(old, new))


def numbers_of(done):
    """The last line of stdout; that it is the only one is the matter of one test below."""
    return json.loads(done.out.splitlines()[-1])


@pytest.fixture
def laboratory(tmp_path):
    return Laboratory(tmp_path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    laboratory = Laboratory(tmp_path_factory.mktemp("finished"))
    return laboratory, laboratory("run", "job.yaml", "--alerts", "packets", "--out", "out", "--json")


def test_a_unit_that_fails_costs_its_result_and_nothing_else(finished):
    laboratory, done = finished
    assert done.code == 0, done
    numbers = numbers_of(done)
    units = {name.rpartition(".")[2]: unit for name, unit in numbers["units"].items()}
    outcomes = {name: (unit["ok"], unit["missing"], unit["failed"]) for name, unit in units.items()}
    assert outcomes == {
        "count": (2, 0, 0), "ratio": (2, 0, 0), "needy": (0, 2, 0),
        "failing": (0, 0, 2), "leaving": (0, 0, 2), "endless": (0, 0, 2),
    }  # fmt: skip
    assert numbers["channels"]["lab/a"]["accepted"] == 2
    assert numbers["channels"]["lab/a"]["rejected"] == 1
    assert laboratory("audit", "--store", "sqlite:out/store.db", "--final").code == 0


def test_each_failure_has_its_reason_in_one_line(finished):
    laboratory, _ = finished
    told = laboratory("show", "ZTF21one", "--store", "sqlite:out/store.db", "--json").json
    reasons = {result["unit"]: result["reason"] for result in told["results"]}
    assert "first line second line" in reasons["Failing"]
    assert reasons["Needy"].endswith("no redshift")
    assert all(reasons[name] and reasons[name].isprintable() for name in ("Leaving", "Endless"))
    bad = laboratory("show", "ZTF21bad", "--store", "sqlite:out/store.db", "--json").json
    assert "cannot judge" in only(only(bad["alerts"])["verdicts"])["reason"]


def test_what_a_unit_prints_does_not_get_between_the_json(finished):
    _, done = finished
    assert done.out.count("\n") == 1
    assert done.json["run"].startswith("run:")


@pytest.fixture
def count(laboratory):
    """A fresh run's id of a counted result."""
    done = laboratory("run", "job.yaml", "--alerts", "packets", "--out", "out", "--json")
    assert done.code == 0, done
    told = laboratory("show", "ZTF21one", "--store", "sqlite:out/store.db", "--json").json
    return only([result["id"] for result in told["results"] if result["unit"] == "Counter"])


def test_code_that_computes_another_value_is_told_with_the_difference(laboratory, count):
    reproduce = ("reproduce", count, "--store", "sqlite:out/store.db")
    same = laboratory(*reproduce)
    assert same.code == 0
    assert f"{count} is the same: ok" in same.out
    laboratory.rewrite("len(curve) + 0", "len(curve) + 5")
    done = laboratory(*reproduce)
    assert done.code == 1
    assert "code has changed" in done.out
    assert "content.number: recorded 2, now 7" in done.out
    # Under another version it is still computed again, and said with which.
    laboratory.rewrite('"""Count the points."""\n\n    version = "1"', '"""Count."""\n\n    version = "2"')
    done = laboratory(*reproduce)
    assert done.code == 1
    assert "version 1" in done.out
    assert "2" in done.out


def test_changed_code_under_the_same_version_is_a_run_apart_with_its_own_results(laboratory, count):
    laboratory.rewrite("len(curve) + 0", "len(curve) + 5")
    run = ("run", "job.yaml", "--alerts", "packets", "--out", "out", "--run", "later", "--json")
    done = laboratory(*run)
    assert done.code == 0
    assert numbers_of(done)["units"]["lab/a.count"]["memoised"] == 0
    told = laboratory("show", "ZTF21one", "--store", "sqlite:out/store.db", "--json").json
    numbers = {result["content"]["number"] for result in told["results"] if result["unit"] == "Counter"}
    assert numbers == {2, 7}
    assert laboratory("audit", "--store", "sqlite:out/store.db", "--run", "later", "--final").code == 0


def test_a_unit_that_is_gone_or_broken_is_one_line(laboratory, count):
    reproduce = ("reproduce", count, "--store", "sqlite:out/store.db")
    laboratory.rewrite("import warnings", "import no_such_module")
    for arguments in (reproduce, ("check", "job.yaml"), ("units", "Counter")):
        done = laboratory(*arguments)
        assert done.code == 2
        assert any("no_such_module" in line for line in done.mistakes)
    assert laboratory("check", "survey_summary").code == 0
    listed = laboratory("units")
    assert "FastDecliner" in listed.out
    assert "Traceback" not in listed.err
    gone = forked(*reproduce, cwd=laboratory.folder)
    assert gone.code == 2
    assert "Counter" in only(gone.mistakes)

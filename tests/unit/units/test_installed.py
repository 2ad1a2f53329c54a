"""The code digest of a unit covers what the unit consists of."""

from __future__ import annotations

import sys

import pytest

from skymesh.errors import SettingsError
from skymesh.units import installed
from skymesh.units.source import sources_of
from skymesh_local.printing import print_units
from support.plugins import write_distribution

UNIT = """
from made_up.units.shared import Cuts

class Own(Cuts):
    version = "1"
    def run(self, curve: "LightCurve") -> "Made": return Made(x=1)
"""
SHARED = """
from made_up.units import formula
from skymesh.units import Analyser

class Cuts(Analyser):
    limit: float = formula.LIMIT
"""


@pytest.fixture
def digest(tmp_path, monkeypatch):
    """Returns the digest of a unit whose package has these sources."""
    numbers = iter(range(10))

    def of(**changed):
        folder = tmp_path / str(next(numbers))
        package = folder / "made_up" / "units"
        package.mkdir(parents=True)
        sources = {"own": UNIT, "shared": SHARED, "formula": "LIMIT = 1.0\n", "other": "X = 1\n"} | changed
        for name, text in sources.items():
            path = package / f"{name}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        write_distribution(folder, "made_up_dist", "", {"skymesh.units": {}})
        info = folder / "made_up_dist-1.0.dist-info" / "entry_points.txt"
        info.write_text("[skymesh.units]\nOwn = made_up.units.own:Own\n")
        for name in [name for name in sys.modules if name.partition(".")[0] == "made_up"]:
            del sys.modules[name]
        with monkeypatch.context() as patch:
            patch.syspath_prepend(folder)
            _forget()
            found = installed.code_digest("Own")
        _forget()
        return found

    return of


def _forget():
    for cached in (installed.units, installed.load, installed.code_digest):
        cached.cache_clear()


@pytest.mark.parametrize("module", ["own", "shared", "formula"])
def test_a_change_in_a_base_class_or_in_what_it_imports_changes_the_digest(digest, module):
    sources = {"own": UNIT, "shared": SHARED, "formula": "LIMIT = 1.0\n"}
    before = digest()
    assert digest() == before
    assert digest(**{module: sources[module] + "\n# changed\n"}) != before


def test_a_module_that_the_unit_does_not_use_is_no_part_of_it(digest):
    assert digest(other="X = 2\n") == digest()


@pytest.mark.parametrize("imports", [
    "from made_up.units.other import X",
    "from made_up.units.other import *",
    "import made_up.units.other",
    "from .other import X",
    "from . import other",
    "def late():\n    from .other import X",
    "from .deep import Y",
    "def late():\n    from .deep import Y",
])  # fmt: skip
def test_a_module_of_which_only_constants_are_used_is_part_of_the_unit(digest, imports):
    own = f"{imports}\n{UNIT}"
    sources = {"deep/__init__": "from ..other import X as Y\n"}
    assert digest(own=own, other="X = 1\n", **sources) != digest(own=own, other="X = 2\n", **sources)


def test_constants_of_the_package_itself_are_part_of_the_unit_that_takes_them(digest):
    own = f"from . import LIMIT\n{UNIT}"
    assert digest(own=own, __init__="LIMIT = 1\n") != digest(own=own, __init__="LIMIT = 2\n")
    assert digest(__init__="LIMIT = 1\n") == digest(__init__="LIMIT = 2\n")


def test_a_unit_in_a_module_of_no_package_is_that_module(tmp_path, monkeypatch):
    unit = """
        import json
        import lonely_beside
        from skymesh.units import Analyser
        class Lonely(Analyser):
            version = "1"
    """
    write_distribution(tmp_path, "lonely", unit, {installed.GROUP: {"Lonely": "Lonely"}})
    (tmp_path / "lonely_beside.py").write_text("X = 1\n")
    with monkeypatch.context() as patch:
        patch.syspath_prepend(tmp_path)
        _forget()
        assert set(sources_of(installed.load("Lonely"))) == {"lonely"}
    _forget()


def test_the_filters_take_in_their_shared_cuts():
    assert "skymesh_t0.units.decent_cuts" in sources_of(installed.load("DecentFilter"))


BROKEN = {
    "Missing": "import no_such_module",
    "Unfinished": "class Unfinished(",
    "Unnamed": "made = unheard_of",
    "Fails": "raise RuntimeError('no\\nlicence')",
    "Leaves": "raise SystemExit(3)",
}


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """Units whose modules cannot be imported, and one that can."""
    for name, text in BROKEN.items():
        write_distribution(tmp_path, f"broken_{name.lower()}", text, {installed.GROUP: {name: name}})
    fine = """
        from skymesh.units import Analyser
        class Fine(Analyser):
            "Is fine."
            version = "1"
    """
    write_distribution(tmp_path, "zz_fine", fine, {installed.GROUP: {"ZZFine": "Fine"}})
    monkeypatch.syspath_prepend(tmp_path)
    _forget()
    yield
    monkeypatch.undo()
    _forget()


@pytest.mark.parametrize("name, problem", [
    ("Missing", "ModuleNotFoundError: No module named 'no_such_module'"),
    ("Unfinished", "SyntaxError: '(' was never closed"),
    ("Unnamed", "NameError: name 'unheard_of' is not defined"),
    ("Fails", "RuntimeError: no licence"),
    ("Leaves", "SystemExit: 3"),
])  # fmt: skip
@pytest.mark.usefixtures("broken")
def test_a_module_that_cannot_be_imported_is_one_line_whatever_it_raises(name, problem):
    with pytest.raises(SettingsError) as caught:
        installed.load(name)
    assert str(caught.value).startswith(f"unit {name!r} cannot be imported: {problem}")
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("broken")
def test_broken_units_are_told_on_their_lines_beside_the_others(capsys):
    print_units("")
    lines = capsys.readouterr().out.splitlines()
    for name in BROKEN:
        assert any(line.startswith(f"{name} ") and "cannot be imported" in line for line in lines)
    assert any(line.split() == ["ZZFine", "Is", "fine."] for line in lines)


@pytest.mark.parametrize("unit, module", [
    ("RiseDecline", "skymesh_t2.units.series"), ("RiseDecline", "skymesh_t2.units.rise_decline.splines"),
    ("PhaseLimit", "skymesh_t2.units.series"), ("DigestRedshifts", "skymesh_t2.units.catalog_match"),
])  # fmt: skip
def test_a_unit_that_is_a_package_takes_in_what_stands_beside_it(unit, module):
    assert module in sources_of(installed.load(unit))

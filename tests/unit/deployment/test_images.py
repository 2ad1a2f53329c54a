"""The images: one base, pinned, without rights, and made from packages whose hashes are known."""

from __future__ import annotations

import re
import tomllib

import pytest

from support.dockerfile import lineage, stages_of

SERVICES = ("ingest", "t0", "t1", "t2", "t3", "deliver", "provenance", "skymesh")
_PIN = re.compile(
    r"^(?P<name>[a-z0-9.-]+)==(?P<version>[^ ;]+)(?P<rest>.*(?:\n    --hash=.*)+)", re.MULTILINE
)


@pytest.fixture
def root(pytestconfig):
    return pytestconfig.rootpath


@pytest.fixture
def stages(root):
    return stages_of(root / "services" / "Dockerfile")


def pins_of(path):
    """Return what a lock pins: name → version → hashes."""
    pins: dict[str, dict[str, set[str]]] = {}
    for match in _PIN.finditer(path.read_text()):
        hashes = set(re.findall(r"sha256:[0-9a-f]{64}", match["rest"]))
        pins.setdefault(match["name"], {})[match["version"]] = hashes
    return pins


def name_of(requirement):
    """Return the name of a requirement as locks write it."""
    return re.sub(r"[._]", "-", re.match(r"[\w.-]+", requirement)[0].lower())


def test_nothing_comes_from_outside_but_one_pinned_base(stages):
    outside = {stage.base for stage in stages.values()} - set(stages)
    assert len(outside) == 1
    assert re.fullmatch(r"python:3\.11\.\d+-slim-[a-z]+", outside.pop())


def test_every_service_is_the_same_image_but_for_what_it_runs(stages):
    for name in SERVICES:
        assert stages[name].base == "runtime"
        assert [instruction.word for instruction in stages[name].instructions] == ["ENTRYPOINT"]


def test_services_run_as_a_user_without_rights_named_by_number(stages):
    """By number, as Kubernetes cannot tell of a name that it is not root's."""
    users = [user.rest for stage in lineage(stages, "t0") for user in stage.of("USER")]
    assert [int(user) > 0 for user in users] == [True]
    words = [instruction.word for instruction in stages["runtime"].instructions]
    assert not {"RUN", "COPY"} & set(words[words.index("USER") :])


def test_the_tools_that_build_stay_behind(stages):
    assert [stage.name for stage in lineage(stages, "t0")] == ["t0", "runtime", "python"]
    assert stages["packages"].base == "python"
    assert stages["wheel"].base == "packages"


def test_packages_come_before_sources_so_that_a_change_of_code_keeps_their_layer(stages):
    copied = [copy.rest for copy in stages["packages"].of("COPY", "ADD")]
    assert copied == ["services/requirements.lock /tmp/requirements.lock"]
    assert not [run for run in stages["runtime"].of("COPY") if "--from=" not in run.rest]


def test_every_installation_checks_hashes_or_takes_only_our_own_wheel(stages):
    runs = [
        run.rest for stage in stages.values() for run in stage.of("RUN") if re.search(r"\bpip\b", run.rest)
    ]
    assert len(runs) == 3
    for run in runs:
        assert "--no-cache-dir" in run
        assert "--no-deps" in run
        assert {"--require-hashes", "--no-index", "--no-build-isolation"} & set(run.split())
    assert not [run for stage in stages.values() for run in stage.of("RUN", "ADD") if "http" in run.rest]


def test_the_head_of_the_file_names_its_stages(root, stages):
    head = (root / "services" / "Dockerfile").read_text().partition("\nFROM ")[0]
    named = {word for line in head.splitlines() if line.startswith("#   ") for word in line.split()}
    assert set(stages) <= named


def test_only_what_is_needed_is_sent_to_the_builder(root):
    rules = [line for line in (root / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert rules[0] == "*"
    kept = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    assert kept == {"LICENSE", "README.md", "pyproject.toml", "schemas", "services", "shared"}


def test_the_services_lock_is_the_part_of_the_lock_that_they_need(root):
    whole, part = pins_of(root / "requirements.lock"), pins_of(root / "services" / "requirements.lock")
    for name, versions in part.items():
        for version, hashes in versions.items():
            assert hashes
            assert hashes == whole[name][version]
    project = tomllib.loads((root / "pyproject.toml").read_text())
    needed = {name_of(line) for line in project["project"]["dependencies"]}
    assert needed <= part.keys()
    development = {name_of(line) for line in project["project"]["optional-dependencies"]["dev"]}
    assert development & part.keys() <= needed | {"hatchling"}

"""Job files: YAML without code, and one line for each mistake with its place in the file."""

from __future__ import annotations

import pytest
import yaml

from skymesh.errors import JobError
from skymesh.jobs.loader import builtin_jobs, load_job
from skymesh.jobs.plan import plan_job

JOB = """
name: fade
parameters: {min_rate: 0.1, label: ztf_public, names: [a, b]}
channels:
  hunters:
    access: ["${label}"]
    filter: {unit: AcceptAll}
    analyse:
      decline: {unit: FastDecliner, config: {min_rate_mag_per_day: "${min_rate}"}}
summarise:
  table: {unit: CandidateTable, channels: [hunters], to: [file], config: {first: "decline.gap_days.${label}"}}
"""


def mistakes(path, **settings):
    with pytest.raises(JobError) as caught:
        load_job(path, settings)
    assert all("\n" not in line for line in caught.value.lines)
    assert "\n" not in str(caught.value)
    return caught.value.lines


def rate(spec):
    return spec.channels["hunters"].analyse["decline"].config["min_rate_mag_per_day"]


def test_parameters_are_filled_in_with_their_types(write_job):
    spec = load_job(write_job(JOB), {})
    assert rate(spec) == 0.1
    assert isinstance(rate(spec), float)
    assert spec.channels["hunters"].access == ["ztf_public"]
    assert spec.summarise["table"].config["first"] == "decline.gap_days.ztf_public"
    assert spec.parameters["names"] == ["a", "b"]


def test_set_replaces_a_parameter_with_the_type_that_yaml_reads(write_job):
    spec = load_job(write_job(JOB), {"min_rate": "0.25", "label": "ztf_private"})
    assert rate(spec) == 0.25
    assert spec.channels["hunters"].access == ["ztf_private"]
    plan = plan_job(spec, "job.yaml")
    assert plan.channels[0].grants == {"ztf_private"}


def test_set_enters_the_id_of_the_job_only_through_what_it_changes(write_job):
    path = write_job(JOB)
    settings = ({}, {"min_rate": "0.1"}, {"min_rate": "0.2"})
    plain, same, other = (plan_job(load_job(path, given), "job.yaml").id for given in settings)
    assert plain == same != other


def test_set_of_an_unknown_parameter_lists_those_there_are(write_job):
    (line,) = mistakes(write_job(JOB), max_rate="1")
    assert "max_rate" in line
    assert "min_rate" in line


def test_a_parameter_that_is_not_declared_is_named_with_its_place(write_job):
    (line,) = mistakes(write_job(JOB.replace("${min_rate}", "${rate}")))
    assert "${rate}" in line
    assert "min_rate_mag_per_day" in line


@pytest.mark.parametrize(
    "text",
    [
        "name: !!python/object/apply:os.system ['echo unsafe']\n",
        "!!python/object/new:os.system [echo]\n",
        "name: !!python/name:os.system\n",
        "name: !custom x\n",
        "name: x\nname: y\n",
        "name: [unclosed\n",
        "\tname: x\n",
        "? {a: b}\n: c\n",
        "? [a, b]\n: c\n",
        "a: &a [*a]\n",
        "<<: 3\nname: x\n",
        "name: \x00x\n",
        "--- {name: a}\n--- {name: b}\n",
        "[" * 3000,
        "name: 2020-13-45\n",
    ],
    ids=["apply", "new", "name", "custom tag", "twice", "unclosed", "tab", "map as key", "list as key",
         "recursive", "merge", "nul", "two documents", "deep", "no date"],
)  # fmt: skip
def test_yaml_that_is_no_job_is_one_line_that_names_the_file(write_job, capfd, text):
    lines = mistakes(write_job(text))
    assert lines[0].startswith("job.yaml")
    assert capfd.readouterr().out == ""


def test_a_python_tag_in_set_is_refused_too(write_job):
    (line,) = mistakes(write_job(JOB), min_rate="!!python/object/apply:os.system [echo]")
    assert "--set min_rate" in line


def test_a_key_that_is_there_twice_is_named_with_its_line(write_job):
    (line,) = mistakes(write_job(JOB + "name: again\n"))
    assert "'name'" in line
    assert "job.yaml:" in line
    (line,) = mistakes(write_job(JOB.replace("filter:", "access: [x]\n    filter:")))
    assert "'access'" in line


@pytest.mark.parametrize("text", ["", "just text", "- a\n- b\n", "3"])
def test_a_file_that_is_no_mapping_is_one_line(write_job, text):
    assert "mapping" in mistakes(write_job(text))[0]


@pytest.mark.parametrize(
    "old, new, place",
    [
        ("channels:", "chanels:", "chanels"),
        (
            "filter: {unit: AcceptAll}",
            "filter: {unit: AcceptAll, confg: {}}",
            "channels.hunters.filter.confg",
        ),
        ("filter: {unit: AcceptAll}", "filtre: {unit: AcceptAll}", "channels.hunters.filtre"),
        ("name: fade", "name: fade away", "name"),
        ("hunters:", "hun-ters:", "channels.hun-ters"),
        ("name: fade", "nam: fade", "name"),
        ('access: ["${label}"]', "access: []", "channels.hunters.access"),
        ('access: ["${label}"]', "access: ztf_public", "channels.hunters.access"),
        ("to: [file]", "to: [kafka]", "summarise.table.to"),
        ("channels: [hunters]", "channels: []", "summarise.table.channels"),
        (
            "filter: {unit: AcceptAll}",
            "filter: {unit: AcceptAll}\n    follow: maybe",
            "channels.hunters.follow",
        ),
    ],
)
def test_a_mistake_is_one_line_with_its_path_in_the_file(write_job, old, new, place):
    assert old in JOB
    lines = mistakes(write_job(JOB.replace(old, new, 1)))
    assert any(place in line and line.startswith("job.yaml: ") for line in lines)


def test_several_mistakes_are_several_lines(write_job):
    text = JOB.replace("follow", "follw").replace("name: fade", "name: 7fade").replace("to: [file]", "to: []")
    assert len(mistakes(write_job(text))) == 2


def test_a_file_that_is_not_there_or_is_no_text_is_one_line(tmp_path):
    assert "cannot be read" in mistakes(tmp_path / "nowhere.yaml")[0]
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00name")
    assert "UTF-8" in mistakes(tmp_path / "bytes.yaml")[0]
    assert "cannot be read" in mistakes(tmp_path)[0]


def test_the_built_in_jobs_load_and_plan():
    jobs = builtin_jobs("skymesh_local")
    assert "survey_summary" in jobs
    for name, source in jobs.items():
        plan = plan_job(load_job(source, {}), f"{name}.yaml")
        assert plan.name == name
        assert plan.channels
        assert yaml.safe_load(source.read_text())["name"] == name

"""Type hints are the wiring: what meets an input, and one line for whatever nothing meets."""

from __future__ import annotations

import pytest
import yaml
from pydantic import ValidationError

from skymesh.errors import JobError, SettingsError
from skymesh.jobs.outlets import PUBLIC
from skymesh.jobs.plan import plan_job
from skymesh.jobs.spec import JobSpec, ResourceSpec
from skymesh.units import installed
from support.catalogue_rows import catalogue_of


def spec(analyse, **more):
    channel = {"access": ["ztf_public"], "filter": {"unit": "AcceptAll"}, "analyse": analyse}
    return JobSpec.model_validate({"name": "job", "channels": {"c": channel | more}})


def plan(**analyse):
    units = {name: {"unit": unit} if isinstance(unit, str) else unit for name, unit in analyse.items()}
    return plan_job(spec(units), "job.yaml")


def wires(planned, name):
    (instance,) = [instance for instance in planned.channels[0].instances if instance.name == name]
    return {wire.hint.name: wire.sources for wire in instance.wires}


def mistakes(**analyse):
    with pytest.raises(JobError) as caught:
        plan(**analyse)
    assert all("\n" not in line for line in caught.value.lines)
    assert all(line.startswith("job.yaml: channels.c.") for line in caught.value.lines)
    return caught.value.lines


def test_a_hint_is_met_by_the_one_instance_that_makes_it_whatever_its_name():
    planned = plan(z="NeedsFit", other_name="MakesFit")
    assert wires(planned, "z") == {"fit": ("other_name",)}
    assert [instance.name for instance in planned.channels[0].instances] == ["other_name", "z"]
    assert [instance.level for instance in planned.channels[0].instances] == [0, 1]


def test_inputs_made_from_the_state_need_no_instance():
    assert wires(plan(a="AlsoMakesFit"), "a") == {"points": (), "state": ()}


def test_an_optional_result_may_be_absent():
    assert wires(plan(a="MayUseFit"), "a")["fit"] == ()
    assert wires(plan(a="MayUseFit", b="MakesFit"), "a")["fit"] == ("b",)


def test_a_mapping_takes_every_instance_by_name_and_may_be_empty():
    assert wires(plan(a="UsesAllFits"), "a") == {"fits": ()}
    assert wires(plan(z="MakesFit", a="UsesAllFits", b="AlsoMakesFit"), "a") == {"fits": ("b", "z")}


def test_a_list_is_refused_with_the_hint_to_ask_for_a_mapping():
    (line,) = mistakes(a="WantsList")
    assert "Mapping[str, X]" in line
    assert "channels.c.analyse.a" in line


def test_several_makers_are_ambiguous_and_the_line_says_how_to_choose():
    (line,) = mistakes(a="NeedsFit", b="MakesFit", c="AlsoMakesFit")
    assert "inputs: {fit: b}" in line
    assert "b, c" in line


def test_an_optional_input_is_ambiguous_too():
    (line,) = mistakes(a="MayUseFit", b="MakesFit", c="AlsoMakesFit")
    assert "inputs: {fit:" in line


def test_the_job_chooses_among_several_makers():
    planned = plan(a={"unit": "NeedsFit", "inputs": {"fit": "c"}}, b="MakesFit", c="AlsoMakesFit")
    assert wires(planned, "a") == {"fit": ("c",)}


def test_a_choice_that_makes_something_else_is_a_mistake():
    (line,) = mistakes(a={"unit": "NeedsFit", "inputs": {"fit": "d"}}, b="MakesFit", d="MayUseFit")
    assert "'d'" in line
    assert "inputs.fit" in line


def test_an_input_that_the_unit_does_not_take_is_a_mistake():
    lines = mistakes(a={"unit": "NeedsFit", "inputs": {"fitt": "b"}}, b="MakesFit")
    assert any("fitt" in line and "it takes: fit" in line for line in lines)


def test_a_required_input_that_nobody_makes_is_a_mistake():
    (line,) = mistakes(a="NeedsFit")
    assert "Fit" in line
    assert "no instance" in line


def test_an_instance_never_meets_its_own_input():
    (line,) = mistakes(a="RefinesFit")
    assert "no instance" in line
    assert wires(plan(a="RefinesFit", b="MakesFit"), "a") == {"fit": ("b",)}
    assert mistakes(a={"unit": "RefinesFit", "inputs": {"fit": "a"}})


def test_a_cycle_is_a_mistake_that_names_its_members():
    (line,) = mistakes(a="RiseOfScore", b="ScoreOfRise")
    assert "a" in line
    assert "→" in line


@pytest.mark.parametrize(
    "unit", ["NoHint", "NoResult", "NotAUnit", "NoVersion", "Broken", "AcceptAll", "NeedsFitt"]
)
def test_what_is_no_analyser_is_a_mistake_at_its_place(unit):
    (line,) = mistakes(a=unit)
    assert "channels.c.analyse.a" in line


def test_a_misspelt_unit_is_told_the_nearest_one():
    assert "did you mean NeedsFit?" in mistakes(a="NeedsFitt")[0]


def test_an_unknown_parameter_lists_those_there_are_and_a_mistyped_one_says_so():
    assert "scale" in mistakes(a={"unit": "MakesFit", "config": {"scalee": 1}})[0]
    (line,) = mistakes(a={"unit": "MakesFit", "config": {"scale": "much"}})
    assert "scale" in line
    assert "'much'" in line
    for value in (float("nan"), float("inf")):
        assert "scale" in mistakes(a={"unit": "MakesFit", "config": {"scale": value}})[0]


def test_an_unknown_label_lists_those_there_are():
    with pytest.raises(JobError) as caught:
        plan_job(spec({}, access=["ztf_secret"]), "job.yaml")
    (line,) = caught.value.lines
    assert line.startswith("job.yaml: channels.c.access: ")
    assert "ztf_public" in line


@pytest.mark.parametrize("unit, config, access, wanted", [
    ("SimpleDecentFilter", {}, "lsst_public", "ztf"),
    ("DecentVroFilter", {"min_ndet": 1, "min_tspan": 0, "max_tspan": 9, "min_abs_gal_lat": 0, "gaia_rs": 0},
     "ztf_public", "lsst"),
])  # fmt: skip
def test_a_filter_needs_a_label_of_the_survey_whose_alerts_it_judges(unit, config, access, wanted):
    chosen = {"unit": unit, "config": config}
    with pytest.raises(JobError) as caught:
        plan_job(spec({}, access=[access], filter=chosen), "job.yaml")
    (line,) = caught.value.lines
    assert line.startswith(f"job.yaml: channels.c.filter: {unit} judges alerts of {wanted} alone")
    assert f"{wanted}_public" in line
    both = spec({}, access=["lsst_public", "ztf_public"], filter=chosen)
    assert plan_job(both, "job.yaml").channels[0].filter.ref.unit == unit


def test_all_mistakes_are_told_at_once():
    assert len(mistakes(a="NeedsFit", b={"unit": "WantsList"}, c={"unit": "Nonsense"})) >= 2


def test_a_plan_has_one_id_whatever_the_order_of_its_keys_and_defaults_enter():
    one = plan(a="NeedsFit", b="MakesFit")
    other = plan(b={"unit": "MakesFit", "config": {"scale": 1.0}}, a="NeedsFit")
    assert one.id == other.id
    assert plan(a="NeedsFit", b={"unit": "MakesFit", "config": {"scale": 2.0}}).id != one.id
    assert plan(a2="NeedsFit", b="MakesFit").id != one.id


def test_an_integer_for_a_float_is_the_same_config():
    assert (
        plan(b={"unit": "MakesFit", "config": {"scale": 2}}).id
        == plan(b={"unit": "MakesFit", "config": {"scale": 2.0}}).id
    )


def test_a_summary_needs_channels_of_the_job():
    text = {"name": "job", "channels": {"c": {"access": ["ztf_public"], "filter": {"unit": "AcceptAll"}}},
            "summarise": {"t": {"unit": "CandidateTable", "channels": ["d"], "to": ["file"]}}}  # fmt: skip
    with pytest.raises(JobError) as caught:
        plan_job(JobSpec.model_validate(text), "job.yaml")
    assert "summarise.t.channels" in caught.value.lines[0]


def test_a_summary_carries_the_labels_of_all_its_channels_and_goes_where_all_are_granted():
    channel = {"access": ["ztf_public"], "filter": {"unit": "AcceptAll"}}
    channels = {"c": channel, "d": channel | {"access": ["ztf_private"]}}
    table = {"unit": "CandidateTable", "channels": ["c", "d"], "to": ["file"]}
    text = {"name": "job", "channels": channels, "summarise": {"t": table}}
    (planned,) = plan_job(JobSpec.model_validate(text), "job.yaml").summaries
    assert planned.labels == {"ztf_public", "ztf_private"}
    with pytest.raises(JobError) as caught:
        plan_job(JobSpec.model_validate(text), "job.yaml", outlets={"file": PUBLIC})
    assert caught.value.lines == ("job.yaml: summarise.t.to: 'file' is not granted ztf_private",)


def test_whoever_builds_on_results_sees_the_unit_that_makes_them_and_its_catalogues(tmp_path):
    made = catalogue_of(tmp_path, [{"ra": 150.0, "dec": 2.0, "z": 0.1}])
    match = {"unit": "CatalogMatch", "config": {"catalogs": {"galaxies": {"rs_arcsec": 10}}}}
    job = spec({"host": {"unit": "DigestRedshifts"}, "match": match})
    job.resources["galaxies"] = ResourceSpec(catalogue=str(made.path))
    with pytest.raises(JobError) as caught:
        plan_job(job, "job.yaml")
    (line,) = caught.value.lines
    assert line.startswith("job.yaml: channels.c.analyse.host: no redshift of galaxies belongs to")


def test_the_code_digest_is_that_of_the_modules_text():
    unit = installed.configure("MakesFit", {})
    ref = installed.reference("MakesFit", unit)
    assert (ref.unit, ref.version) == ("MakesFit", "1")
    assert ref.code == installed.reference("AlsoMakesFit", installed.configure("AlsoMakesFit", {})).code
    assert ref.code != installed.reference("AcceptAll", installed.configure("AcceptAll", {})).code


def test_units_are_frozen():
    with pytest.raises(ValidationError):
        installed.configure("MakesFit", {}).scale = 2.0


def test_configuring_with_names_that_are_no_text_is_an_error_in_one_line():
    with pytest.raises(SettingsError):
        installed.configure("MakesFit", yaml.safe_load("{1: 2}"))


@pytest.mark.parametrize("resource", [{}, {"inputs": {"galaxies": "stars"}}])
def test_a_catalogue_that_cannot_be_opened_is_told_once(tmp_path, resource):
    match = {"unit": "CatalogMatch", "config": {"catalogs": {"stars": {"rs_arcsec": 2.0}}}}
    channel = {
        "access": ["ztf_public"],
        "filter": {"unit": "RedshiftCatalogFilter", "config": {"max_tspan": 25, "min_rb": 0.3}} | resource,
        "analyse": {"match": match},
    }
    job = {"name": "job", "resources": {"stars": {"catalogue": "nowhere"}}, "channels": {"c": channel}}
    with pytest.raises(JobError) as caught:
        plan_job(JobSpec.model_validate(job), "job.yaml", tmp_path)
    (line,) = caught.value.lines
    assert line == f"job.yaml: resources.stars: {tmp_path}/nowhere: no such folder"


def test_a_catalogue_that_is_not_in_the_job_is_told_once():
    stars = {
        "unit": "RedshiftCatalogFilter",
        "config": {"max_tspan": 25, "min_rb": 0.3},
        "inputs": {"galaxies": "stars"},
    }
    with pytest.raises(JobError) as caught:
        plan_job(spec({}, filter=stars), "job.yaml")
    assert caught.value.lines == (
        "job.yaml: channels.c.filter.inputs.galaxies: the job has no catalogue 'stars'",
    )


def with_table(config, analyse, of=("c", "d")):
    channels = {
        name: {"access": ["ztf_public"], "filter": {"unit": "AcceptAll"}, "analyse": units}
        for name, units in {"c": analyse, "d": {}}.items()
    }
    table = {"unit": "CandidateTable", "channels": list(of), "to": ["file"], "config": config}
    return JobSpec.model_validate({"name": "job", "channels": channels, "summarise": {"t": table}})


def test_a_column_that_no_channel_of_a_summary_has_is_a_mistake():
    fit = {"fit": {"unit": "MakesFit"}}
    assert plan_job(with_table({"only": "fit.x", "columns": ["fit.result"]}, fit), "job.yaml").summaries
    with pytest.raises(JobError) as caught:
        plan_job(with_table({"only": "fit.y"}, fit), "job.yaml")
    assert caught.value.lines == ("job.yaml: summarise.t: only: fit has no 'y'; it has: x",)
    with pytest.raises(JobError) as caught:
        plan_job(with_table({"only": "fit.x"}, fit, of=("d",)), "job.yaml")
    assert caught.value.lines[0].startswith("job.yaml: summarise.t: only: there is no column 'fit.x'; ")


@pytest.mark.parametrize("analyse", [
    {"fit": {"unit": "MakeFit"}},
    {"fit": {"unit": "RiseOfScore"}, "score": {"unit": "ScoreOfRise"}},
])  # fmt: skip
def test_columns_of_a_channel_with_a_mistake_are_not_told_too(analyse):
    with pytest.raises(JobError) as caught:
        plan_job(with_table({"only": "fit.x"}, analyse), "job.yaml")
    (line,) = caught.value.lines
    assert line.startswith("job.yaml: channels.c.analyse")

"""Reactions in jobs: wired like analysers, apart from each other, and never more told than granted."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from skymesh.errors import JobError
from skymesh.jobs.outlets import ALL_GRANTED, USUAL_GRANTS
from skymesh.jobs.plan import plan_job
from skymesh.jobs.spec import JobSpec
from skymesh.model.run import job_id

ANALYSE = {"fit": "MakesFit", "score": "NeedsFit"}


def spec(react, analyse=ANALYSE, access=("ztf_public",)):
    channel = {
        "access": list(access),
        "filter": {"unit": "AcceptAll"},
        "analyse": {name: {"unit": unit} for name, unit in analyse.items()},
        "react": {name: {"to": ["file"]} | told for name, told in react.items()},
    }
    return JobSpec.model_validate({"name": "job", "channels": {"c": channel}})


def plan(react, outlets=USUAL_GRANTS, **more):
    return plan_job(spec(react, **more), "job.yaml", outlets=outlets)


def only(react, **more):
    (reaction,) = plan(react, **more).channels[0].reactions
    return reaction


def mistakes(react, **more):
    with pytest.raises(JobError) as caught:
        plan(react, **more)
    assert all(line.startswith("job.yaml: channels.c.react.") for line in caught.value.lines)
    assert not any("\n" in line for line in caught.value.lines)
    return caught.value.lines


def wires(reaction):
    return {wire.hint.name: wire.sources for wire in reaction.wires}


def test_results_are_wired_as_for_analysers():
    assert wires(only({"r": {"unit": "TellsFit"}})) == {"fit": ("fit",), "rise": (), "scores": ("score",)}


def test_the_view_the_curve_and_the_reaction_itself_need_no_instance():
    assert wires(only({"r": {"unit": "TellsAll"}}, analyse={})) == {"view": (), "curve": (), "reaction": ()}


def test_memory_is_wired_to_the_instance_that_makes_the_result_and_may_be_absent():
    assert wires(only({"r": {"unit": "Remembers"}})) == {"previous": ("fit",), "last": ()}
    assert wires(only({"r": {"unit": "Remembers"}}, analyse={})) == {"previous": (), "last": ()}
    two = {"fit": "MakesFit", "other": "AlsoMakesFit"}
    chosen = {"unit": "Remembers", "inputs": {"previous": "other"}}
    assert wires(only({"r": chosen}, analyse=two))["previous"] == ("other",)
    (line,) = mistakes({"r": {"unit": "Remembers"}}, analyse=two)
    assert "say inputs: {previous: fit}" in line


@pytest.mark.parametrize("unit, said", [
    ("Presumes", "there may be nothing before; ask for … | None"),
    ("PresumesDelivery", "there may be nothing before; ask for … | None"),
    ("RemembersNothing", "say which result, as in Earlier[MyResult] | None"),
    ("RemembersAnything", "say which result, as in Earlier[MyResult] | None"),
    ("TellsPoints", "TellsPoints.react(points): a reaction is not given datapoints"),
    ("TellsUnhinted", "every parameter needs a type hint"),
    ("TellsNothing", "TellsNothing has no method react"),
    ("MakesFit", "MakesFit is no Reactor"),
    ("Remember", "did you mean Remembers?"),
])  # fmt: skip
def test_what_is_no_reaction_is_a_mistake_at_its_place(unit, said):
    (line,) = mistakes({"r": {"unit": unit}})
    assert line.startswith("job.yaml: channels.c.react.r: ")
    assert said in line


def test_an_analyser_is_given_no_view():
    with pytest.raises(JobError, match="nothing in a job makes"):
        plan({}, analyse={"a": "AnalysesViews"})


def test_a_required_result_that_nobody_makes_is_a_mistake():
    (line,) = mistakes({"r": {"unit": "TellsFit"}}, analyse={})
    assert "fit wants Fit, which no instance of the channel makes" in line


def test_a_condition_is_checked_against_the_results_of_the_channel():
    (line,) = mistakes({"r": {"unit": "TellsAll", "when": "fit.y > 1"}})
    assert line == "job.yaml: channels.c.react.r.when: fit has no 'y'; it has: x"
    (line,) = mistakes({"r": {"unit": "TellsAll", "when": "fitt.x > 1"}})
    assert "no instance 'fitt'; there are: fit, score" in line
    assert only({"r": {"unit": "TellsAll", "when": "fit.x > 1"}}).when.instances == ("fit",)


@pytest.mark.parametrize("told", [{"to": []}, {"to": ["slack"]}, {"once": "day"}, {"when": 3}, {"if": "x"}])
def test_unknown_outlets_keys_and_values_are_mistakes(told):
    with pytest.raises(ValidationError):
        spec({"r": {"unit": "TellsAll"} | told})


def test_a_reaction_says_where_it_goes():
    with pytest.raises(ValidationError):
        JobSpec.model_validate({"name": "j", "channels": {"c": {
            "access": ["ztf_public"], "filter": {"unit": "AcceptAll"}, "react": {"r": {"unit": "TellsAll"}},
        }}})  # fmt: skip


def test_an_outlet_twice_is_a_mistake():
    (line,) = mistakes({"r": {"unit": "TellsAll", "to": ["file", "file"]}})
    assert line == "job.yaml: channels.c.react.r.to: 'file' is there twice"


@pytest.mark.parametrize("outlet", ["kafka", "webhook"])
def test_an_outlet_that_is_not_granted_what_the_channel_sees_is_refused(outlet):
    access = ("ztf_private", "ztf_public", "ztf_caltech")
    assert only({"r": {"unit": "TellsAll"}}, access=access).outlets == ("file",)
    react = {"r": {"unit": "TellsAll", "to": [outlet]}}
    assert only(react).outlets == (outlet,)
    (line,) = mistakes(react, access=access)
    assert line == f"job.yaml: channels.c.react.r.to: {outlet!r} is not granted ztf_caltech, ztf_private"
    more = USUAL_GRANTS | {outlet: frozenset(access)}
    assert only(react, access=access, outlets=more).outlets == (outlet,)
    assert only(react, access=access, outlets=ALL_GRANTED).outlets == (outlet,)


@pytest.mark.parametrize("outlet,once", [("file", "state"), ("kafka", "stock"), ("webhook", "stock")])
def test_what_cannot_be_taken_back_is_told_once_for_an_object(outlet, once):
    assert only({"r": {"unit": "TellsAll", "to": ["file", outlet][outlet == "file" :]}}).once == once
    assert only({"r": {"unit": "TellsAll", "to": [outlet], "once": "state"}}).once == "state"


def test_reactions_that_an_outlet_could_not_tell_apart_are_a_mistake():
    same = {"unit": "TellsAll", "when": "fit.x > 1"}
    (line,) = mistakes({"one": same, "two": same | {"when": "fit.x > 2"}})
    assert line == (
        "job.yaml: channels.c.react.two: tells 'file' the same as 'one': the same unit and config;"
        " give one of them another config, such as a title"
    )
    apart = [same | {"config": {"text": "other"}}, same | {"once": "stock"}, {"unit": "Remembers"}]
    for other in apart:
        assert len(plan({"one": same, "two": other}).channels[0].reactions) == 2


def test_no_reaction_is_called_as_the_journal_calls_views():
    (line,) = mistakes({"view": {"unit": "TellsAll"}})
    assert line.startswith("job.yaml: channels.c.react.view: 'view' is what the journal calls")


def test_a_job_without_reactions_has_the_id_that_it_had_before_there_were_any():
    planned = plan({})
    assert "react" not in planned.resolved["channels"]["job/c"]
    assert planned.id == job_id(planned.resolved)


def test_reactions_enter_the_id_of_the_job():
    ids = {
        plan({"r": told}).id
        for told in (
            {"unit": "TellsAll"}, {"unit": "Remembers"}, {"unit": "TellsAll", "when": "fit.x > 1"},
            {"unit": "TellsAll", "once": "stock"}, {"unit": "TellsAll", "config": {"text": "x"}},
        )
    }  # fmt: skip
    assert len(ids | {plan({}).id, plan({"s": {"unit": "TellsAll"}}).id}) == 7
    written = plan({"r": {"unit": "TellsAll", "when": " fit.x > 1\n", "once": "state"}})
    assert written.id == plan({"r": {"unit": "TellsAll", "when": "fit.x > 1"}}).id


def test_the_units_of_reactions_are_among_those_of_the_plan():
    assert "TellsAll" in {ref.unit for ref, _ in plan({"r": {"unit": "TellsAll"}}).units()}


@pytest.mark.parametrize("told, text", [(True, "True"), (False, "False")])
def test_a_condition_that_yaml_reads_as_a_flag_is_the_same_as_its_text(told, text):
    assert only({"r": {"unit": "TellsAll", "when": told}}).when.text == text

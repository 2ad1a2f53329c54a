"""Which pool runs an analyser: its own say, the job's say before it, and names that topics can have."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skymesh.errors import JobError
from skymesh.jobs.plan import plan_job
from skymesh.jobs.pools import named_pools, pool_problem, pools_of
from skymesh.jobs.spec import JobSpec
from skymesh.runtime.topics import states_of, topic_of


def plan(**analyse):
    channel = {"access": ["ztf_public"], "filter": {"unit": "AcceptAll"}, "analyse": analyse}
    return plan_job(JobSpec.model_validate({"name": "job", "channels": {"c": channel}}), "job.yaml")


def pools(planned):
    return {instance.name: instance.pool for instance in planned.channels[0].instances}


def test_a_unit_names_its_pool_and_a_job_may_name_another_or_none():
    planned = plan(
        own={"unit": "RunsInHeavy"},
        moved={"unit": "RunsInHeavy", "pool": "gpu"},
        home={"unit": "RunsInHeavy", "pool": ""},
        sent={"unit": "MakesFit", "pool": "heavy"},
        none={"unit": "MakesFit"},
    )
    expected = {"own": "heavy", "moved": "gpu", "home": "", "sent": "heavy", "none": ""}
    assert pools(planned) == expected
    assert pools_of(planned.resolved) == {"job/c": expected}
    assert named_pools(planned.resolved) == {"heavy", "gpu"}


def test_executions_know_nothing_of_pools_and_a_job_without_any_is_what_it_was():
    here, there = plan(a={"unit": "MakesFit"}), plan(a={"unit": "MakesFit", "pool": "heavy"})
    assert here.channels[0].instances[0].ref == there.channels[0].instances[0].ref
    assert plan(a={"unit": "MakesFit", "pool": ""}).id == here.id
    assert "pool" not in here.resolved["channels"]["job/c"]["analyse"]["a"]


def test_a_job_that_goes_another_way_is_another_run():
    ways = [plan(a={"unit": "MakesFit", "pool": pool}).id for pool in ("", "heavy", "gpu")]
    assert len(set(ways)) == 3


def test_a_planned_job_is_planned_again_with_its_pools():
    planned = plan(a={"unit": "MakesFit", "pool": "heavy"}, b={"unit": "RunsInHeavy"})
    again = plan_job(JobSpec.model_validate(planned.spec), "job.yaml")
    assert (again.id, pools(again)) == (planned.id, pools(planned))


@pytest.mark.parametrize(
    "analyser, told",
    [
        ({"unit": "RunsNowhere"}, "'Heavy.Duty'"),
        ({"unit": "MakesFit", "pool": "9"}, "'9'"),
        ({"unit": "MakesFit", "pool": "x" * 33}, "'xxxx"),
    ],
    ids=["its own", "the job's", "too long"],
)
def test_a_name_that_is_none_is_one_line_with_its_place(analyser, told):
    with pytest.raises(JobError) as caught:
        plan(a=analyser)
    (line,) = caught.value.lines
    assert line.startswith(f"job.yaml: channels.c.analyse.a.pool: {told}")
    assert "is no name of a pool" in line


@given(st.from_regex(r"[a-z0-9A-Z._-]{0,34}", fullmatch=True))
def test_every_name_that_passes_makes_a_topic(name):
    if not pool_problem(name):
        topic = topic_of(states_of(name), "live")
        assert topic.isascii()
        assert len(topic) < 64
        assert topic.split(".")[2].partition("-")[::2] == ("states", name)

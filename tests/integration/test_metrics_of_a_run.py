"""Metrics fed with the journal of a run come to the numbers that the run itself reports."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from skymesh.model.execution import JournalEntry
from skymesh.telemetry.mesh_metrics import MeshMetrics
from support import nights
from support.mesh import channel, documents, run_files, write_files, write_job

OUTCOMES = ("ok", "missing", "failed")


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What a run over a small night reports, the registry that was fed with its journal, and the journal."""
    folder = write_files(tmp_path_factory.mktemp("night"), nights.packets())
    job = write_job(folder / "job.yaml", nights.channels())
    numbers = run_files(job, folder / "alerts", folder / "out")
    entries = documents(folder / "out" / "store.db", JournalEntry)
    registry = CollectorRegistry()
    MeshMetrics("local", registry).journaled(entries)
    return numbers, registry, entries


def total(registry, name, **labels):
    """Sum the series of a name that have some labels."""
    samples = (sample for family in registry.collect() for sample in family.samples if sample.name == name)
    return sum(s.value for s in samples if labels.items() <= s.labels.items())


def test_alerts_and_datapoints(told):
    numbers, registry, _ = told
    alerts = {
        o: total(registry, "skymesh_alerts_total", outcome=o) for o in ("published", "dead", "duplicate")
    }
    assert alerts == {name: numbers["alerts"][name] for name in alerts}
    assert numbers["alerts"]["duplicate"] > 0
    registered = total(registry, "skymesh_alerts_total", tier="t0", outcome="registered")
    assert registered == numbers["alerts"]["published"] - numbers["alerts"]["duplicate"]
    assert total(registry, "skymesh_datapoints_total") == numbers["datapoints"]


def test_verdicts_of_every_channel(told):
    numbers, registry, _ = told
    for name, counts in numbers["channels"].items():
        for outcome in ("accepted", "rejected"):
            of_t0 = {"tier": "t0", "channel": name, "outcome": outcome}
            assert total(registry, "skymesh_executions_total", **of_t0) == counts[outcome]
        states = total(registry, "skymesh_executions_total", tier="t3", channel=name, unit="view")
        assert states == counts["states"]


def test_executions_of_every_unit_and_their_time(told):
    numbers, registry, _ = told
    assert numbers["units"]
    for name, unit in numbers["units"].items():
        owner = name.rpartition(".")[0]
        same = [
            u for n, u in numbers["units"].items() if n.startswith(f"{owner}.") and u["unit"] == unit["unit"]
        ]
        who = {"tier": "t2", "channel": owner, "unit": unit["unit"]}
        for outcome in OUTCOMES:
            counted = total(registry, "skymesh_executions_total", **who, outcome=outcome)
            assert counted == sum(one[outcome] for one in same)
        memoised = total(registry, "skymesh_executions_memoised_total", **who)
        assert memoised == sum(one["memoised"] for one in same)
        seconds = total(registry, "skymesh_unit_seconds_total", **who)
        assert seconds == pytest.approx(sum(one["seconds"] for one in same), abs=1e-3)


UNITS = {
    "t0": {"AcceptAll", "SampleFilter"},
    "t1": {"VisiblePoints", "RetroStates"},
    "t2": {"LightCurveSummary", "FastDecliner"},
    "t3": {"VOEvent"},
}


def test_units_of_every_tier_take_cpu_time_and_tiers_themselves_are_no_units(told):
    _, registry, _ = told
    counted = {
        (sample.labels["tier"], sample.labels["unit"]): sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == "skymesh_unit_cpu_seconds_total"
    }
    assert counted.keys() == {(tier, unit) for tier, units in UNITS.items() for unit in units}
    for (tier, unit), cpu_s in counted.items():
        # The two clocks are read one after the other, for each execution.
        seconds = total(registry, "skymesh_unit_seconds_total", tier=tier, unit=unit)
        assert 0 < cpu_s < seconds + 0.001


def test_an_entry_takes_what_its_lines_took_where_each_was_timed(told):
    *_, entries = told
    timed = [entry for entry in entries if entry.tier in {"t2", "t3"} and entry.channel and entry.ref]
    assert {entry.tier for entry in timed} == {"t2", "t3"}
    for entry in timed:
        assert entry.cpu_s == pytest.approx(sum(line.cpu_s for line in entry.lines))
        assert entry.seconds == pytest.approx(sum(line.seconds for line in entry.lines))


def test_a_condition_that_is_never_met_takes_its_time(told):
    *_, entries = told
    never = [line for entry in entries if entry.instance == "never" for line in entry.lines]
    assert {line.outcome for line in never} == {"unmet"}
    assert all(line.cpu_s > 0 for line in never)


def test_channels_that_share_a_combiner_are_not_both_told_what_it_took(tmp_path):
    folder = write_files(tmp_path / "night", nights.packets())
    job = write_job(folder / "job.yaml", {name: channel() for name in ("one", "other")})
    run_files(job, folder / "alerts", folder / "out")
    entries = documents(folder / "out" / "store.db", JournalEntry)
    cpu_s = dict.fromkeys(("job/one", "job/other"), 0.0)
    for entry in entries:
        if entry.instance == "combine":
            cpu_s[entry.channel] += entry.cpu_s
    assert cpu_s["job/one"] > 0
    assert cpu_s["job/other"] == 0

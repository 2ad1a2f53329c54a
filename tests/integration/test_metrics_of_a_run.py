"""Metrics fed with the journal of a run come to the numbers that the run itself reports."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from skymesh.model.execution import JournalEntry
from skymesh.telemetry.mesh_metrics import MeshMetrics
from support import nights
from support.mesh import documents, run_files, write_files, write_job

OUTCOMES = ("ok", "missing", "failed")


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What a run over a small night reports, and the registry that was fed with its journal."""
    folder = write_files(tmp_path_factory.mktemp("night"), nights.packets())
    job = write_job(folder / "job.yaml", nights.channels())
    numbers = run_files(job, folder / "alerts", folder / "out")
    registry = CollectorRegistry()
    MeshMetrics("local", registry).journaled(documents(folder / "out" / "store.db", JournalEntry))
    return numbers, registry


def total(registry, name, **labels):
    """Sum the series of a name that have some labels."""
    samples = (sample for family in registry.collect() for sample in family.samples if sample.name == name)
    return sum(s.value for s in samples if labels.items() <= s.labels.items())


def test_alerts_and_datapoints(told):
    numbers, registry = told
    alerts = {
        o: total(registry, "skymesh_alerts_total", outcome=o) for o in ("published", "dead", "duplicate")
    }
    assert alerts == {name: numbers["alerts"][name] for name in alerts}
    assert numbers["alerts"]["duplicate"] > 0
    registered = total(registry, "skymesh_alerts_total", tier="t0", outcome="registered")
    assert registered == numbers["alerts"]["published"] - numbers["alerts"]["duplicate"]
    assert total(registry, "skymesh_datapoints_total") == numbers["datapoints"]


def test_verdicts_of_every_channel(told):
    numbers, registry = told
    for name, channel in numbers["channels"].items():
        for outcome in ("accepted", "rejected"):
            of_t0 = {"tier": "t0", "channel": name, "outcome": outcome}
            assert total(registry, "skymesh_executions_total", **of_t0) == channel[outcome]
        states = total(registry, "skymesh_executions_total", tier="t3", channel=name, unit="view")
        assert states == channel["states"]


def test_executions_of_every_unit_and_their_time(told):
    numbers, registry = told
    assert numbers["units"]
    for name, unit in numbers["units"].items():
        channel = name.rpartition(".")[0]
        same = [
            u
            for n, u in numbers["units"].items()
            if n.startswith(f"{channel}.") and u["unit"] == unit["unit"]
        ]
        who = {"tier": "t2", "channel": channel, "unit": unit["unit"]}
        for outcome in OUTCOMES:
            counted = total(registry, "skymesh_executions_total", **who, outcome=outcome)
            assert counted == sum(one[outcome] for one in same)
        memoised = total(registry, "skymesh_executions_memoised_total", **who)
        assert memoised == sum(one["memoised"] for one in same)
        seconds = total(registry, "skymesh_unit_seconds_total", **who)
        assert seconds == pytest.approx(sum(one["seconds"] for one in same), abs=1e-3)

"""Metrics say what the journal says, exactly, whatever comes in which batch."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from skymesh.errors import BrokerUnavailableError, PacketError, TransientError, UndecodableAlertError
from skymesh.model.execution import Line, UnitRef
from skymesh.model.run import DeadLetter
from skymesh.provenance.journal import Journalist, Stopwatch
from skymesh.telemetry.mesh_metrics import MeshMetrics
from skymesh.telemetry.metric import BatchHistogram, Metric
from skymesh.telemetry.metrics import METRICS, REPLAYED_AFTER_S

RUN = bytes(16)
NO_CHANNELS: frozenset[str] = frozenset()
NOW_S = 1_790_000_000.0
NOW_MJD_TAI = 40_587 + (NOW_S + 37) / 86_400
OF_JOURNAL = (
    "skymesh_executions_total",
    "skymesh_executions_memoised_total",
    "skymesh_alerts_total",
    "skymesh_datapoints_total",
)

lines = st.builds(
    Line,
    st.just("state:00"),
    st.just("ztf:ZTF18a"),
    st.just(()),
    st.sampled_from(("ok", "missing", "failed", "accepted", "rejected", "reached")),
    is_memoised=st.booleans(),
)


@st.composite
def unit_entries(draw, journalist):
    """What was done for a channel: by a unit, named by its ref, or by the tier, named by the instance."""
    channel = draw(st.sampled_from(("job/a", "job/b")))
    unit = draw(st.sampled_from(("FastDecliner", "RiseDecline")))
    told = draw(st.lists(lines, max_size=12))
    seconds, cpu_s = draw(st.floats(0, 60)), draw(st.floats(0, 60))
    if draw(st.booleans()):
        ref = UnitRef(unit, "1", RUN, RUN)
        return journalist.entry(channel, "a name of the job", ref, told, "", seconds, cpu_s=cpu_s)
    return journalist.entry(channel, unit, None, told, "", seconds, cpu_s=cpu_s)


@st.composite
def batch_entries(draw, journalist):
    """What a tier did itself with a batch of the log."""
    duplicates = draw(st.integers(0, 5))
    alerts = duplicates + draw(st.integers(0, 5))
    counts = {"alerts": alerts, "duplicates": duplicates, "markers": 1, "points": draw(st.integers(0, 99))}
    return journalist.batch((RUN,), Stopwatch(), counts)


@st.composite
def shape_entries(draw, journalist):
    """What ingest did with packets."""
    fates = draw(st.lists(st.sampled_from(("published", "dead")), max_size=12))
    return journalist.entry("", "shape", None, [Line("x", "", (), fate) for fate in fates], "", 0.0)


def register_entries(journalist):
    """What T0 says of a run, whose alerts are those of the log again."""
    told = [Line("alert:00", "ztf:ZTF18a", (), outcome) for outcome in ("accepted", "duplicate")]
    return st.just(journalist.entry("", "register", None, told, "", 0.0, {"points": 7}))


@st.composite
def journals(draw):
    """Entries as tiers write them."""
    kinds = (unit_entries, batch_entries, shape_entries, register_entries)
    entries = []
    for first in range(draw(st.integers(0, 8))):
        journalist = Journalist(RUN, draw(st.sampled_from(("t0", "t2"))), 0, first, first + 1)
        entries.append(draw(draw(st.sampled_from(kinds))(journalist)))
    return entries


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def metrics(registry):
    return MeshMetrics("t2", registry)


def samples(registry, *names):
    """Values by name and labels as they are exposed; those at 0 left out."""
    families = text_string_to_metric_families(generate_latest(registry).decode())
    exposed = [sample for family in families for sample in family.samples if sample.name in names]
    return {(s.name, *sorted(s.labels.items())): s.value for s in exposed if s.value}


def series(name, **labels):
    return (name, *sorted(labels.items()))


def expected_of(entries):
    """Count the lines anew, whatever the entries themselves count of them."""
    expected: Counter[tuple[object, ...]] = Counter()
    for entry in entries:
        unit = entry.ref.unit if entry.ref else entry.instance
        who = {"tier": entry.tier, "channel": entry.channel, "unit": unit}
        for line in entry.lines:
            if entry.channel:
                expected[series("skymesh_executions_total", **who, outcome=line.outcome)] += 1
                expected[series("skymesh_executions_memoised_total", **who)] += line.is_memoised
            elif entry.instance == "shape":
                expected[series("skymesh_alerts_total", tier=entry.tier, outcome=line.outcome)] += 1
        if entry.instance == "batch":
            said = entry.counts
            fates = {"registered": said["alerts"] - said["duplicates"], "duplicate": said["duplicates"]}
            for fate, number in fates.items():
                expected[series("skymesh_alerts_total", tier=entry.tier, outcome=fate)] += number
            expected[series("skymesh_datapoints_total", tier=entry.tier)] += said["points"]
    return {key: number for key, number in expected.items() if number}


@given(journals(), st.integers(1, 4))
def test_counters_equal_the_lines_of_the_journal_whatever_comes_in_which_batch(entries, size):
    registry = CollectorRegistry()
    metrics = MeshMetrics("t2", registry)
    for first in range(0, len(entries), size):
        metrics.journaled(entries[first : first + size])
    assert samples(registry, *OF_JOURNAL) == expected_of(entries)


@given(journals())
def test_seconds_of_units_are_those_of_the_journal(entries):
    registry = CollectorRegistry()
    MeshMetrics("t2", registry).journaled(entries)
    total = sum(samples(registry, "skymesh_unit_seconds_total").values())
    assert total == pytest.approx(sum(entry.seconds for entry in entries if entry.channel))
    cpu_s: Counter[tuple[str, str]] = Counter()
    for entry in entries:
        if entry.channel:
            cpu_s[entry.tier, entry.ref.unit if entry.ref else entry.instance] += entry.cpu_s
    expected = {
        series("skymesh_unit_cpu_seconds_total", tier=tier, unit=unit): seconds
        for (tier, unit), seconds in cpu_s.items()
        if seconds
    }
    assert samples(registry, "skymesh_unit_cpu_seconds_total") == pytest.approx(expected)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.lists(st.floats(0, 10), max_size=20)), max_size=5))
def test_a_histogram_of_batches_is_the_histogram_of_their_values(batches):
    registry, bounds = CollectorRegistry(), (0.5, 1.0, 5.0)
    ours = BatchHistogram(Metric("ours_seconds", "histogram", ("channel",), "x", bounds), registry)
    theirs = Histogram("theirs_seconds", "x", ("channel",), buckets=bounds, registry=registry)
    for channel, batch in batches:
        ours.observe((channel,), np.array(batch))
        for value in batch:
            theirs.labels(channel).observe(value)
    names = ("ours_seconds", "theirs_seconds")
    told = [
        {key[1:]: value for key, value in samples(registry, f"{name}_bucket", f"{name}_count").items()}
        for name in names
    ]
    assert told[0] == told[1]
    sums = [sum(samples(registry, f"{name}_sum").values()) for name in names]
    assert sums[0] == pytest.approx(sums[1])


def test_what_is_declared_is_what_is_exposed(registry, metrics):
    families = {family.name: family for family in registry.collect() if family.name.startswith("skymesh_")}
    declared = {metric.name.removesuffix("_total"): metric for metric in METRICS}
    assert families.keys() == declared.keys()
    for name, metric in declared.items():
        assert (families[name].type, families[name].documentation) == (metric.kind, metric.meaning)
        for sample in families[name].samples:
            assert sample.name in metric.series()
            assert sample.labels.keys() - {"le"} == set(metric.labels)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_names_follow_the_conventions(metric):
    assert metric.name.startswith("skymesh_")
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    for unit in ("millisecond", "minute", "kilobyte", "megabyte", "percent"):
        assert unit not in metric.name
    if metric.kind == "histogram":
        assert metric.buckets == tuple(sorted(set(metric.buckets)))
        assert metric.name.endswith(("_seconds", "_bytes", "_records"))
    assert "stock" not in metric.labels
    assert "run" not in metric.labels


def test_a_batch_counts_once(registry, metrics):
    metrics.committed(
        records=500, read_bytes=2048, published={"results": 40, "provenance": 3}, published_bytes=99
    )
    metrics.committed(records=1, read_bytes=1, published={"results": 1}, published_bytes=1)
    assert registry.get_sample_value("skymesh_records_read_total", {"tier": "t2"}) == 501
    assert registry.get_sample_value("skymesh_read_bytes_total", {"tier": "t2"}) == 2049
    assert registry.get_sample_value("skymesh_published_bytes_total", {"tier": "t2"}) == 100
    results = {"tier": "t2", "record": "results"}
    assert registry.get_sample_value("skymesh_records_published_total", results) == 41
    assert registry.get_sample_value("skymesh_batch_records_sum", {"tier": "t2"}) == 501
    assert registry.get_sample_value("skymesh_batch_bytes_bucket", {"tier": "t2", "le": "1024.0"}) == 1


def test_a_step_that_raises_has_no_time(registry, metrics):
    with metrics.timed("store"):
        pass
    with pytest.raises(BrokerUnavailableError), metrics.timed("commit"):
        raise BrokerUnavailableError("away")
    counts = {
        step: registry.get_sample_value("skymesh_step_seconds_count", {"tier": "t2", "step": step})
        for step in ("store", "commit")
    }
    assert counts == {"store": 1, "commit": 0}


def test_latency_is_from_the_exposure_and_from_the_arrival(registry, metrics):
    minute_ago = NOW_MJD_TAI - 60 / 86_400
    metrics.delayed([int(NOW_S * 1000) - 4000, 0], [minute_ago, minute_ago], [NO_CHANNELS] * 2, now_s=NOW_S)
    of_t2 = {"tier": "t2", "channel": ""}
    assert registry.get_sample_value("skymesh_latency_from_arrival_seconds_count", of_t2) == 1
    assert registry.get_sample_value("skymesh_latency_from_arrival_seconds_sum", of_t2) == pytest.approx(4)
    assert registry.get_sample_value("skymesh_latency_from_observation_seconds_count", of_t2) == 2
    total = registry.get_sample_value("skymesh_latency_from_observation_seconds_sum", of_t2)
    assert total == pytest.approx(120, abs=1e-3)


def test_replays_are_counted_apart_and_the_future_is_no_latency(registry, metrics):
    old = NOW_MJD_TAI - REPLAYED_AFTER_S / 86_400 - 1
    metrics.delayed([0] * 4, [old, old, NOW_MJD_TAI + 1, 0], [NO_CHANNELS] * 4, now_s=NOW_S)
    assert registry.get_sample_value("skymesh_replayed_records_total", {"tier": "t2"}) == 2
    of_t2 = {"tier": "t2", "channel": ""}
    assert registry.get_sample_value("skymesh_latency_from_observation_seconds_count", of_t2) == 1
    assert registry.get_sample_value("skymesh_latency_from_observation_seconds_sum", of_t2) == 0


def test_latency_counts_once_for_every_channel_and_a_replay_once_for_all(registry, metrics):
    ages_s, old = (10, 20, 40, 80), REPLAYED_AFTER_S + 1
    for_channels = [frozenset(names) for names in ("ab", "b", "", "ab", "ab")]
    metrics.delayed(
        [*(int((NOW_S - age) * 1000) for age in ages_s), 0],
        [NOW_MJD_TAI - age / 86_400 for age in (*ages_s, old)],
        for_channels,
        now_s=NOW_S,
    )
    for name in ("skymesh_latency_from_arrival_seconds", "skymesh_latency_from_observation_seconds"):
        counts = {dict(key[1:])["channel"]: n for key, n in samples(registry, f"{name}_count").items()}
        sums_s = {dict(key[1:])["channel"]: total for key, total in samples(registry, f"{name}_sum").items()}
        assert counts == {"a": 2, "b": 3, "": 1}
        assert sums_s == pytest.approx({"a": 90, "b": 110, "": 40}, abs=1e-3)
    assert registry.get_sample_value("skymesh_replayed_records_total", {"tier": "t2"}) == 1


def test_lag_is_told_by_whoever_has_the_partition_and_expiry_while_there_is_any(registry, metrics):
    here, there = ({"tier": "t2", "partition": partition} for partition in ("0", "1"))
    metrics.lagging("t2", "0", 7, expires_in_s=60.0)
    metrics.lagging("t2", "1", 0, expires_in_s=None)
    assert registry.get_sample_value("skymesh_lag_records", here) == 7
    assert registry.get_sample_value("skymesh_lag_records", there) == 0
    assert registry.get_sample_value("skymesh_unread_expiry_seconds", here) == 60
    assert registry.get_sample_value("skymesh_unread_expiry_seconds", there) is None
    metrics.lagging("t2", "0", 0, expires_in_s=None)
    assert registry.get_sample_value("skymesh_unread_expiry_seconds", here) is None
    metrics.released("t2", "0")
    assert registry.get_sample_value("skymesh_lag_records", here) is None


def test_dead_letters_and_retries_begin_at_0_so_that_the_first_is_an_increase(registry, metrics):
    def value(name, **labels):
        return registry.get_sample_value(name, {"tier": "t2", **labels})

    reasons = [kind.code for kind in (PacketError, *PacketError.__subclasses__())]
    assert [value("skymesh_dead_letters_total", reason=reason) for reason in reasons] == [0] * len(reasons)
    errors = [kind.code for kind in (TransientError, *TransientError.__subclasses__())]
    assert [value("skymesh_retries_total", error=error) for error in errors] == [0] * len(errors)
    metrics.buried([DeadLetter(RUN, "night.avro", 3, UndecodableAlertError.code, "no record", b"")])
    metrics.retried(BrokerUnavailableError("away"))
    assert value("skymesh_dead_letters_total", reason="undecodable") == 1
    assert value("skymesh_retries_total", error="broker_unavailable") == 1


def test_group_and_held_reactions(registry, metrics):
    metrics.assigned("t2", 3)
    metrics.assigned("t2", 2)
    metrics.held("telescope", 2)
    metrics.held("telescope", 1)
    of_t2 = {"tier": "t2"}
    assert registry.get_sample_value("skymesh_assigned_partitions", of_t2) == 2
    assert registry.get_sample_value("skymesh_rebalances_total", of_t2) == 2
    assert registry.get_sample_value("skymesh_held_reactions", {**of_t2, "outlet": "telescope"}) == 1


def test_two_services_in_one_process_do_not_count_for_each_other():
    first, second = CollectorRegistry(), CollectorRegistry()
    MeshMetrics("t0", first).committed(records=2, read_bytes=0, published={}, published_bytes=0)
    MeshMetrics("t1", second)
    assert first.get_sample_value("skymesh_records_read_total", {"tier": "t0"}) == 2
    assert second.get_sample_value("skymesh_records_read_total", {"tier": "t1"}) == 0

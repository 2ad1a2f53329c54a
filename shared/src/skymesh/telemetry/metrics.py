"""The metrics of the mesh: every name, with what it means.

Every label has a bounded set of values, so that the number of series does not grow with the alerts:

- ``tier``, ``step``, ``record``: words of the mesh itself;
- ``channel``, ``unit``, ``outlet``: what the deployed jobs name;
- ``outcome``: the words that a tier's journal uses;
- ``reason``, ``error``: codes of the error tree;
- ``partition``: of the tier's input, and only where it is a partition that falls behind;
- ``version``, ``python``: one value in a process.

Stocks, runs, ids and messages are never labels: they stand in the journal.
"""

from __future__ import annotations

from typing import Literal

from skymesh.telemetry.metric import Metric

Step = Literal["read", "find", "process", "store", "deliver", "commit"]
"""The steps of a batch, in their order: see `skymesh.runtime.loop`."""

REPLAYED_AFTER_S = 86_400.0
"""Alerts observed longer ago than a day are a replay: they would drown the latency of the others."""

_KB, _MB = 1024.0, 1024.0**2
_STEP_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_ARRIVAL_BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 35.0, 60.0, 120.0, 300.0, 900.0, 3600.0)
_OBSERVATION_BUCKETS = (
    *(10.0, 20.0, 35.0, 60.0, 90.0, 120.0, 180.0, 300.0, 600.0, 900.0, 1800.0),
    *(3600.0, 7200.0, 14_400.0, 28_800.0, REPLAYED_AFTER_S),
)
_RECORD_BUCKETS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0)
_BYTE_BUCKETS = (_KB, 4 * _KB, 16 * _KB, 64 * _KB, 256 * _KB, _MB, 4 * _MB, 16 * _MB, 32 * _MB, 64 * _MB)

_OF_UNIT = ("tier", "channel", "unit")

READ = Metric("skymesh_records_read_total", "counter", ("tier",), "Records read and committed.")
READ_BYTES = Metric("skymesh_read_bytes_total", "counter", ("tier",), "Bytes of the records read.")
PUBLISHED = Metric(
    "skymesh_records_published_total", "counter", ("tier", "record"), "Records published, by kind of record."
)
PUBLISHED_BYTES = Metric("skymesh_published_bytes_total", "counter", ("tier",), "Bytes published.")
BATCH_RECORDS = Metric(
    "skymesh_batch_records", "histogram", ("tier",), "Records in a batch.", _RECORD_BUCKETS
)
BATCH_BYTES = Metric("skymesh_batch_bytes", "histogram", ("tier",), "Bytes read in a batch.", _BYTE_BUCKETS)
STEP_SECONDS = Metric(
    "skymesh_step_seconds",
    "histogram",
    ("tier", "step"),
    "Time of each step of a batch: read (bus), find (store), process, store, deliver, commit (transaction).",
    _STEP_BUCKETS,
)
ALERTS = Metric(
    "skymesh_alerts_total",
    "counter",
    ("tier", "outcome"),
    "Alerts of the log by fate, whatever jobs make of them: published or dead at ingest, registered or "
    "duplicate at T0.",
)
DATAPOINTS = Metric(
    "skymesh_datapoints_total", "counter", ("tier",), "Datapoints registered for a stock by T0."
)
EXECUTIONS = Metric(
    "skymesh_executions_total",
    "counter",
    (*_OF_UNIT, "outcome"),
    "Executions by outcome, remembered ones among them: verdicts at T0, combinations at T1, results at T2, "
    "reactions at T3, deliveries.",
)
MEMOISED = Metric(
    "skymesh_executions_memoised_total", "counter", _OF_UNIT, "Executions that were remembered, not computed."
)
UNIT_SECONDS = Metric("skymesh_unit_seconds_total", "counter", _OF_UNIT, "Wall time of units.")
UNIT_CPU_SECONDS = Metric(
    "skymesh_unit_cpu_seconds_total",
    "counter",
    ("tier", "unit"),
    "CPU time of units; channels that ask for the same share it.",
)
FROM_OBSERVATION = Metric(
    "skymesh_latency_from_observation_seconds",
    "histogram",
    ("tier", "channel"),
    "Time from the exposure of the alert's own point until the tier has committed, once for every channel "
    "that the record is for (empty: none, or not known yet); replays left out.",
    _OBSERVATION_BUCKETS,
)
FROM_ARRIVAL = Metric(
    "skymesh_latency_from_arrival_seconds",
    "histogram",
    ("tier", "channel"),
    "Time from the alert's arrival in the log (ingest: its packet's in the survey's stream) until the tier "
    "has committed, once for every channel that the record is for (empty: none, or not known yet).",
    _ARRIVAL_BUCKETS,
)
REPLAYED = Metric(
    "skymesh_replayed_records_total", "counter", ("tier",), "Records of alerts observed over a day ago."
)
LAG = Metric(
    "skymesh_lag_records", "gauge", ("tier", "partition"), "Records not read yet; 0 when all is done."
)
EXPIRY = Metric(
    "skymesh_unread_expiry_seconds",
    "gauge",
    ("tier", "partition"),
    "Time until the oldest unread record expires; absent where nothing unread will.",
)
DEAD_LETTERS = Metric("skymesh_dead_letters_total", "counter", ("tier", "reason"), "Dead letters by reason.")
HELD_REACTIONS = Metric(
    "skymesh_held_reactions", "gauge", ("tier", "outlet"), "Reactions that wait for a person's decision."
)
RETRIES = Metric(
    "skymesh_retries_total", "counter", ("tier", "error"), "Batches tried again because a service was away."
)
PARTITIONS = Metric("skymesh_assigned_partitions", "gauge", ("tier",), "Partitions that this worker reads.")
REBALANCES = Metric("skymesh_rebalances_total", "counter", ("tier",), "Assignments of partitions received.")
BUILD = Metric("skymesh_build_info", "gauge", ("tier", "version", "python"), "Always 1: what is running.")

METRICS = (
    *(READ, READ_BYTES, PUBLISHED, PUBLISHED_BYTES, BATCH_RECORDS, BATCH_BYTES, STEP_SECONDS),
    *(ALERTS, DATAPOINTS, EXECUTIONS, MEMOISED, UNIT_SECONDS, UNIT_CPU_SECONDS),
    *(FROM_OBSERVATION, FROM_ARRIVAL, REPLAYED, LAG, EXPIRY),
    *(DEAD_LETTERS, HELD_REACTIONS, RETRIES, PARTITIONS, REBALANCES, BUILD),
)

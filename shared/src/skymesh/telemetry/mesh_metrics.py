"""The metrics of a running service, and the calls by which it feeds them."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, get_args

import numpy as np
from prometheus_client import Counter
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import CollectorRegistry

from skymesh.errors import MeshError, PacketError, TransientError
from skymesh.model.execution import JournalEntry
from skymesh.model.run import DeadLetter
from skymesh.provenance.journal import BATCH
from skymesh.telemetry import metrics
from skymesh.telemetry.metric import BatchHistogram, Counters
from skymesh.telemetry.metrics import REPLAYED_AFTER_S, Step

_MEMOISED = "memoised"
"""What the journal counts beside the outcomes of executions."""

_UNIX_EPOCH_MJD = 40_587.0
_TAI_MINUS_UTC_S = 37.0
"""Since 2017. Before that it was less, but what was observed then is a replay."""


def new_registry() -> CollectorRegistry:
    """Return a registry for the metrics of one service."""
    return CollectorRegistry()


class MeshMetrics:
    """The metrics of one service.

    The loop calls, for each batch: `timed` around every step; then, once the batch is committed and so
    counted once whatever crashed before, `committed`, `journaled` with the outcome's journal, `buried`
    with its dead letters and `delayed` with the times and channels that its records carry. A batch that is
    tried again calls `retried`; the group calls `assigned` and `released`; whoever looks at offsets calls
    `lagging`, the deliverer `held`. A batch costs tens of microseconds for each of its channels, and about
    one for each of its records.

    Parameters
    ----------
    tier
        Name of the service's tier.
    registry
        Where the metrics are exposed: one of its own for each service.
    """

    def __init__(self, tier: str, registry: CollectorRegistry) -> None:
        self._tier = tier
        self._read = metrics.READ.counter(registry).labels(tier)
        self._read_bytes = metrics.READ_BYTES.counter(registry).labels(tier)
        self._published = Counters(metrics.PUBLISHED.counter(registry))
        self._published_bytes = metrics.PUBLISHED_BYTES.counter(registry).labels(tier)
        self._batch_records = metrics.BATCH_RECORDS.histogram(registry).labels(tier)
        self._batch_bytes = metrics.BATCH_BYTES.histogram(registry).labels(tier)
        steps = metrics.STEP_SECONDS.histogram(registry)
        self._steps = {step: steps.labels(tier, step) for step in get_args(Step)}
        self._alerts = Counters(metrics.ALERTS.counter(registry))
        self._datapoints = Counters(metrics.DATAPOINTS.counter(registry))
        self._executions = Counters(metrics.EXECUTIONS.counter(registry))
        self._memoised = Counters(metrics.MEMOISED.counter(registry))
        self._unit_seconds = Counters(metrics.UNIT_SECONDS.counter(registry))
        self._unit_cpu_seconds = Counters(metrics.UNIT_CPU_SECONDS.counter(registry))
        self._from_observation = BatchHistogram(metrics.FROM_OBSERVATION, registry)
        self._from_arrival = BatchHistogram(metrics.FROM_ARRIVAL, registry)
        self._replayed = metrics.REPLAYED.counter(registry).labels(tier)
        self._lag = metrics.LAG.gauge(registry)
        self._expiry = metrics.EXPIRY.gauge(registry)
        self._dead_letters = _with_codes(metrics.DEAD_LETTERS.counter(registry), tier, PacketError)
        self._held = metrics.HELD_REACTIONS.gauge(registry)
        self._retries = _with_codes(metrics.RETRIES.counter(registry), tier, TransientError)
        self._partitions = metrics.PARTITIONS.gauge(registry)
        self._rebalances = metrics.REBALANCES.counter(registry)
        metrics.BUILD.gauge(registry).labels(tier, version("skymesh"), platform.python_version()).set(1)
        ProcessCollector(registry=registry)

    @contextmanager
    def timed(self, step: Step) -> Iterator[None]:
        """Take the time of a step; one that raises is not counted."""
        start = time.perf_counter()
        yield
        self._steps[step].observe(time.perf_counter() - start)

    def committed(
        self, *, records: int, read_bytes: int, published: Mapping[str, int], published_bytes: int
    ) -> None:
        """Count a batch.

        Parameters
        ----------
        records, read_bytes
            What was read.
        published, published_bytes
            How many records of each kind (``states``, ``provenance`` …) were published, and their bytes.
        """
        self._read.inc(records)
        self._read_bytes.inc(read_bytes)
        self._batch_records.observe(records)
        self._batch_bytes.observe(read_bytes)
        for record, number in published.items():
            self._published[self._tier, record].inc(number)
        self._published_bytes.inc(published_bytes)

    def journaled(self, entries: Iterable[JournalEntry]) -> None:
        """Count what a batch's journal says, so that metrics and journal cannot disagree."""
        for entry in entries:
            if entry.channel:
                self._count_executions(entry)
            else:
                self._count_alerts(entry)

    def _count_executions(self, entry: JournalEntry) -> None:
        who = (entry.tier, entry.channel, entry.ref.unit if entry.ref else entry.instance)
        for word, number in entry.counts.items():
            if word == _MEMOISED:
                self._memoised[who].inc(number)
            else:
                self._executions[*who, word].inc(number)
        self._unit_seconds[who].inc(entry.seconds)
        if entry.cpu_s:
            self._unit_cpu_seconds[entry.tier, who[2]].inc(entry.cpu_s)

    def _count_alerts(self, entry: JournalEntry) -> None:
        """Count what a tier did for the log; what it says for each run again would count several times."""
        fates = {fate: entry.counts.get(fate, 0) for fate in ("published", "dead")}
        if entry.instance == BATCH:
            duplicates = entry.counts.get("duplicates", 0)
            fates |= {"registered": entry.counts.get("alerts", 0) - duplicates, "duplicate": duplicates}
            self._datapoints[entry.tier,].inc(entry.counts.get("points", 0))
        for fate, number in fates.items():
            if number:
                self._alerts[entry.tier, fate].inc(number)

    def buried(self, letters: Iterable[DeadLetter]) -> None:
        """Count dead letters."""
        for letter in letters:
            self._dead_letters[self._tier, letter.code].inc()

    def delayed(
        self,
        arrived_ms: Sequence[int],
        observed_mjd_tai: Sequence[float],
        channels: Sequence[frozenset[str]],
        *,
        now_s: float | None = None,
    ) -> None:
        """Take the latency of a batch, of each record once for every channel that it is for.

        A time of 0 is unknown and left out. One that lies ahead of the clock counts as no latency.

        Parameters
        ----------
        arrived_ms
            When each record's alert entered the log: Unix time, ms UTC.
        observed_mjd_tai
            When its triggering point was observed: MJD (TAI).
        channels
            Names of the channels that it is for; one for none counts under the empty name.
        now_s
            Unix time, s UTC; None for now.
        """
        now = time.time() if now_s is None else now_s
        arrived = np.asarray(arrived_ms, dtype=np.float64)
        waited_s = np.maximum(now - arrived / 1000, 0)
        observed = np.asarray(observed_mjd_tai, dtype=np.float64)
        now_mjd_tai = _UNIX_EPOCH_MJD + (now + _TAI_MINUS_UTC_S) / 86_400
        age_s = np.maximum((now_mjd_tai - observed) * 86_400, 0)
        is_old = age_s > REPLAYED_AFTER_S
        has_come, is_live = arrived > 0, (observed > 0) & ~is_old
        self._replayed.inc(int(((observed > 0) & is_old).sum()))
        for channel, records in _by_channel(channels).items():
            who = (self._tier, channel)
            self._from_arrival.observe(who, waited_s[records[has_come[records]]])
            self._from_observation.observe(who, age_s[records[is_live[records]]])

    def lagging(self, tier: str, partition: str, records: int, *, expires_in_s: float | None) -> None:
        """Say how far a partition is behind.

        Parameters
        ----------
        tier, partition
            Whose input: a service may have several, as the deliverers of each outlet.
        records
            Unread records, not offsets: below a transactional topic those never come to an end.
        expires_in_s
            Time until the oldest of them expires; None if none is unread, or none expires.
        """
        self._lag.labels(tier, partition).set(records)
        if expires_in_s is None:
            self._expiry.remove(tier, partition)
        else:
            self._expiry.labels(tier, partition).set(expires_in_s)

    def assigned(self, tier: str, partitions: int) -> None:
        """Say that the group gave this worker so many partitions."""
        self._partitions.labels(tier).set(partitions)
        self._rebalances.labels(tier).inc()

    def released(self, tier: str, partition: str) -> None:
        """Say nothing more of a partition: another worker does."""
        self._lag.remove(tier, partition)
        self._expiry.remove(tier, partition)

    def held(self, outlet: str, reactions: int) -> None:
        """Say how many reactions an outlet holds back in all, whichever worker they came through."""
        self._held.labels(self._tier, outlet).set(reactions)

    def retried(self, error: TransientError) -> None:
        """Count a batch that is tried again."""
        self._retries[self._tier, error.code].inc()


def _with_codes(counter: Counter, tier: str, root: type[MeshError]) -> Counters:
    """Return a counter's children, those of every error of a branch at 0: the first one is an increase."""
    children = Counters(counter)
    for kind in (root, *root.__subclasses__()):
        children[tier, kind.code].inc(0)
    return children


def _by_channel(channels: Sequence[frozenset[str]]) -> dict[str, np.ndarray[Any, np.dtype[np.intp]]]:
    """Return the indices of the records of each channel."""
    # Most records of a batch are for the same few channels: so it is each set of them that is taken apart.
    alike: dict[frozenset[str], list[int]] = {}
    for index, names in enumerate(channels):
        alike.setdefault(names, []).append(index)
    found: dict[str, list[int]] = {}
    for names, records in alike.items():
        for name in names or ("",):
            found.setdefault(name, []).extend(records)
    return {name: np.array(records, dtype=np.intp) for name, records in found.items()}

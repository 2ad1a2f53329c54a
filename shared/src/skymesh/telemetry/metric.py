"""What a metric is: its name, kind, labels and meaning, and a histogram that takes a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Lock
from typing import Any, Literal, NamedTuple

import numpy as np
from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector, CollectorRegistry

Kind = Literal["counter", "gauge", "histogram"]

# Otherwise every counter is exposed twice, the second time with the moment at which it began.
disable_created_metrics()  # type: ignore[no-untyped-call]  # it comes without hints


class Metric(NamedTuple):
    """A metric before it belongs to a registry.

    Attributes
    ----------
    name
        Its full name, with unit and ``_total`` by convention.
    kind
        Its type.
    labels
        Names of its labels.
    meaning
        What it tells, in one sentence.
    buckets
        Upper bounds of a histogram, in the unit of the name.
    """

    name: str
    kind: Kind
    labels: tuple[str, ...]
    meaning: str
    buckets: tuple[float, ...] = ()

    def series(self) -> tuple[str, ...]:
        """Return the names under which its samples are exposed."""
        if self.kind != "histogram":
            return (self.name,)
        return tuple(f"{self.name}{suffix}" for suffix in ("_bucket", "_count", "_sum"))

    def counter(self, registry: CollectorRegistry) -> Counter:
        """Return it as a counter of a registry."""
        return Counter(self.name, self.meaning, self.labels, registry=registry)

    def gauge(self, registry: CollectorRegistry) -> Gauge:
        """Return it as a gauge of a registry."""
        return Gauge(self.name, self.meaning, self.labels, registry=registry)

    def histogram(self, registry: CollectorRegistry) -> Histogram:
        """Return it as a histogram of a registry."""
        return Histogram(self.name, self.meaning, self.labels, buckets=self.buckets, registry=registry)


class Counters(dict[tuple[str, ...], Counter]):
    """The children of a labelled counter by their labels, found quicker than the library finds them."""

    def __init__(self, counter: Counter) -> None:
        super().__init__()
        self._counter = counter

    def __missing__(self, labels: tuple[str, ...]) -> Counter:
        child = self[labels] = self._counter.labels(*labels)
        return child


class BatchHistogram(Collector):
    """A histogram for which a batch of 500 values costs little more than one value.

    The library's own takes one value at a time, some microseconds each.

    Parameters
    ----------
    metric
        What it is.
    registry
        Where it is exposed.
    """

    def __init__(self, metric: Metric, registry: CollectorRegistry) -> None:
        self._metric = metric
        self._bounds = np.array(metric.buckets)
        self._told: dict[tuple[str, ...], tuple[np.ndarray[Any, np.dtype[np.int64]], float]] = {}
        self._lock = Lock()
        registry.register(self)

    def observe(self, labels: tuple[str, ...], values: np.ndarray[Any, np.dtype[np.float64]]) -> None:
        """Count values, none of them NaN, in the unit of the metric's name, under values of its labels."""
        # A bound belongs to its bucket: le means less or equal.
        counts = np.bincount(np.searchsorted(self._bounds, values), minlength=len(self._bounds) + 1)
        total = float(values.sum())
        with self._lock:
            if labels in self._told:
                counts, total = counts + self._told[labels][0], total + self._told[labels][1]
            self._told[labels] = counts, total

    def describe(self) -> Iterator[HistogramMetricFamily]:
        """Yield the family without values: what the registry asks when it is registered."""
        yield HistogramMetricFamily(self._metric.name, self._metric.meaning, labels=self._metric.labels)

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """Yield the family with its values."""
        with self._lock:
            told = dict(self._told)
        bounds = [*(str(float(bound)) for bound in self._metric.buckets), "+Inf"]
        for family in self.describe():
            for labels, (counts, total) in told.items():
                family.add_metric(labels, list(zip(bounds, np.cumsum(counts).tolist(), strict=True)), total)
            yield family

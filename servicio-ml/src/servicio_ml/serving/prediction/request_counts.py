"""Counts of HTTP requests, buffered in this process and added to Prometheus' counters together.

In files that several processes share, counting a single request costs as much as decoding it.
"""

import threading
from bisect import bisect_left
from collections import Counter, defaultdict

from prometheus_client import Histogram

from servicio_ml.serving.metrics import HTTP_BUCKETS_SECONDS, Metrics

METHODS = frozenset({"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"})
OTHER_METHOD = "OTHER"


class RequestCounts:
    """Buffered counts of requests; Prometheus sees them after `flush`."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        # added to in the event loop, flushed by a scrape in a thread
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str, int]] = Counter()
        self._buckets: defaultdict[tuple[str, str], Counter[int]] = defaultdict(Counter)
        self._seconds: defaultdict[tuple[str, str], float] = defaultdict(float)

    def add(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a finished request."""
        # strangers may send any method; each new label value is a time series
        label = method if method in METHODS else OTHER_METHOD
        with self._lock:
            self._counts[label, route, status] += 1
            self._buckets[label, route][bisect_left(HTTP_BUCKETS_SECONDS, seconds)] += 1
            self._seconds[label, route] += seconds

    def flush(self) -> None:
        """Add the buffered counts to Prometheus' counters."""
        with self._lock:
            # swapped under the lock, added outside of it: a scrape must not delay requests
            counts, self._counts = self._counts, Counter()
            buckets, self._buckets = self._buckets, defaultdict(Counter)
            seconds, self._seconds = self._seconds, defaultdict(float)
        for labels, number in counts.items():
            self._metrics.requests.labels(*labels).inc(number)
        for key, bucket_counts in buckets.items():
            _observe_many(self._metrics.request_seconds.labels(*key), bucket_counts, seconds[key])


def _observe_many(histogram: Histogram, bucket_counts: Counter[int], seconds: float) -> None:
    # prometheus_client has no way to observe many values at once
    histogram._sum.inc(seconds)  # noqa: SLF001
    for bucket, number in bucket_counts.items():
        histogram._buckets[bucket].inc(number)  # noqa: SLF001

"""HTTP requests as they are counted: gathered in this process, brought to Prometheus in one go.

In files that several processes share, counting each request by itself costs as much as decoding it.
"""

import threading
from bisect import bisect_left
from collections import Counter, defaultdict

from prometheus_client import Histogram

from servicio_ml.serving.metrics import HTTP_BUCKETS_SECONDS, Metrics

METHODS = frozenset({"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"})
OTHER_METHOD = "OTHER"


class Requests:
    """Counts requests; what is gathered is seen after `flush`."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        # added to in the event loop, flushed by a scrape in a thread
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str, int]] = Counter()
        self._buckets: defaultdict[tuple[str, str], Counter[int]] = defaultdict(Counter)
        self._seconds: defaultdict[tuple[str, str], float] = defaultdict(float)

    def add(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        known = method if method in METHODS else OTHER_METHOD
        with self._lock:
            self._counts[known, route, status] += 1
            self._buckets[known, route][bisect_left(HTTP_BUCKETS_SECONDS, seconds)] += 1
            self._seconds[known, route] += seconds

    def flush(self) -> None:
        """Bring what is gathered to Prometheus."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
            buckets, self._buckets = self._buckets, defaultdict(Counter)
            seconds, self._seconds = self._seconds, defaultdict(float)
        for labels, number in counts.items():
            self._metrics.requests.labels(*labels).inc(number)
        for key, gathered in buckets.items():
            _observe(self._metrics.request_seconds.labels(*key), gathered, seconds[key])


def _observe(histogram: Histogram, gathered: Counter[int], seconds: float) -> None:
    # prometheus_client has no way to observe many values at once
    histogram._sum.inc(seconds)  # noqa: SLF001
    for place, number in gathered.items():
        histogram._buckets[place].inc(number)  # noqa: SLF001

"""Stats in memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter


@dataclass(slots=True)
class MemoryStats:
    """Stats that keep every metric.

    Attributes:
        counts: Sum of each counter.
        gauges: Last value of each gauge.
        timings: Durations of each timer, in seconds.
    """

    counts: dict[str, int] = field(default_factory=dict)
    gauges: dict[str, float] = field(default_factory=dict)
    timings: dict[str, list[float]] = field(default_factory=dict)

    def count(self, name: str, value: int = 1) -> None:
        self.counts[name] = self.counts.get(name, 0) + value

    def set_gauge(self, name: str, value: float) -> None:
        self.gauges[name] = value

    @contextmanager
    def time(self, name: str) -> Iterator[None]:
        started = perf_counter()
        try:
            yield
        finally:
            self.add_timing(name, perf_counter() - started)

    def add_timing(self, name: str, seconds: float) -> None:
        self.timings.setdefault(name, []).append(seconds)

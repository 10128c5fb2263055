"""Outcome of a pipeline run, its duration and the time of its last success, for StatsD.

Metrics of `<step>.<use case>`: the timing of that name, the counters `.success` and `.failure`, and the gauge
`.success_timestamp_seconds`.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from servicio_ml.domain.ports.clock import Clock
from servicio_ml.domain.ports.stats import Stats

OUTCOMES = ("success", "failure")


@contextmanager
def record_outcome(stats: Stats, clock: Clock, name: str) -> Iterator[None]:
    """Time a run in this process, and count its success or failure.

    Args:
        stats: Receives the metrics.
        clock: Read after a success.
        name: `<step>.<use case>`.
    """
    _initialize_counters(stats, name)
    try:
        with stats.time(name):
            yield
    except BaseException:
        stats.count(f"{name}.failure")
        raise
    _count_success(stats, clock, name)


def report_success(stats: Stats, clock: Clock, name: str, seconds: float) -> None:
    """Report the success of a run made of steps in several processes.

    Args:
        stats: Receives the metrics.
        clock: Returns the present time.
        name: `<step>.<use case>`.
        seconds: Duration since the start of the first step.
    """
    _initialize_counters(stats, name)
    stats.add_timing(name, seconds)
    _count_success(stats, clock, name)


def report_failure(stats: Stats, name: str) -> None:
    """Report the failure of a run made of steps in several processes."""
    _initialize_counters(stats, name)
    stats.count(f"{name}.failure")


def _count_success(stats: Stats, clock: Clock, name: str) -> None:
    stats.count(f"{name}.success")
    stats.set_gauge(f"{name}.success_timestamp_seconds", clock())


def _initialize_counters(stats: Stats, name: str) -> None:
    for outcome in OUTCOMES:
        # Prometheus sees no increase in a counter whose first sample is already 1
        stats.count(f"{name}.{outcome}", 0)

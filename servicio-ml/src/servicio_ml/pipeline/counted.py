"""How a pipeline step ends, when it last ended well and how long it takes, for StatsD."""

from collections.abc import Iterator
from contextlib import contextmanager

from servicio_ml.domain.ports import Clock, Stats

OUTCOMES = ("success", "failure")


@contextmanager
def counted(stats: Stats, clock: Clock, name: str) -> Iterator[None]:
    """Time a step as `name`, count it as `name.success` or `name.failure`, and tell when it ended well.

    Args:
        stats: Where it is sent.
        clock: Read when the step has ended well.
        name: `<step>.<use case>`.
    """
    for outcome in OUTCOMES:
        # a counter that first appears as 1 has not increased
        stats.count(f"{name}.{outcome}", 0)
    try:
        with stats.timer(name):
            yield
    except BaseException:
        stats.count(f"{name}.failure")
        raise
    stats.count(f"{name}.success")
    stats.gauge(f"{name}.success_timestamp_seconds", clock())

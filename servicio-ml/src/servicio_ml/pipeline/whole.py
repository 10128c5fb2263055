"""What is told of a whole run that was made in steps: once, as `counted` tells it of one process."""

from servicio_ml.domain.ports import Clock, Stats
from servicio_ml.pipeline.counted import OUTCOMES


def ended_well(stats: Stats, clock: Clock, name: str, seconds: float) -> None:
    """Tell that a run ended well, and how long it took from its first step on.

    Args:
        stats: Where it is sent.
        clock: Gives the time.
        name: `<step>.<use case>`.
        seconds: How long it took.
    """
    _appear(stats, name)
    stats.timing(name, seconds)
    stats.count(f"{name}.success")
    stats.gauge(f"{name}.success_timestamp_seconds", clock())


def ended_badly(stats: Stats, name: str) -> None:
    """Tell that a run ended by the failure of a step."""
    _appear(stats, name)
    stats.count(f"{name}.failure")


def _appear(stats: Stats, name: str) -> None:
    for outcome in OUTCOMES:
        # a counter that first appears as 1 has not increased
        stats.count(f"{name}.{outcome}", 0)

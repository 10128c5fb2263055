"""How a pipeline step ends and how long it takes, for StatsD."""

from collections.abc import Iterator
from contextlib import contextmanager

from servicio_ml.domain.ports import Stats


@contextmanager
def counted(stats: Stats, name: str) -> Iterator[None]:
    """Time a step as `name`, and count it as `name.success` or `name.failure`."""
    try:
        with stats.timer(name):
            yield
    except BaseException:
        stats.count(f"{name}.failure")
        raise
    stats.count(f"{name}.success")

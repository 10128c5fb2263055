"""A step is timed and counted by how it ends."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from servicio_ml.pipeline.step_metrics import record_outcome

NOW = 1_700_000_000.0
INITIAL_COUNTS = ["train.x.success +0", "train.x.failure +0"]


class RecordingStats:
    """Stats that record every metric."""

    def __init__(self) -> None:
        self.metrics: list[str] = []

    def count(self, name: str, value: int = 1) -> None:
        self.metrics.append(f"{name} +{value}")

    def set_gauge(self, name: str, value: float) -> None:
        self.metrics.append(f"{name} = {value:.0f}")

    @contextmanager
    def time(self, name: str) -> Iterator[None]:
        try:
            yield
        finally:
            self.metrics.append(f"{name} took")

    def add_timing(self, name: str, seconds: float) -> None:
        raise AssertionError(name, seconds)


def test_a_step_that_ends_well() -> None:
    stats = RecordingStats()
    with record_outcome(stats, lambda: NOW, "train.x"):
        assert stats.metrics == INITIAL_COUNTS
    ended = ["train.x took", "train.x.success +1", "train.x.success_timestamp_seconds = 1700000000"]
    assert stats.metrics == [*INITIAL_COUNTS, *ended]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_step_that_fails_goes_on_failing(error: type[BaseException]) -> None:
    stats = RecordingStats()
    with pytest.raises(error), record_outcome(stats, lambda: NOW, "train.x"):
        raise error
    assert stats.metrics == [*INITIAL_COUNTS, "train.x took", "train.x.failure +1"]

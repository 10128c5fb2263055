"""A step is timed and counted by how it ends."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from servicio_ml.pipeline.counted import counted

NOW = 1_700_000_000.0
BEGUN = ["train.x.success +0", "train.x.failure +0"]


class Heard:
    """Stats that remember what they were told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def count(self, name: str, value: int = 1) -> None:
        self.told.append(f"{name} +{value}")

    def gauge(self, name: str, value: float) -> None:
        self.told.append(f"{name} = {value:.0f}")

    @contextmanager
    def timer(self, name: str) -> Iterator[None]:
        try:
            yield
        finally:
            self.told.append(f"{name} took")

    def timing(self, name: str, seconds: float) -> None:
        raise AssertionError(name, seconds)


def test_a_step_that_ends_well() -> None:
    heard = Heard()
    with counted(heard, lambda: NOW, "train.x"):
        assert heard.told == BEGUN
    ended = ["train.x took", "train.x.success +1", "train.x.success_timestamp_seconds = 1700000000"]
    assert heard.told == [*BEGUN, *ended]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_step_that_fails_goes_on_failing(error: type[BaseException]) -> None:
    heard = Heard()
    with pytest.raises(error), counted(heard, lambda: NOW, "train.x"):
        raise error
    assert heard.told == [*BEGUN, "train.x took", "train.x.failure +1"]

"""A step is timed and counted by how it ends."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from servicio_ml.pipeline.counted import counted


class Heard:
    """Stats that remember what they were told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def count(self, name: str, value: int = 1) -> None:
        self.told.append(f"{name} +{value}")

    def gauge(self, name: str, value: float) -> None:
        self.told.append(f"{name} = {value}")

    @contextmanager
    def timer(self, name: str) -> Iterator[None]:
        yield
        self.told.append(f"{name} took")


def test_a_step_that_ends_well() -> None:
    heard = Heard()
    with counted(heard, "train.x"):
        pass
    assert heard.told == ["train.x took", "train.x.success +1"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_step_that_fails_goes_on_failing(error: type[BaseException]) -> None:
    heard = Heard()
    with pytest.raises(error), counted(heard, "train.x"):
        raise error
    assert heard.told == ["train.x.failure +1"]

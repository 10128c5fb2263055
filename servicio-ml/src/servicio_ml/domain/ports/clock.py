"""Port of the current time."""

from typing import Protocol


class Clock(Protocol):
    """Clock that returns seconds since 1970."""

    def __call__(self) -> float: ...

"""Port of the metrics of pipeline steps."""

from contextlib import AbstractContextManager
from typing import Protocol


class Stats(Protocol):
    """Counters, gauges and timings of pipeline steps; a lost metric raises no error."""

    def count(self, name: str, value: int = 1) -> None: ...

    def set_gauge(self, name: str, value: float) -> None: ...

    def time(self, name: str) -> AbstractContextManager[None]: ...

    def add_timing(self, name: str, seconds: float) -> None:
        """Add a measured duration; `time` measures it itself."""
        ...

"""Port of the progress messages of a long step."""

from contextlib import AbstractContextManager
from typing import Protocol


class Progress(Protocol):
    """Messages and progress bars of a long step.

    ::

    with progress.open_bar("tune lightgbm", total=20) as advance:
        advance(1)
    """

    def report(self, line: str) -> None: ...

    def warn(self, line: str) -> None: ...

    def open_bar(self, what: str, total: int) -> AbstractContextManager["Advance"]: ...


class Advance(Protocol):
    """Advances a bar by some steps; `note` replaces the text next to it."""

    def __call__(self, steps: int = 1, note: str = "") -> None: ...

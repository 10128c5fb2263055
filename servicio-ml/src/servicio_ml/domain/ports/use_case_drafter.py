"""Port of what makes use cases of raw files: uploads, drafts, and first trainings that outlive the server."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

FINISHED_LINE, FAILED_PREFIX = "finished", "failed: "
"""Last line of a run's log."""


class RunState(StrEnum):
    """State of a first training."""

    NONE = "none"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstTraining:
    """The latest run that published a raw file and trained on it.

    Attributes:
        state: State; `NONE` where there was no run.
        lines: Last lines of its log.
    """

    state: RunState
    lines: Sequence[str] = ()


class UseCaseDrafter(Protocol):
    """Raw files in one folder, and the use cases that are drafted from them.

    Every method raises `DraftingClosedError` where use cases cannot be drafted, with what to do about it::

        drafter.save_file("rent.csv", content)
        columns = drafter.list_columns("rent.csv")
        document = drafter.build_draft("rent", "rent.csv", {"target": "Rent"})
        drafter.write_draft("rent", "rent.csv", {"target": "Rent"}, replace=False)
        drafter.start_training("rent", "rent.csv")
    """

    def list_files(self) -> list[str]:
        """List the names of the raw files."""
        ...

    def save_file(self, file: str, content: bytes) -> None:
        """Save a raw file, whole or not at all.

        Raises:
            DraftingError: The name is none of a file, another file has it, or the content is empty.
        """
        ...

    def list_columns(self, file: str) -> Mapping[str, Any]:
        """List the `columns` of a raw file of which one can be predicted; `target` is the suggested one.

        Raises:
            DraftingError: There is no such file, or no use case can be drafted from it.
        """
        ...

    def build_draft(self, name: str, file: str, answers: Mapping[str, Any]) -> Mapping[str, Any]:
        """Draft a use case and write nothing; return the document of the draft and its check.

        Raises:
            DraftingError: No use case can be drafted so.
        """
        ...

    def write_draft(
        self, name: str, file: str, answers: Mapping[str, Any], *, replace: bool
    ) -> Mapping[str, Any]:
        """Draft a use case and write its file; return where it is and whether it changed.

        Raises:
            DraftingError: No use case can be drafted so, or another file has the name and stays.
        """
        ...

    def start_training(self, name: str, file: str) -> None:
        """Start the ETL of a raw file and a first training.

        Raises:
            DraftingError: A run of the use case has not ended, or there is no such file.
        """
        ...

    def get_training(self, name: str) -> FirstTraining:
        """Return the state of the latest run."""
        ...

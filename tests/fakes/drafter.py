"""Drafter of use cases in memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from servicio_ml.domain.ports.use_case_drafter import FirstTraining, RunState
from servicio_ml.errors import DraftingError


@dataclass(slots=True)
class MemoryDrafter:
    """Keeps what it is given; a file named `bad.csv` gives no draft."""

    files: dict[str, bytes] = field(default_factory=dict)
    written: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    trainings: dict[str, FirstTraining] = field(default_factory=dict)

    def list_files(self) -> list[str]:
        return sorted(self.files)

    def save_file(self, file: str, content: bytes) -> None:
        if self.files.setdefault(file, content) != content:
            raise DraftingError(f"there is another file {file!r}")

    def list_columns(self, file: str) -> Mapping[str, Any]:
        if file not in self.files or file == "bad.csv":
            raise DraftingError(f"no use case can be drafted from {file!r}")
        columns = self.files[file].decode().splitlines()[0].split(",")
        return {"source": file, "columns": columns, "target": columns[-1]}

    def build_draft(self, name: str, file: str, answers: Mapping[str, Any]) -> Mapping[str, Any]:
        if file not in self.files or file == "bad.csv":
            raise DraftingError(f"no use case can be drafted from {file!r}")
        return {"use_case": name, "draft": {"answers": answers}, "check": {"rows": 3}}

    def write_draft(
        self, name: str, file: str, answers: Mapping[str, Any], *, replace: bool
    ) -> Mapping[str, Any]:
        if file not in self.files or (name in self.written and not replace):
            raise DraftingError(f"{name} is there, or {file} is not")
        self.written[name] = answers
        return {"use_case": name, "written": True}

    def start_training(self, name: str, file: str) -> None:
        if name in self.trainings:
            raise DraftingError(f"a first training of {name!r} runs already")
        self.trainings[name] = FirstTraining(state=RunState.RUNNING, lines=[f"step: etl {file}"])

    def get_training(self, name: str) -> FirstTraining:
        return self.trainings.get(name, FirstTraining(state=RunState.NONE))

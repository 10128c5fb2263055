"""Documents of the routes of new use cases."""

from typing import Annotated, Any

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field

from servicio_ml.domain.ports.use_case_drafter import FirstTraining, RunState

UseCasePath = Annotated[str, Path(description="Name of the new use case, in snake case.", max_length=100)]
FilePath = Annotated[str, Path(description="Name of the raw file, without a folder.", max_length=150)]
RawFile = Annotated[str, Field(max_length=150, description="Name of a raw file that the server has.")]


class RawFilesState(BaseModel):
    """Raw files from which a use case can be drafted."""

    files: list[str]
    max_bytes: int = Field(description="Maximum size of an upload.")


class RawColumnsState(BaseModel):
    """Columns of a raw file of which one can be predicted."""

    file: str
    columns: list[str]
    target: str = Field(description="Column that is suggested as the target.")


class SavedFileState(BaseModel):
    """Raw file that was uploaded."""

    file: str
    bytes: int


class DraftRequest(BaseModel):
    """Raw file and what is known of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: RawFile
    answers: dict[str, Any] = Field(
        description="As of `servicio-ml init --answers`: `target`, `positive`, `time`, and `columns` with "
        "`kind`, `minimum`, `maximum` and `levels` by raw column; of a target that is a number, its range."
    )


class WriteRequest(DraftRequest):
    """Raw file, and the corrected draft."""

    replace: bool = Field(default=False, description="Replace a file of that name that differs.")


class RunRequest(BaseModel):
    """Raw file of a first training."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: RawFile


class DraftState(BaseModel):
    """Draft that nothing was written of."""

    use_case: str
    draft: dict[str, Any] = Field(
        description="`task`, `target`, `columns` with what each becomes and why, `questions` and `source`."
    )
    check: dict[str, Any] = Field(description="What the ETL would do with the file.")


class WrittenState(BaseModel):
    """Use case that was written."""

    use_case: str
    written: bool = Field(description="Whether its file changed.")


class FirstTrainingState(BaseModel):
    """Latest run that published a raw file and trained on it."""

    use_case: str
    state: RunState
    lines: list[str] = Field(description="Last lines of its log.")


def build_training_state(name: str, training: FirstTraining) -> FirstTrainingState:
    """Build the document of a run."""
    return FirstTrainingState(use_case=name, state=training.state, lines=list(training.lines))

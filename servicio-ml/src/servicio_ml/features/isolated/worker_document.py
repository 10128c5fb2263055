"""The document of an isolated model in its artifact: the model file, its columns and its limits."""

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from servicio_ml.errors import ArtifactError

WORKER, MODEL_FOLDER = "worker.json", "model"
ENVIRONMENT_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,127}")
MEBIBYTE = 1 << 20
LevelValue = str | int | float | bool

ColumnType = Literal["float64", "int64", "string", "bool", "category", "datetime"]


class ModelColumn(BaseModel):
    """Column of the data frame that a model reads.

    Attributes:
        name: Name of the column, as the model knows it.
        field: Field of the schema with its values, or derived column.
        type: Type of the column: as pandas reads it from a file, or a category of pandas.
        levels: Categories of pandas in the model's order; of any other type, the values in the order of the
            levels of the field. Empty where the texts of the field's levels are the values.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str
    field: str
    type: ColumnType
    levels: list[LevelValue] = []


class WorkerDocument(BaseModel):
    """Content of worker.json.

    Attributes:
        kind: Kind of the model file, by which it is read.
        file: Path of the model file in the folder of the model.
        python: Name of the environment of its process; empty for the interpreter of the server.
        columns: Columns of its data frame, in order.
        row_seconds: Measured median time of one row, in seconds.
        memory_bytes: Maximum address space of its process, in bytes.
        requirements: Hashed requirements of the environment in the artifact; empty without an environment.
        order: Place of each label of the target among the scores of the model; empty where they are in order.
        direct: Whether its first steps read arrays, with equal scores.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    kind: Annotated[str, Field(min_length=1)]
    file: Annotated[str, Field(min_length=1)]
    python: str
    columns: Annotated[list[ModelColumn], Field(min_length=1)]
    row_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    memory_bytes: Annotated[int, Field(ge=64 * MEBIBYTE)]
    requirements: Literal["", "requirements.txt"]
    order: list[Annotated[int, Field(ge=0)]] = []
    direct: bool = False

    @model_validator(mode="after")
    def check_names(self) -> Self:
        """Check the names against each other.

        Raises:
            ValueError: A name occurs twice, leads out of its folder, or an environment has no requirements.
        """
        names = [each.name for each in self.columns]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"columns {', '.join(twice)} are named twice")
        if Path(self.file).is_absolute() or ".." in Path(self.file).parts:
            raise ValueError(f"file {self.file!r} is not in the folder of the model")
        if self.python and not ENVIRONMENT_NAME.fullmatch(self.python):
            raise ValueError(f"python {self.python!r} is no name of an environment")
        if bool(self.python) != bool(self.requirements):
            raise ValueError("an environment and its requirements go together")
        return self


def read_worker_document(folder: Path) -> WorkerDocument:
    """Read worker.json of an artifact folder.

    Raises:
        ArtifactError: The document cannot be read or is wrong, or the model file that it names is absent.
    """
    path = folder / WORKER
    try:
        document = WorkerDocument.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ArtifactError(str(path), f"cannot be read: {error}; register the model again") from error
    except ValidationError as error:
        # the first is enough: who mends one sees the next
        first = error.errors()[0]
        where = ".".join(str(key) for key in first["loc"])
        problem = f"{where}: {first['msg']}" if where else first["msg"]
        raise ArtifactError(str(path), f"{problem}; import the model again") from error
    model = folder / MODEL_FOLDER
    # a link that leads out of the artifact would read another file of this machine
    if not (model / document.file).resolve().is_relative_to(model.resolve()):
        raise ArtifactError(str(path), f"file {document.file!r} leads out of the folder of the model")
    if not (model / document.file).exists():
        raise ArtifactError(str(path), f"file {document.file!r} is not there; register the model again")
    return document

"""The scorer of an isolated model: rows of the matrix to the model's table, to its process, to scores."""

import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from servicio_ml.domain.schema import FeatureSchema
from servicio_ml.errors import ModelFailureError, WorkerFailure
from servicio_ml.features.encoder import Matrix
from servicio_ml.features.isolated.environments import find_interpreter
from servicio_ml.features.isolated.model_process import ModelDescription, ModelProgram
from servicio_ml.features.isolated.model_table import ModelTable
from servicio_ml.features.isolated.supervisor import ProcessSupervisor, WorkerListener
from servicio_ml.features.isolated.worker_document import MODEL_FOLDER, read_worker_document
from servicio_ml.features.runtimes.scorer import Runtime
from servicio_ml.model_worker import messages

BASE_SECONDS, ROW_FACTOR = 5.0, 10.0
"""Time limit of a message: the base, and for each row this multiple of its measured time."""
MESSAGE_SECONDS, MESSAGE_ROWS = 4.0, 10_000
"""Maximum of the measured time of a message's rows, and their maximum number: nobody waits for long."""
PROBABILITY_TOLERANCE = 1e-6
Scores = npt.NDArray[np.float64]


class IsolatedScorer:
    """Scores rows in a process of its own, which ends when the scorer is gone.

    Args:
        name: Name of the model, for messages.
        folder: Artifact folder, which is needed until the scorer is built.
        schema: Schema of the matrix.
        classes: Number of the classes; 0 for a regression.

    Attributes:
        row_seconds: Measured median time of one row, in seconds.
        description: What the process says of its model.

    Raises:
        ArtifactError: The document of the model is wrong, or its environment is absent.
        ModelWorkerError: The process cannot be started, or the model cannot be loaded.
    """

    runtime = Runtime.ISOLATED_PROCESS

    def __init__(self, name: str, folder: Path, schema: FeatureSchema, classes: int) -> None:
        document = read_worker_document(folder)
        self._name, self._classes = name, classes
        # slices copy nothing: most models have the order of their target
        self._order: list[int] | slice = document.order or slice(None)
        self.row_seconds: float | None = document.row_seconds
        self._request = {messages.REQUEST: messages.SCORE, messages.DIRECT: document.direct}
        self._row_limit_seconds = ROW_FACTOR * document.row_seconds
        self._message_rows = max(1, min(int(MESSAGE_SECONDS / document.row_seconds), MESSAGE_ROWS))
        self._table = ModelTable(name, schema, document.columns)
        python = find_interpreter(name, document.python)
        # copied: the process starts again from them long after the artifact was loaded
        own = Path(tempfile.mkdtemp(prefix="servicio-ml-model-"))
        shutil.copytree(folder / MODEL_FOLDER, own, dirs_exist_ok=True)
        program = ModelProgram(
            name=name, python=python, kind=document.kind, folder=own, file=document.file,
            scratch=Path(tempfile.mkdtemp(prefix="servicio-ml-scratch-")), memory_bytes=document.memory_bytes,
        )  # fmt: skip
        self._supervisor = ProcessSupervisor(program)
        weakref.finalize(self, self._supervisor.close)
        self.description: ModelDescription = self._supervisor.start()

    def watch(self, listener: WorkerListener) -> None:
        """Report the events of the process, which is running, to a listener."""
        self._supervisor.listener = listener
        listener.record_start(again=False)

    @property
    def process_id(self) -> int | None:
        """Id of the running process."""
        return self._supervisor.process_id

    def score(self, matrix: Matrix) -> Scores:
        """Compute raw scores of a matrix `[n, features]`: `[n, classes]`, or `[n, 1]` for a regression.

        Raises:
            ModelFailureError: The model has raised an error, or its scores have another shape, are not
                finite or are no probabilities.
            ModelWorkerError: Its process cannot answer.
        """
        parts = [
            self._score_part(matrix[start : start + self._message_rows])
            for start in range(0, len(matrix), self._message_rows)
        ]
        return np.concatenate(parts) if len(parts) != 1 else parts[0]

    def _score_part(self, matrix: Matrix) -> Scores:
        payload = write_table(self._table.build(matrix))
        seconds = BASE_SECONDS + self._row_limit_seconds * len(matrix)
        header, answer = self._supervisor.request(self._request, payload, seconds=seconds)
        try:
            scores = read_scores(header, answer, rows=len(matrix), classes=self._classes)
            return scores[:, self._order]
        except ValueError as error:
            self._supervisor.listener.record_failure(WorkerFailure.SCORES)
            raise ModelFailureError(self._name, str(error), WorkerFailure.SCORES) from error

    def close(self) -> None:
        """End the process."""
        self._supervisor.close()


def write_table(table: pa.Table) -> bytes:
    """Write a table as an Arrow stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    written: bytes = sink.getvalue().to_pybytes()
    return written


def read_scores(header: dict[str, Any], answer: bytearray, *, rows: int, classes: int) -> Scores:
    """Read the scores of an answer, `[rows, classes]`, or `[rows, 1]` without classes.

    Raises:
        ValueError: They have another shape, are not finite, or are no probabilities.
    """
    wanted = [rows, classes or 1]
    if header.get(messages.SHAPE) != wanted:
        raise ValueError(f"its scores have the shape {header.get(messages.SHAPE)}, not {wanted}")
    scores = np.frombuffer(answer, dtype="<f8")
    if len(scores) != rows * wanted[1]:
        raise ValueError(f"it has sent {len(scores)} scores, not {rows * wanted[1]}")
    found = scores.reshape(wanted)
    if len(wrong := np.flatnonzero(~np.isfinite(found).all(axis=1))):
        raise ValueError(f"its score of row {wrong[0]} is {found[wrong[0]].tolist()}, which is not finite")
    outside = np.abs(found - 0.5) > 0.5 + PROBABILITY_TOLERANCE
    if classes and len(wrong := np.flatnonzero(outside.any(axis=1))):
        raise ValueError(f"its score of row {wrong[0]} is {found[wrong[0]].tolist()}: no probabilities")
    return found

"""The model to import in a process of its own: what it is, its scores, and its conversion to ONNX."""

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from servicio_ml.errors import ModelFailureError, ModelImportError, ModelWorkerError
from servicio_ml.features.isolated.model_process import ModelDescription, ModelProcess, ModelProgram
from servicio_ml.features.isolated.scorer import read_scores, write_table
from servicio_ml.model_worker import messages
from servicio_ml.model_worker.conversion.input_columns import InputColumn
from servicio_ml.pipeline.importing.model_files import ModelFiles

MEMORY_BYTES = 8 << 30
"""Maximum address space of the process, in bytes."""
REQUEST_SECONDS = 600.0
LATENCY_ROWS, LATENCY_WARM_UP = 50, 5
Scores = npt.NDArray[np.float64]


class ModelProbe:
    """A model in its process.

    Attributes:
        description: What the model is.
    """

    def __init__(self, process: ModelProcess, uri: str) -> None:
        self._process, self._uri = process, uri
        self.description: ModelDescription = process.description

    def score(self, table: pa.Table, *, direct: bool = False) -> Scores:
        """Score a table of the columns that it reads, `[n, classes]`, or `[n, 1]` of a regression.

        Args:
            table: Rows.
            direct: Whether its first steps read arrays, see `check_direct`.

        Raises:
            ModelImportError: The model fails, or gives no scores.
        """
        try:
            request = {messages.REQUEST: messages.SCORE, messages.DIRECT: direct}
            header, answer = self._exchange(request, write_table(table))
            return read_scores(header, answer, rows=len(table), classes=len(self.description.classes))
        except (ModelFailureError, ModelWorkerError) as error:
            raise ModelImportError(self._uri, f"it cannot score the rows: {error.problem}") from error
        except ValueError as error:
            raise ModelImportError(self._uri, f"it cannot be served: {error}") from error

    def convert(self, columns: Sequence[InputColumn], width: int) -> bytes:
        """Convert the model to ONNX.

        Raises:
            ModelFailureError: No conversion is known.
            ModelWorkerError: The process has ended.
        """
        request = {
            messages.REQUEST: messages.CONVERT,
            messages.COLUMNS: [each.to_json() for each in columns],
            messages.WIDTH: width,
        }
        return bytes(self._exchange(request)[1])

    def check_direct(self, table: pa.Table) -> bool:
        """Check that the scores are bit for bit the same when the first steps read arrays.

        Args:
            table: Rows, which are compared together, and the first ones alone too.
        """
        parts = [table, *(table.slice(row, 1) for row in range(min(LATENCY_ROWS, len(table))))]
        try:
            return all(np.array_equal(self.score(part, direct=True), self.score(part)) for part in parts)
        except ModelImportError:
            return False

    def measure_latency(self, table: pa.Table, *, direct: bool) -> float:
        """Measure the median seconds of one row, over rows that change.

        Args:
            table: Rows.
            direct: As in `score`.

        Raises:
            ModelImportError: The model fails on most of them.
        """
        taken, problem = [], ""
        for row in range(LATENCY_WARM_UP + LATENCY_ROWS):
            place = row % len(table)
            started = time.perf_counter()
            try:
                self.score(table.slice(place, 1), direct=direct)
            except ModelImportError as error:
                # some libraries fail on a row alone whose text is missing; the server reports such a row
                problem = str(error)
                continue
            taken.append(time.perf_counter() - started)
        if len(taken) < LATENCY_ROWS // 2:
            raise ModelImportError(self._uri, f"it fails on most rows alone: {problem}")
        return float(np.median(taken[LATENCY_WARM_UP:]))

    def _exchange(self, request: Mapping[str, Any], payload: bytes = b"") -> tuple[dict[str, Any], bytearray]:
        return self._process.exchange(request, payload, deadline=time.monotonic() + REQUEST_SECONDS)


@contextmanager
def open_probe(files: ModelFiles, uri: str, python: Path) -> Iterator[ModelProbe]:
    """Start the process of a model; it ends with the context.

    Args:
        files: The model.
        uri: Address by which the user knows it, for messages.
        python: Interpreter with its libraries.

    Raises:
        ModelImportError: The process cannot be started, or the model cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="servicio-ml-import-") as scratch:
        program = ModelProgram(
            name=uri, python=python, kind=files.kind, folder=files.folder.resolve(), file=files.file,
            scratch=Path(scratch), memory_bytes=MEMORY_BYTES,
        )  # fmt: skip
        try:
            process = ModelProcess(program)
        except ModelWorkerError as error:
            raise ModelImportError(uri, error.problem) from error
        try:
            yield ModelProbe(process, uri)
        finally:
            process.kill()

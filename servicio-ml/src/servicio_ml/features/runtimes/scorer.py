"""What computes raw scores from the matrix: ONNX Runtime here; others walk over trees, or run a process."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from servicio_ml.errors import ArtifactError
from servicio_ml.features.encoder import Matrix

if TYPE_CHECKING:
    import onnxruntime as ort

INPUT_NAME, SCORES_NAME = "features", "scores"
Scores = npt.NDArray[np.floating[Any]]


class Runtime(StrEnum):
    """What runs a model."""

    ONNX = "onnx"
    ISOLATED_PROCESS = "isolated_process"


class Scorer(Protocol):
    """Computes raw scores.

    scores = scorer.score(matrix)
    """

    @property
    def runtime(self) -> Runtime:
        """What runs the model."""

    @property
    def row_seconds(self) -> float | None:
        """Median time of one row, in seconds, as it was measured once; None where it is microseconds."""

    def score(self, matrix: Matrix) -> Scores:
        """Compute raw scores of a matrix `[n, features]`: `[n, classes]`, or `[n, 1]` for a regression.

        Raises:
            ServingError: The model is isolated, and cannot score now or has failed on these rows.
        """


class OnnxScorer:
    """Scorer of an ONNX model, in this process.

    Args:
        model: File or bytes of the model.
        threads: Number of threads of ONNX Runtime in one call.

    Attributes:
        session: ONNX Runtime session.

    Raises:
        ArtifactError: The content is no ONNX model.
    """

    runtime = Runtime.ONNX
    row_seconds = None

    def __init__(self, model: Path | bytes, *, threads: int = 1) -> None:
        self.session = open_session(model, threads=threads)

    def score(self, matrix: Matrix) -> Scores:
        """Compute raw scores of a matrix `[n, features]`."""
        out: Scores = self.session.run([SCORES_NAME], {INPUT_NAME: matrix})[0]
        return out


def open_session(model: Path | bytes, *, threads: int = 1) -> "ort.InferenceSession":
    """Open an ONNX Runtime session on the CPU from a file or from bytes.

    Raises:
        ArtifactError: The content is no ONNX model.
    """
    # it takes 25 MB, which a server of trees does not need
    import onnxruntime as ort  # noqa: PLC0415

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    # parallel operators help graphs with branches only; here they would cost another thread pool
    options.inter_op_num_threads = 1
    # errors only: warnings of the graph optimiser help nobody who serves a model
    options.log_severity_level = 3
    # a thread that waits for the next call busily takes its processor from whoever prepares that call
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    source = model if isinstance(model, bytes) else str(model)
    try:
        return ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors have no common base
        where = "bytes" if isinstance(model, bytes) else str(model)
        raise ArtifactError(where, f"no ONNX model: {error}") from error

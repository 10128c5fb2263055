"""The model artifact: one folder that describes itself and answers rows."""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from servicio_ml.domain.ports import ModelVersion, ServedRegistry
from servicio_ml.domain.schema import FeatureSchema
from servicio_ml.errors import ArtifactError
from servicio_ml.features.encoder import Encoder, Matrix
from servicio_ml.features.output import Output, Predictions
from servicio_ml.features.profile import Profile

MODEL, SCHEMA, OUTPUT = "model.onnx", "schema.json", "output.json"
REFERENCE, GOLDEN, CARD = "reference.json", "golden.json", "card.md"
FILES = (MODEL, SCHEMA, OUTPUT, REFERENCE, GOLDEN, CARD)
INPUT_NAME, SCORES_NAME = "features", "scores"
GOLDEN_TOLERANCE = 1e-5
"""Greatest difference of a probability, or relative difference of a number, on golden rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A loaded model.

    Attributes:
        name: The model's name.
        encoder: Records or tables to its matrix.
        output: Its scores to answers.
        reference: What its training rows looked like.
        golden: Input rows and the answers it must give to them.
        session: Its ONNX Runtime session.
    """

    name: str
    encoder: Encoder
    output: Output
    reference: Profile
    golden: Mapping[str, Any]
    session: ort.InferenceSession

    def scores(self, matrix: Matrix) -> npt.NDArray[np.float32]:
        """Raw scores of a matrix `[n, features]`: `[n, classes]`, or `[n, 1]` of a regression."""
        out: npt.NDArray[np.float32] = self.session.run([SCORES_NAME], {INPUT_NAME: matrix})[0]
        return out

    def predict(self, matrix: Matrix) -> Predictions:
        """Answers for a matrix `[n, features]`."""
        return self.output.answer(self.scores(matrix))

    def replay(self, encode: Callable[[Sequence[Mapping[str, Any]]], Matrix] | None = None) -> None:
        """Answer the golden rows.

        Args:
            encode: Records to the matrix, where it is not the encoder itself that shall do it.

        Raises:
            ArtifactError: An answer differs from the one that was written down at export.
        """
        records, expected = self.golden["records"], self.golden["answers"]
        given = answers(self.predict((encode or self.encoder.records)(records)))
        for row, (mine, theirs) in enumerate(zip(given, expected, strict=True)):
            if not _alike(mine, theirs):
                raise ArtifactError(
                    self.name, f"golden row {row} answers {mine}, not {theirs}; export it anew"
                )


def answers(predictions: Predictions) -> list[dict[str, Any]]:
    """Answers row by row, as golden.json keeps them."""
    values = predictions.outcomes.tolist()
    if predictions.probabilities is None:
        return [{"value": value} for value in values]
    return [
        {"value": value, "probabilities": row}
        for value, row in zip(values, predictions.probabilities.tolist(), strict=True)
    ]


def load_artifact(folder: Path, *, threads: int = 1) -> Artifact:
    """Load an artifact folder; nothing in it is unpickled.

    Args:
        folder: Holds `FILES`.
        threads: Of ONNX Runtime within one call.

    Raises:
        ArtifactError: A file is absent or wrong.
    """
    documents = {name: _document(folder, name) for name in (SCHEMA, OUTPUT, REFERENCE, GOLDEN)}
    try:
        return Artifact(
            name=documents[GOLDEN]["model"],
            encoder=Encoder(FeatureSchema.from_json(documents[SCHEMA])),
            output=Output.from_json(documents[OUTPUT]),
            reference=Profile.from_json(documents[REFERENCE]),
            golden=documents[GOLDEN],
            session=open_session(folder / MODEL, threads=threads),
        )
    except (KeyError, TypeError) as error:
        raise ArtifactError(str(folder), f"a document lacks {error}; export the model anew") from error


@contextmanager
def downloaded(registry: ServedRegistry, model: str, version: int) -> Iterator[Path]:
    """The artifact folder of a registered version, there until the context ends."""
    folder = registry.download(model, version)
    try:
        yield folder
    finally:
        shutil.rmtree(folder.parent, ignore_errors=True)


def load_version(registry: ServedRegistry, info: ModelVersion, *, threads: int = 1) -> Artifact:
    """A registered version that has answered its golden rows.

    Args:
        registry: Where it is.
        info: Which it is.
        threads: Of ONNX Runtime within one call.

    Raises:
        ArtifactError: A file is absent or wrong, or an answer differs.
    """
    with downloaded(registry, info.model, info.version) as folder:
        artifact = load_artifact(folder, threads=threads)
    artifact.replay()
    return artifact


def open_session(model: Path | bytes, *, threads: int = 1) -> ort.InferenceSession:
    """An ONNX Runtime session on the CPU, from a file or from bytes.

    Raises:
        ArtifactError: It is no ONNX model.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # a thread that waits for the next call busily takes its processor from whoever prepares that call
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    source = model if isinstance(model, bytes) else str(model)
    try:
        return ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors have no common base
        where = "bytes" if isinstance(model, bytes) else str(model)
        raise ArtifactError(where, f"no ONNX model: {error}") from error


def _document(folder: Path, name: str) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads((folder / name).read_text())
    except (OSError, ValueError) as error:
        raise ArtifactError(
            str(folder / name), f"cannot be read: {error}; register the model anew"
        ) from error
    return document


def _alike(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> bool:
    pairs: Sequence[tuple[float, float]] = [
        *zip(mine.get("probabilities", ()), theirs.get("probabilities", ()), strict=True)
    ] or [(mine["value"], theirs["value"])]
    return all(abs(a - b) <= GOLDEN_TOLERANCE * max(1.0, abs(b)) for a, b in pairs)

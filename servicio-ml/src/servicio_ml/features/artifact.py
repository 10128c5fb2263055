"""Model artifact: a folder with the model and the documents that it needs for scoring."""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from servicio_ml.domain.fields.identifier import IDENTIFIER
from servicio_ml.domain.ports.registry import ModelVersion, Registry, RegistryReader
from servicio_ml.domain.schema import FeatureSchema
from servicio_ml.errors import ArtifactError, ServicioError
from servicio_ml.features.encoder import Encoder, Matrix
from servicio_ml.features.isolated.worker_document import WORKER
from servicio_ml.features.output import OutputTransform, Predictions
from servicio_ml.features.profile import ReferenceProfile
from servicio_ml.features.runtimes.open_model import open_model
from servicio_ml.features.runtimes.scorer import Scorer
from servicio_ml.features.uncertainty.uncertainty import ERROR_MODEL, UNCERTAINTY, Uncertainty

MODEL, SCHEMA, OUTPUT = "model.onnx", "schema.json", "output.json"
REFERENCE, GOLDEN, CARD = "reference.json", "golden.json", "card.md"
# all six or none: a version that lacks a file is refused before it serves
FILES = (MODEL, SCHEMA, OUTPUT, REFERENCE, GOLDEN, CARD)
"""Files of an artifact; an isolated model has `WORKER` and a folder instead of `MODEL`. A model that was
calibrated on rows that it had not seen has `UNCERTAINTY`, too, and a regression `ERROR_MODEL`."""
EXPECTED_ERROR = "expected_error"
"""Golden answer of the model of errors."""
# float32 sums differ in the last digits between processors, so equality would be too strict
GOLDEN_TOLERANCE = 1e-5
"""Maximum difference of a probability, or relative difference of a number, on golden rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A loaded model.

    Attributes:
        name: Name of the model.
        encoder: Encoder of records and tables.
        output: Conversion of raw scores to predictions.
        reference: Profile of the training rows.
        golden: Golden records and the predictions expected for them.
        scorer: Model that computes the raw scores.
        identifier: Raw column whose text identifies a row, beside its fields; empty without one.
        uncertainty: Uncertainty of its predictions; None where it was not calibrated.
    """

    name: str
    encoder: Encoder
    output: OutputTransform
    reference: ReferenceProfile
    golden: Mapping[str, Any]
    scorer: Scorer
    identifier: str = ""
    uncertainty: Uncertainty | None = None

    def predict(self, matrix: Matrix) -> Predictions:
        """Predict for a matrix `[n, features]`.

        Raises:
            ServingError: The model is isolated, and cannot score now or has failed on these rows.
        """
        return self.output.transform(self.scorer.score(matrix))

    def build_golden(self, matrix: Matrix) -> list[dict[str, Any]]:
        """Build the golden answers to a matrix `[n, features]`, with the expected error of a regression."""
        predictions = self.predict(matrix)
        answers = build_golden_answers(predictions)
        if self.uncertainty is None or predictions.probabilities is not None:
            return answers
        errors = self.uncertainty.estimate_errors(matrix, predictions).tolist()
        return [{**answer, EXPECTED_ERROR: error} for answer, error in zip(answers, errors, strict=True)]

    def check_golden_rows(
        self, encode: Callable[[Sequence[Mapping[str, Any]]], Matrix] | None = None
    ) -> None:
        """Check the predictions for the golden rows.

        Args:
            encode: Function from records to the matrix; by default the encoder.

        Raises:
            ArtifactError: A prediction differs from the one that was recorded at export.
        """
        # checks encoder, graph and output together, on this machine and with these library versions
        with _translate_damage(self.name):
            records, expected = self.golden["records"], self.golden["answers"]
            given = self.build_golden((encode or self.encoder.encode_records)(records))
            for row, (mine, theirs) in enumerate(zip(given, expected, strict=True)):
                if not _is_close(mine, theirs):
                    raise ArtifactError(
                        self.name, f"golden row {row} gives {mine}, not {theirs}; export the model again"
                    )


def build_golden_answers(predictions: Predictions) -> list[dict[str, Any]]:
    """Build the predictions row by row in the format of golden.json."""
    # `tolist` gives Python numbers, which `json` can write
    values = predictions.outcomes.tolist()
    if predictions.probabilities is None:
        return [{"value": value} for value in values]
    return [
        {"value": value, "probabilities": row}
        for value, row in zip(values, predictions.probabilities.tolist(), strict=True)
    ]


def load_artifact(folder: Path, *, threads: int = 1) -> Artifact:
    """Load an artifact folder.

    Args:
        folder: Folder with `FILES`, or those of an isolated model; it is not needed any more afterwards.
        threads: Number of threads of the model in one call.

    Raises:
        ArtifactError: A file is missing or wrong.
    """
    with _translate_damage(str(folder)):
        return _load_documents(folder, threads)


def _load_documents(folder: Path, threads: int) -> Artifact:
    # no pickle: it would run the code of whoever can write to the registry in this process
    documents = {name: _read_document(folder, name) for name in (SCHEMA, OUTPUT, REFERENCE, GOLDEN)}
    name, schema = documents[GOLDEN]["model"], FeatureSchema.from_json(documents[SCHEMA])
    output = OutputTransform.from_json(documents[OUTPUT])
    return Artifact(
        name=name,
        encoder=Encoder(schema),
        output=output,
        reference=ReferenceProfile.from_json(documents[REFERENCE]),
        golden=documents[GOLDEN],
        scorer=_open_scorer(folder, name, schema, output, threads),
        uncertainty=_load_uncertainty(folder, threads),
        # models of earlier releases have none
        identifier=documents[SCHEMA].get(IDENTIFIER, ""),
    )


def _load_uncertainty(folder: Path, threads: int) -> Uncertainty | None:
    # models without calibration rows have none: imported ones, and those that are isolated
    if not (folder / UNCERTAINTY).exists():
        return None
    document = _read_document(folder, UNCERTAINTY)
    is_scored = document["error_model"] is not None
    scorer = open_model(folder / ERROR_MODEL, threads=threads) if is_scored else None
    return Uncertainty.from_json(document, scorer)


def _open_scorer(
    folder: Path, name: str, schema: FeatureSchema, output: OutputTransform, threads: int
) -> Scorer:
    if not (folder / WORKER).exists():
        return open_model(folder / MODEL, threads=threads)
    if (folder / MODEL).exists():
        problem = f"it has both {MODEL} and {WORKER}, which may differ; register it again with one of them"
        raise ArtifactError(name, problem)
    # an isolated model needs Arrow, which a command without one does not import
    from servicio_ml.features.isolated.scorer import IsolatedScorer  # noqa: PLC0415

    return IsolatedScorer(name, folder, schema, classes=len(output.labels))


@contextmanager
def _translate_damage(name: str) -> Iterator[None]:
    """Translate what any damaged document or model raises.

    Raises:
        ArtifactError: A document lacks a part, or holds a value of another kind.
    """
    try:
        yield
    except ServicioError:
        raise
    except KeyError as error:
        raise ArtifactError(name, f"a document lacks {error}; export the model again") from error
    except Exception as error:  # damaged bytes can raise anything, also from ONNX Runtime
        problem = f"it is damaged ({type(error).__name__}: {error}); export the model again"
        raise ArtifactError(name, problem) from error


def read_schema_and_output(
    registry: Registry, model: str, version: int
) -> tuple[FeatureSchema, OutputTransform]:
    """Read how a registered version encodes rows and what it answers, without its model.

    Raises:
        NoSuchModelError: There is no such version.
        ArtifactError: A file is missing or wrong.
    """
    with _translate_damage(f"{model} version {version}"):
        schema, output = (json.loads(registry.read(model, version, name)) for name in (SCHEMA, OUTPUT))
        return FeatureSchema.from_json(schema), OutputTransform.from_json(output)


@contextmanager
def download_artifact(registry: RegistryReader, model: str, version: int) -> Iterator[Path]:
    """Download the artifact folder of a registered version and delete it when the context ends."""
    folder = registry.download(model, version)
    try:
        yield folder
    finally:
        # the registry downloads into a temporary folder, of which the artifact is a subfolder
        shutil.rmtree(folder.parent, ignore_errors=True)


def load_version(registry: RegistryReader, info: ModelVersion, *, threads: int = 1) -> Artifact:
    """Load a registered version and check its golden rows.

    Args:
        registry: Registry of the version.
        info: Version to load.
        threads: Number of threads of the model in one call.

    Raises:
        ArtifactError: A file is missing or wrong, or a prediction for a golden row differs.
    """
    with download_artifact(registry, info.model, info.version) as folder:
        artifact = load_artifact(folder, threads=threads)
    # before it serves: a model that computes differently here must never become active
    artifact.check_golden_rows()
    return artifact


def _read_document(folder: Path, name: str) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads((folder / name).read_text())
    except (OSError, ValueError) as error:
        raise ArtifactError(
            str(folder / name), f"cannot be read: {error}; register the model again"
        ) from error
    return document


def _is_close(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> bool:
    names = [name for name in ("value", EXPECTED_ERROR) if name in theirs]
    pairs: Sequence[tuple[float, float]] = [
        *zip(mine.get("probabilities", ()), theirs.get("probabilities", ()), strict=True)
    ] or [(mine[name], theirs[name]) for name in names]
    # absolute below 1 and relative above, so that one tolerance fits shares and prices
    return all(abs(a - b) <= GOLDEN_TOLERANCE * max(1.0, abs(b)) for a, b in pairs)

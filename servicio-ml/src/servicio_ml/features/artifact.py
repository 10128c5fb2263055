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
from servicio_ml.features.outliers.answer_details import AnswerDetails, resolve_outlier_flag
from servicio_ml.features.outliers.outlier_model import (
    OUTLIER,
    OUTLIER_LIMIT,
    OUTLIER_MODEL,
    OUTLIER_SCORE,
    OutlierModel,
)
from servicio_ml.features.output import OutputTransform, Predictions
from servicio_ml.features.profile import ReferenceProfile
from servicio_ml.features.runtimes.open_model import open_model
from servicio_ml.features.runtimes.scorer import OnnxScorer, Scorer
from servicio_ml.features.uncertainty.levels import INTERVAL
from servicio_ml.features.uncertainty.uncertainty import (
    ERROR_MODEL,
    UNCERTAINTY,
    Uncertainty,
    UncertaintyColumns,
    resolve_level,
)

MODEL, SCHEMA, OUTPUT = "model.onnx", "schema.json", "output.json"
REFERENCE, GOLDEN, CARD = "reference.json", "golden.json", "card.md"
# all six or none: a version that lacks a file is refused before it serves
FILES = (MODEL, SCHEMA, OUTPUT, REFERENCE, GOLDEN, CARD)
"""Files of an artifact; an isolated model has `WORKER` and a folder instead of `MODEL`. A model that was
calibrated on rows that it had not seen has `UNCERTAINTY`, too, and a regression `ERROR_MODEL`; one with
enough training rows has `OUTLIER` and `OUTLIER_MODEL`."""
EXPECTED_ERROR = "expected_error"
"""Golden answer of the model of errors."""
VALUE = "value"
"""Golden answer of the model: the number, or the index of the label."""
GOLDEN_NUMBERS = (VALUE, EXPECTED_ERROR, OUTLIER_SCORE)
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
        outliers: Outlier score of its rows; None of a version with few training rows, or an older one.
    """

    name: str
    encoder: Encoder
    output: OutputTransform
    reference: ReferenceProfile
    golden: Mapping[str, Any]
    scorer: Scorer
    identifier: str = ""
    uncertainty: Uncertainty | None = None
    outliers: OutlierModel | None = None

    def predict(self, matrix: Matrix) -> Predictions:
        """Predict for a matrix `[n, features]`.

        Raises:
            ServingError: The model is isolated, and cannot score now or has failed on these rows.
        """
        return self.output.transform(self.scorer.score(matrix))

    def build_golden(self, matrix: Matrix) -> list[dict[str, Any]]:
        """Build the golden answers to a matrix `[n, features]`, with what the other models of it say."""
        predictions = self.predict(matrix)
        answers = build_golden_answers(predictions)
        if self.uncertainty is not None and predictions.probabilities is None:
            _add_values(answers, EXPECTED_ERROR, self.uncertainty.estimate_errors(matrix, predictions))
        if self.outliers is not None:
            _add_values(answers, OUTLIER_SCORE, self.outliers.compute_scores(matrix))
        return answers

    def resolve_details(self, version: str, interval: object, outlier: object) -> AnswerDetails:
        """Resolve the parameters of a request, which are None where they are absent.

        Args:
            version: Name of the model, and its version.
            interval: Level of the intervals or sets.
            outlier: Whether answers have an outlier score.

        Raises:
            RequestError: A value is none, or this version does not answer it.
        """
        level = None if interval is None else resolve_level(self.uncertainty, version, interval)
        return AnswerDetails(level=level, outlier=resolve_outlier_flag(self.outliers, version, outlier))

    def compute_details(
        self, matrix: Matrix, predictions: Predictions, details: AnswerDetails
    ) -> UncertaintyColumns:
        """Compute the columns that a request asks for beside the predictions.

        Args:
            matrix: `[n, features]`, its derived columns filled.
            predictions: Answers of the model to these rows.
            details: What the request asks for.
        """
        columns: UncertaintyColumns = {}
        if self.uncertainty is not None and details.level is not None:
            columns |= self.uncertainty.compute_columns(matrix, predictions, details.level)
        if self.outliers is not None and details.outlier:
            columns[OUTLIER_SCORE] = self.outliers.compute_scores(matrix)
        return columns

    def list_detail_columns(self, details: AnswerDetails) -> tuple[str, ...]:
        """List the names of the columns of `compute_details`."""
        names = () if self.uncertainty is None or details.level is None else self.uncertainty.column_names
        return (*names, OUTLIER_SCORE) if details.outlier else names

    def build_details_head(self, details: AnswerDetails) -> dict[str, float]:
        """Build what the details of all rows have in common: the level, and the limit of outlier scores."""
        head = {} if details.level is None else {INTERVAL: details.level}
        if self.outliers is not None and details.outlier:
            head[OUTLIER_LIMIT] = self.outliers.limit
        return head

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


def _add_values(answers: Sequence[dict[str, Any]], name: str, values: Any) -> None:
    for answer, value in zip(answers, values.tolist(), strict=True):
        answer[name] = value


def build_golden_answers(predictions: Predictions) -> list[dict[str, Any]]:
    """Build the predictions row by row in the format of golden.json."""
    # `tolist` gives Python numbers, which `json` can write
    values = predictions.outcomes.tolist()
    if predictions.probabilities is None:
        return [{VALUE: value} for value in values]
    return [
        {VALUE: value, "probabilities": row}
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
        outliers=_load_outlier_model(folder),
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


def _load_outlier_model(folder: Path) -> OutlierModel | None:
    # models of few rows, and of earlier releases, have none
    if not (folder / OUTLIER).exists():
        return None
    return OutlierModel.from_json(_read_document(folder, OUTLIER), open_model(folder / OUTLIER_MODEL))


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


@dataclass(frozen=True, slots=True, kw_only=True)
class RowDocuments:
    """What a version says of logged rows, without its model: their fields, answers and outlier scores."""

    schema: FeatureSchema
    output: OutputTransform
    outliers: OutlierModel | None


def read_row_documents(registry: Registry, model: str, version: int) -> RowDocuments:
    """Read how a registered version encodes rows, what it answers, and how unusual rows are.

    Raises:
        NoSuchModelError: There is no such version.
        ArtifactError: A file is missing or wrong.
    """
    with _translate_damage(f"{model} version {version}"):
        schema, output, golden = (
            json.loads(registry.read(model, version, name)) for name in (SCHEMA, OUTPUT, GOLDEN)
        )
        outliers = None
        # a registry is not asked for a file that may not be there
        if all(OUTLIER_SCORE in answer for answer in golden["answers"]):
            document = json.loads(registry.read(model, version, OUTLIER))
            scorer = OnnxScorer(registry.read(model, version, OUTLIER_MODEL))
            outliers = OutlierModel.from_json(document, scorer)
        return RowDocuments(
            schema=FeatureSchema.from_json(schema),
            output=OutputTransform.from_json(output),
            outliers=outliers,
        )


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
    names = [name for name in GOLDEN_NUMBERS if name in theirs]
    pairs: list[tuple[float, float]] = [
        *zip(mine.get("probabilities", ()), theirs.get("probabilities", ()), strict=True)
    ]
    # the index of a label follows from its probabilities, and flips on a tie
    pairs += [(mine[name], theirs[name]) for name in names if name != VALUE or not pairs]
    # absolute below 1 and relative above, so that one tolerance fits shares and prices
    return all(abs(a - b) <= GOLDEN_TOLERANCE * max(1.0, abs(b)) for a, b in pairs)

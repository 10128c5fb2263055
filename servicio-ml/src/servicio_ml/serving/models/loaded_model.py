"""A loaded model version, the batches that it scores and the results of requests."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from servicio_ml.domain.ports.registry import ModelVersion, RegistryReader
from servicio_ml.domain.prediction import format_prediction_ids
from servicio_ml.errors import ArtifactError
from servicio_ml.features.artifact import CARD, Artifact, download_artifact, load_artifact
from servicio_ml.features.encoder import Matrix
from servicio_ml.features.isolated.scorer import IsolatedScorer
from servicio_ml.features.isolated.supervisor import WorkerListener
from servicio_ml.features.outliers.answer_details import NO_DETAILS, AnswerDetails
from servicio_ml.features.output import POSITIVE, Predictions
from servicio_ml.features.uncertainty.documents import build_documents
from servicio_ml.features.uncertainty.uncertainty import UncertaintyColumns
from servicio_ml.serving.models.bin_counts import BinCounts
from servicio_ml.serving.models.isolated.scoring_queue import ScoringQueue
from servicio_ml.serving.models.request_decoder import Decoder
from servicio_ml.serving.models.row_faults import RowRefusals


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LoadedModel:
    """A loaded version.

    Attributes:
        info: Entry of the registry.
        artifact: Encoder and model.
        decoder: Decoder of request bodies.
        bin_counts: Counts of its rows by bin.
        card: Model card, Markdown.
        loaded_at: Time of loading, in seconds since 1970.
        queue: Queue of an isolated model; None of a model that the event loop scores itself.
    """

    info: ModelVersion
    artifact: Artifact
    decoder: Decoder
    bin_counts: BinCounts
    card: str
    loaded_at: float
    queue: ScoringQueue | None = None

    @property
    def model(self) -> str:
        return self.info.model

    @property
    def version(self) -> int:
        return self.info.version

    @property
    def value_width(self) -> int:
        """Number of the matrix's columns that hold values of fields; the others are derived."""
        return self.artifact.encoder.value_columns

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of the classes; empty for a regression."""
        return self.artifact.output.labels

    @property
    def answer_names(self) -> tuple[str, ...]:
        """Names in the document of a row, without its prediction id."""
        if not self.labels:
            return ("prediction",)
        share = "probability" if self.artifact.output.task == "binary" else "probabilities"
        return ("prediction", "label", share)

    def verify_golden_rows(self) -> None:
        """Score the golden rows as requests are scored, from JSON.

        Raises:
            ArtifactError: A result differs from the one recorded at export.
        """
        self.artifact.check_golden_rows(self._encode_records)

    def _encode_records(self, records: Sequence[Mapping[str, Any]]) -> Matrix:
        # through JSON and the decoder, so that the check covers the path of a request
        rows, _ = self.decoder.decode_batch(json.dumps({"records": records}).encode())
        self.artifact.encoder.derive(rows.matrix)
        return rows.matrix

    def close(self) -> None:
        """Finish the waiting requests of an isolated model, and end its process."""
        if self.queue is not None and isinstance(self.artifact.scorer, IsolatedScorer):
            self.queue.close()
            self.artifact.scorer.close()

    def score(self, key: bytes, matrix: Matrix) -> "ScoredBatch":
        """Fill the derived columns of a matrix `[n, features]` in place, and score it."""
        self.artifact.encoder.derive(matrix)
        return ScoredBatch(self, key, self.artifact.predict(matrix), matrix)

    def resolve_details(self, interval: object, outlier: object) -> AnswerDetails:
        """Resolve the parameters `interval` and `outlier` of a request, which are None where they are absent.

        Raises:
            RequestError: A value is none, or this version does not answer it.
        """
        # most requests have neither
        if interval is None and outlier is None:
            return NO_DETAILS
        return self.artifact.resolve_details(f"{self.model} version {self.version}", interval, outlier)


class ScoredBatch:
    """Rows that one call of the model scored together, possibly of several requests.

    Args:
        loaded_model: Version that scored them.
        key: Key of the log chunk that holds them, 16 bytes.
        predictions: One prediction a row.
        matrix: The rows, `[n, features]`, for those who ask how sure the predictions are.
    """

    def __init__(
        self, loaded_model: LoadedModel, key: bytes, predictions: Predictions, matrix: Matrix
    ) -> None:
        self.loaded_model, self.key, self.predictions, self.matrix = loaded_model, key, predictions, matrix

    # computed once for all requests that share the batch
    @cached_property
    def row_documents(self) -> list[dict[str, Any]]:
        """Prediction (the class's index, or the number), label and probability of each row."""
        labels, outcomes = self.loaded_model.labels, self.predictions.outcomes.tolist()
        probabilities = self.predictions.probabilities
        if probabilities is None:
            return [{"prediction": outcome} for outcome in outcomes]
        codes = [int(outcome) for outcome in outcomes]
        if self.loaded_model.artifact.output.task == "binary":
            return [
                {"prediction": code, "label": labels[code], "probability": probability}
                for code, probability in zip(codes, probabilities[:, POSITIVE].tolist(), strict=True)
            ]
        return [
            {"prediction": code, "label": labels[code], "probabilities": dict(zip(labels, row, strict=True))}
            for code, row in zip(codes, probabilities.tolist(), strict=True)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionResult:
    """The rows of one request with their predictions.

    Attributes:
        scored_batch: All rows of the same call of the model.
        start: Index of the first row in the batch.
        row_count: Number of rows.
        details: What the request asks for beside the predictions.
    """

    scored_batch: ScoredBatch
    start: int
    row_count: int
    details: AnswerDetails = NO_DETAILS

    @property
    def loaded_model(self) -> LoadedModel:
        return self.scored_batch.loaded_model

    @property
    def predictions(self) -> Predictions:
        """Predictions of these rows only."""
        return self.scored_batch.predictions.select(slice(self.start, self.start + self.row_count))

    @property
    def row_documents(self) -> list[dict[str, Any]]:
        """Prediction, label and probability of each row, and the details that are asked for."""
        return self.scored_documents

    @property
    def scored_documents(self) -> list[dict[str, Any]]:
        """Documents of the scored rows."""
        rows = self.scored_batch.row_documents[self.start : self.start + self.row_count]
        if self.details == NO_DETAILS:
            return rows
        more = build_documents(self.compute_details(), self.loaded_model.labels)
        return [{**row, **columns} for row, columns in zip(rows, more, strict=True)]

    @property
    def answer_names(self) -> tuple[str, ...]:
        """Names in the document of a row, without its prediction id."""
        more = self.loaded_model.artifact.list_detail_columns(self.details)
        return (*self.loaded_model.answer_names, *more)

    def compute_details(self) -> UncertaintyColumns:
        """Compute the columns of the scored rows that are asked for beside the predictions."""
        if self.details == NO_DETAILS:
            return {}
        matrix = self.scored_batch.matrix[self.start : self.start + self.row_count]
        return self.loaded_model.artifact.compute_details(matrix, self.predictions, self.details)

    @property
    def head(self) -> dict[str, Any]:
        """Model and version, and what the details of all rows have in common."""
        head = {"model": self.loaded_model.model, "version": self.loaded_model.version}
        return {**head, **self.details_head} if self.details != NO_DETAILS else head

    @property
    def details_head(self) -> dict[str, float]:
        """Level of the intervals, and limit of the outlier scores, where they are asked for."""
        return self.loaded_model.artifact.build_details_head(self.details)

    @property
    def ids(self) -> list[str]:
        """Prediction ids of the rows of the batch."""
        return format_prediction_ids(self.scored_batch.key, self.start, self.row_count)

    @property
    def row_ids(self) -> Sequence[str | None]:
        """Prediction id of each document."""
        return self.ids

    def to_documents(self) -> list[dict[str, Any]]:
        """Return one document a row, as every interface returns it."""
        head = self.head
        return [
            {**answer, **head, "prediction_id": each}
            for answer, each in zip(self.row_documents, self.row_ids, strict=True)
        ]

    def to_columns(self) -> dict[str, list[Any]]:
        """Return the documents as columns: name to one value a row."""
        plain = self.row_documents
        return {**{name: [row[name] for row in plain] for name in plain[0]}, "prediction_id": [*self.row_ids]}


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialResult(PredictionResult):
    """The rows of one request of which some are refused by a value.

    The rows of the batch are the scored ones; documents and columns have a row for each of the request.

    Attributes:
        refusals: The refused rows.
    """

    refusals: RowRefusals

    @property
    def row_documents(self) -> list[dict[str, Any]]:
        """Prediction, label and probability of each row, null where it is refused, and its error."""
        rows = self.refusals.fill(self.scored_documents, dict.fromkeys(self.answer_names))
        return [{**row, "error": error} for row, error in zip(rows, self.refusals.errors, strict=True)]

    @property
    def row_ids(self) -> Sequence[str | None]:
        """Prediction id of each document; None for a refused row."""
        return self.refusals.fill(self.ids, None)


LoadModel = Callable[[ModelVersion], LoadedModel]
"""Fetches, loads and verifies a version; raises `ServicioError`."""


def build_loader(
    registry: RegistryReader,
    *,
    max_rows: int,
    open_bin_counts: Callable[[ModelVersion, Artifact], BinCounts],
    open_listener: Callable[[ModelVersion], WorkerListener],
    clock: Callable[[], float],
) -> LoadModel:
    """Build the `LoadModel` of a registry.

    Args:
        registry: Registry of the versions.
        max_rows: Maximum number of rows of a request.
        open_bin_counts: Opens the bin counts of a version.
        open_listener: Opens the listener of a version's process, where it is isolated.
        clock: Returns the time in seconds since 1970.
    """

    def load(info: ModelVersion) -> LoadedModel:
        with download_artifact(registry, info.model, info.version) as folder:
            try:
                artifact = load_artifact(folder)
                card = (folder / CARD).read_text()
            except OSError as error:
                raise ArtifactError(
                    f"{info.model} version {info.version}", f"{error}; register it again"
                ) from error
        loaded_model = LoadedModel(
            info=info,
            artifact=artifact,
            decoder=Decoder(info.model, artifact.encoder, max_rows, artifact.identifier),
            bin_counts=open_bin_counts(info, artifact),
            card=card,
            loaded_at=clock(),
            queue=_open_queue(info, artifact, open_listener),
        )
        # before it can answer: a version that differs from its export never gets a request
        loaded_model.verify_golden_rows()
        return loaded_model

    return load


def _open_queue(
    info: ModelVersion, artifact: Artifact, open_listener: Callable[[ModelVersion], WorkerListener]
) -> ScoringQueue | None:
    if not isinstance(artifact.scorer, IsolatedScorer):
        return None
    listener = open_listener(info)
    artifact.scorer.watch(listener)
    return ScoringQueue(info.model, listener.record_failure)

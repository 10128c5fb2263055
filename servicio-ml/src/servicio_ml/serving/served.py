"""A model version that answers, and what it answers."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from servicio_ml.domain.ports import ModelVersion, ServedRegistry
from servicio_ml.domain.prediction import prediction_ids
from servicio_ml.errors import ArtifactError
from servicio_ml.features.artifact import CARD, Artifact, downloaded, load_artifact
from servicio_ml.features.encoder import Matrix
from servicio_ml.features.output import POSITIVE, Predictions
from servicio_ml.serving.decode import Decoder
from servicio_ml.serving.tally import Tally


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Served:
    """A loaded version.

    Attributes:
        info: What the registry says of it.
        artifact: Encodes and predicts.
        decoder: Reads the bodies of requests.
        tally: Counts its rows by bin.
        card: Its model card, Markdown.
        loaded: When it was loaded, in seconds since 1970.
    """

    info: ModelVersion
    artifact: Artifact
    decoder: Decoder
    tally: Tally
    card: str
    loaded: float

    @property
    def model(self) -> str:
        return self.info.model

    @property
    def version(self) -> int:
        return self.info.version

    @property
    def width(self) -> int:
        """How many of the matrix's columns are fields; the rest are derived."""
        return len(self.artifact.encoder.schema.fields)

    @property
    def labels(self) -> tuple[str, ...]:
        """Of the classes; none of a regression."""
        return self.artifact.output.labels

    def replay(self) -> None:
        """Answer the golden rows on the road of requests, from JSON.

        Raises:
            ArtifactError: An answer differs from the one written down at export.
        """
        self.artifact.replay(self._encoded)

    def _encoded(self, records: Sequence[Mapping[str, Any]]) -> Matrix:
        matrix, _ = self.decoder.batch(json.dumps({"records": records}).encode())
        self.artifact.encoder.derive(matrix)
        return matrix

    def score(self, key: bytes, matrix: Matrix) -> "Scored":
        """Fill the derived columns of a matrix `[n, features]` in place, and score it."""
        self.artifact.encoder.derive(matrix)
        return Scored(self, key, self.artifact.predict(matrix))


class Scored:
    """Rows that one call of the model scored together, perhaps of several requests.

    Args:
        served: What scored them.
        key: Of the chunk that they are logged in.
        predictions: One a row.
    """

    def __init__(self, served: Served, key: bytes, predictions: Predictions) -> None:
        self.served, self.key, self.predictions = served, key, predictions

    @cached_property
    def plain(self) -> list[dict[str, Any]]:
        """Prediction, label and probability of each row: the class's index, or the number."""
        labels, outcomes = self.served.labels, self.predictions.outcomes.tolist()
        probabilities = self.predictions.probabilities
        if probabilities is None:
            return [{"prediction": outcome} for outcome in outcomes]
        codes = [int(outcome) for outcome in outcomes]
        if self.served.artifact.output.task == "binary":
            return [
                {"prediction": code, "label": labels[code], "probability": probability}
                for code, probability in zip(codes, probabilities[:, POSITIVE].tolist(), strict=True)
            ]
        return [
            {"prediction": code, "label": labels[code], "probabilities": dict(zip(labels, row, strict=True))}
            for code, row in zip(codes, probabilities.tolist(), strict=True)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The rows of one request with their answers.

    Attributes:
        scored: All rows of the same call of the model.
        start: Place of the first row among them.
        rows: How many.
    """

    scored: Scored
    start: int
    rows: int

    @property
    def served(self) -> Served:
        return self.scored.served

    @property
    def predictions(self) -> Predictions:
        """Of just these rows."""
        return self.scored.predictions.part(slice(self.start, self.start + self.rows))

    @property
    def plain(self) -> list[dict[str, Any]]:
        """Prediction, label and probability of each row."""
        return self.scored.plain[self.start : self.start + self.rows]

    @property
    def ids(self) -> list[str]:
        """The prediction ids of the rows."""
        return prediction_ids(self.scored.key, self.start, self.rows)

    def documents(self) -> list[dict[str, Any]]:
        """One answer a row, as every interface gives it."""
        model, version = self.served.model, self.served.version
        return [
            {**answer, "model": model, "version": version, "prediction_id": each}
            for answer, each in zip(self.plain, self.ids, strict=True)
        ]

    def columns(self) -> dict[str, list[Any]]:
        """The same by columns."""
        plain = self.plain
        return {**{name: [row[name] for row in plain] for name in plain[0]}, "prediction_id": self.ids}


Load = Callable[[ModelVersion], Served]
"""Fetches, loads and replays a version; raises `ServicioError`."""


def loader(
    registry: ServedRegistry,
    *,
    max_rows: int,
    tally: Callable[[ModelVersion, Artifact], Tally],
    now: Callable[[], float],
) -> Load:
    """The `Load` of a registry."""

    def load(info: ModelVersion) -> Served:
        with downloaded(registry, info.model, info.version) as folder:
            try:
                artifact = load_artifact(folder)
                card = (folder / CARD).read_text()
            except OSError as error:
                raise ArtifactError(
                    f"{info.model} version {info.version}", f"{error}; register it anew"
                ) from error
        served = Served(
            info=info,
            artifact=artifact,
            decoder=Decoder(info.model, artifact.encoder, max_rows),
            tally=tally(info, artifact),
            card=card,
            loaded=now(),
        )
        served.replay()
        return served

    return load

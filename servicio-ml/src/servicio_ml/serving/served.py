"""A model version that answers, and what it answers."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from servicio_ml.domain.ports import ModelVersion, Registry
from servicio_ml.domain.prediction import prediction_ids
from servicio_ml.errors import ArtifactError
from servicio_ml.features.artifact import CARD, Artifact, load_artifact
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
    def labels(self) -> tuple[str, ...]:
        """Of the classes; none of a regression."""
        return self.artifact.output.labels

    def replay(self) -> None:
        """Answer the golden rows on the road of requests, from JSON.

        Raises:
            ArtifactError: An answer differs from the one written down at export.
        """
        self.artifact.replay(lambda records: self.decoder.batch(json.dumps({"records": records}).encode())[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """Rows with their answers.

    Attributes:
        served: What answered.
        key: Of the chunk that they are logged in.
        start: Place of the first row in that chunk.
        rows: How many.
        predictions: Of just these rows.
    """

    served: Served
    key: bytes
    start: int
    rows: int
    predictions: Predictions

    @property
    def ids(self) -> list[str]:
        """The prediction ids of the rows."""
        return prediction_ids(self.key, self.start, self.rows)

    def documents(self) -> list[dict[str, Any]]:
        """One answer a row, as every interface gives it."""
        model, version = self.served.model, self.served.version
        return [
            {**answer, "model": model, "version": version, "prediction_id": each}
            for answer, each in zip(self.plain(), self.ids, strict=True)
        ]

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

    def columns(self) -> dict[str, list[Any]]:
        """The same by columns."""
        plain = self.plain()
        return {**{name: [row[name] for row in plain] for name in plain[0]}, "prediction_id": self.ids}


Load = Callable[[ModelVersion], Served]
"""Fetches, loads and replays a version; raises `ServicioError`."""


def loader(
    registry: Registry,
    *,
    max_rows: int,
    tally: Callable[[ModelVersion, Artifact], Tally],
    now: Callable[[], float],
) -> Load:
    """The `Load` of a registry."""

    def load(info: ModelVersion) -> Served:
        folder = registry.download(info.model, info.version)
        try:
            artifact = load_artifact(folder)
            card = (folder / CARD).read_text()
        except OSError as error:
            raise ArtifactError(
                f"{info.model} version {info.version}", f"{error}; register it anew"
            ) from error
        finally:
            shutil.rmtree(folder.parent, ignore_errors=True)
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


def features_of(served: Served, matrix: Matrix) -> Matrix:
    """The fields' columns of a matrix, as they are logged."""
    return matrix[:, : len(served.artifact.encoder.schema.fields)]

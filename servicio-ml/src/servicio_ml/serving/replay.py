"""A server without an address, at a time of one's own: it answers, refuses, learns the truth and counts."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol as Port

from prometheus_client import CollectorRegistry

from servicio_ml.domain.ports import Journal, ModelVersion, PredictionLog
from servicio_ml.domain.prediction import Protocol
from servicio_ml.domain.promotion import CHAMPION
from servicio_ml.errors import Fault, InvalidError, NoSuchModelError
from servicio_ml.features.artifact import Artifact
from servicio_ml.features.encoder import Matrix
from servicio_ml.features.output import Predictions
from servicio_ml.serving.decode import Decoder
from servicio_ml.serving.feedback import Feedback, Truth
from servicio_ml.serving.keys import Keys
from servicio_ml.serving.metrics import Current, Metrics
from servicio_ml.serving.models import Models
from servicio_ml.serving.predictor import Predictor
from servicio_ml.serving.recorder import LogPolicy, Recorder
from servicio_ml.serving.served import Served
from servicio_ml.serving.service import Limits, Service
from servicio_ml.serving.tally import Tallies

MAX_ROWS = 1 << 20
CREATED = "_created"
"""Ends the name of the samples in which the client library tells when a counter was made."""


class Log(Journal, PredictionLog, Port):
    """Both at once."""


class Replay:
    """One version as champion of a service that nobody but the caller reaches.

    Args:
        info: The version.
        artifact: Its model.
        log: An empty one.
        folder: For the counters.

    Attributes:
        now: What its clock shows, in seconds since 1970.
    """

    def __init__(self, info: ModelVersion, artifact: Artifact, log: Log, folder: Path) -> None:
        self.now = 0.0
        self._model = info.model
        self._registry, tallies = CollectorRegistry(), Tallies(folder)
        metrics = Metrics(self._registry)

        def load(wanted: ModelVersion) -> Served:
            decoder = Decoder(wanted.model, artifact.encoder, MAX_ROWS)
            return Served(
                info=wanted, artifact=artifact, decoder=decoder, tally=tallies.open(wanted, artifact),
                card="", loaded=self.now,
            )  # fmt: skip

        models = Models(_Shelf(info), load, self._clock)
        models.refresh()
        recorder = Recorder(log, metrics, self._clock, LogPolicy())
        bits = random.Random(0).getrandbits  # noqa: S311  ids, no secrets
        self._predictor = Predictor(models, recorder, metrics, self._clock, bits)
        self._registry.register(Current(tallies, models, log.pending))
        self._feedback = Feedback(
            service=Service(
                models=models, predictor=self._predictor, log=log, metrics=metrics, keys=Keys(),
                limits=Limits(body_bytes=1, rows=MAX_ROWS, concurrency=1), default_model=info.model,
            )
        )  # fmt: skip

    def _clock(self) -> float:
        return self.now

    def answer(self, matrix: Matrix) -> tuple[Sequence[str], Predictions]:
        """Answer rows `[n, features]`, at least one; gives their prediction ids too."""
        served, _ = self._predictor.choose(self._model)
        answered = self._predictor.answer_now(served, matrix, Protocol.REST)
        return answered.ids, answered.predictions

    def refuse(self, faults: Sequence[Fault]) -> None:
        """Refuse a request for its faults, at least one."""
        self._predictor.reject(InvalidError(self._model, faults))

    def learn(self, ids: Sequence[str], truths: Sequence[str | float]) -> None:
        """Take in the truth about answered rows: labels, or numbers."""
        labels = [Truth(prediction_id=each, actual=truth) for each, truth in zip(ids, truths, strict=True)]
        self._feedback.many(self._model, labels, self.now)

    def scrape(self) -> Iterator[tuple[str, Mapping[str, str], float]]:
        """Name, labels and value of everything that is told now."""
        for metric in self._registry.collect():
            for sample in metric.samples:
                if not sample.name.endswith(CREATED):
                    yield sample.name, sample.labels, float(sample.value)

    def close(self) -> None:
        """End its threads."""
        self._predictor.close()


class _Shelf:
    """A registry that holds one version."""

    def __init__(self, info: ModelVersion) -> None:
        self._info = replace(info, aliases=(CHAMPION,))

    def models(self) -> Sequence[str]:
        return [self._info.model]

    def versions(self, model: str) -> Sequence[ModelVersion]:
        return [self._info] if model == self._info.model else []

    def download(self, model: str, version: int) -> Path:
        raise NoSuchModelError(model, f"artifact of version {version} here", "it is loaded already")

    def notes(self, model: str) -> Mapping[str, str]:  # noqa: ARG002  of no model
        return {}

    def note(self, model: str, key: str, value: str) -> None:
        """Nobody reads it."""

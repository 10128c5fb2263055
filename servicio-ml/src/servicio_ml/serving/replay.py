"""A server without a socket, with its own clock, for backtests: it scores, refuses and counts."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol as Port

from prometheus_client import CollectorRegistry

from servicio_ml.domain.ports.journal import Journal
from servicio_ml.domain.ports.prediction_log import PredictionLog
from servicio_ml.domain.ports.registry import ModelVersion
from servicio_ml.domain.prediction import Interface
from servicio_ml.domain.promotion import CHAMPION
from servicio_ml.errors import FieldError, InvalidError, NoSuchModelError
from servicio_ml.features.artifact import Artifact
from servicio_ml.features.encoder import Matrix
from servicio_ml.features.output import Predictions
from servicio_ml.serving.http.api_keys import ApiKeys
from servicio_ml.serving.metrics import Metrics
from servicio_ml.serving.models.bin_counts import BinCountsFolder
from servicio_ml.serving.models.loaded_model import LoadedModel
from servicio_ml.serving.models.models import LoadedModels
from servicio_ml.serving.models.request_decoder import Decoder
from servicio_ml.serving.prediction.feedback import FeedbackRecorder
from servicio_ml.serving.prediction.feedback_documents import GroundTruthInput
from servicio_ml.serving.prediction.predictor import Predictor
from servicio_ml.serving.prediction.recorder import LogPolicy, Recorder
from servicio_ml.serving.prediction.service import RequestLimits, Service
from servicio_ml.serving.prediction.state_collector import StateCollector

MAX_ROWS = 1 << 20
CREATED_SUFFIX = "_created"
"""Suffix of the samples in which the client library exports the creation time of a counter."""


class ReplayLog(Journal, PredictionLog, Port):
    """A journal that is also the prediction log."""


class ReplayServer:
    """One version as champion of a service that only the caller can reach.

    Args:
        info: Version.
        artifact: Artifact of the version.
        log: Empty log.
        folder: Folder for the bin counts.

    Attributes:
        now: Time of its clock, in seconds since 1970.
    """

    def __init__(self, info: ModelVersion, artifact: Artifact, log: ReplayLog, folder: Path) -> None:
        self.now = 0.0
        self._model = info.model
        self._registry, bin_counts = CollectorRegistry(), BinCountsFolder(folder)
        metrics = Metrics(self._registry)

        def load(info: ModelVersion) -> LoadedModel:
            decoder = Decoder(info.model, artifact.encoder, MAX_ROWS, artifact.identifier)
            return LoadedModel(
                info=info, artifact=artifact, decoder=decoder, bin_counts=bin_counts.open(info, artifact),
                card="", loaded_at=self.now,
            )  # fmt: skip

        models = LoadedModels(_SingleVersionRegistry(info), load, self._read_clock)
        models.refresh()
        recorder = Recorder(log, metrics, self._read_clock, LogPolicy())
        # a fixed seed: the same backtest gives the same ids and so the same samples
        bits = random.Random(0).getrandbits  # noqa: S311  ids, no secrets
        self._predictor = Predictor(models, recorder, metrics, self._read_clock, bits)
        self._registry.register(StateCollector(bin_counts, models, log.count_pending))
        self._feedback = FeedbackRecorder(
            service=Service(
                models=models, predictor=self._predictor, log=log, metrics=metrics, keys=ApiKeys(),
                limits=RequestLimits(body_bytes=1, rows=MAX_ROWS, concurrency=1), default_model=info.model,
            )
        )  # fmt: skip

    def _read_clock(self) -> float:
        return self.now

    def predict(self, matrix: Matrix) -> tuple[Sequence[str], Predictions]:
        """Score rows `[n, features]`, at least one; return their prediction ids and predictions."""
        champion, _ = self._predictor.route(self._model)
        result = self._predictor.score_sync(champion, matrix, Interface.REST)
        return result.ids, result.predictions

    def refuse(self, faults: Sequence[FieldError]) -> None:
        """Count a request that is refused for its faults, at least one."""
        self._predictor.count_rejected(InvalidError(self._model, faults))

    def add_ground_truth(self, ids: Sequence[str], truths: Sequence[str | float]) -> None:
        """Record the ground truth of scored rows: labels, or numbers."""
        labels = [
            GroundTruthInput(prediction_id=each, actual=truth)
            for each, truth in zip(ids, truths, strict=True)
        ]
        self._feedback.record_many(self._model, labels, self.now)

    def scrape(self) -> Iterator[tuple[str, Mapping[str, str], float]]:
        """Yield name, labels and value of every sample."""
        for metric in self._registry.collect():
            for sample in metric.samples:
                # creation times would be wall-clock times in a simulated history
                if not sample.name.endswith(CREATED_SUFFIX):
                    yield sample.name, sample.labels, float(sample.value)

    def close(self) -> None:
        """Stop the threads."""
        self._predictor.close()


class _SingleVersionRegistry:
    """A registry with a single version."""

    def __init__(self, info: ModelVersion) -> None:
        self._info = replace(info, aliases=(CHAMPION,))

    def list_models(self) -> Sequence[str]:
        return [self._info.model]

    def list_versions(self, model: str) -> Sequence[ModelVersion]:
        return [self._info] if model == self._info.model else []

    def download(self, model: str, version: int) -> Path:
        raise NoSuchModelError(model, f"artifact of version {version} here", "it is loaded already")

    def get_model_tags(self, model: str) -> Mapping[str, str]:  # noqa: ARG002  no model has tags
        return {}

    def set_model_tag(self, model: str, key: str, value: str) -> None:
        """Ignore the tag."""

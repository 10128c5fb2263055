"""A registered small model with logged rows, for tests of drift."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from prediction_chunks import NOW
from servicio_ml.adapters.prediction_log.scratch_log import ScratchLog
from servicio_ml.domain.ports.registry import ModelVersion
from servicio_ml.domain.prediction import (
    Chunk,
    GroundTruth,
    Interface,
    Purpose,
    create_timed_key,
    format_prediction_ids,
)
from servicio_ml.domain.promotion import CHAMPION
from servicio_ml.domain.use_case import Task
from servicio_ml.features.artifact import Artifact, load_artifact
from servicio_ml.features.output import Predictions
from servicio_ml.pipeline.drift.window import LoggedWindow
from small_use_case import LABELS, generate_rows
from training_fixture import TrainingFixture

BITS = random.Random(5).getrandbits  # noqa: S311  ids, no secrets
TRAINED_ROWS = 300
"""On which the artifacts of conftest.py are trained."""


@dataclass(slots=True, kw_only=True)
class DriftFixture:
    """A version that was asked."""

    place: TrainingFixture
    info: ModelVersion
    artifact: Artifact
    log: ScratchLog = field(default_factory=ScratchLog)

    @property
    def window(self) -> LoggedWindow:
        return LoggedWindow(
            info=self.info, artifact=self.artifact, log=self.log, start=NOW - 60, end=NOW + 60
        )

    def log_predictions(
        self, frame: pl.DataFrame, *, version: int = 1, purpose: Purpose = Purpose.ANSWER,
        answers: Predictions | None = None,
    ) -> list[str]:  # fmt: skip
        """Log the rows of a frame in one chunk; gives their prediction ids."""
        matrix = self.artifact.encoder.encode_frame(frame)
        answers = answers or self.artifact.predict(matrix)
        fields = np.ascontiguousarray(matrix[:, : len(self.artifact.encoder.schema.fields)], dtype="<f4")
        given = answers.probabilities
        key = create_timed_key(NOW, BITS)
        made = Chunk(
            key=key, at=NOW, model="small", version=version, protocol=Interface.REST, purpose=purpose,
            rows=len(frame), places=np.arange(len(frame), dtype="<u4").tobytes(), features=fields.tobytes(),
            outcomes=answers.outcomes.astype("<f8").tobytes(),
            probabilities=b"" if given is None else given.astype("<f8").tobytes(),
        )  # fmt: skip
        self.log.write([made])
        return format_prediction_ids(key, 0, len(frame))

    def report_ground_truth(self, ids: Sequence[str], actual: Sequence[float]) -> None:
        """Report ground truth."""
        pairs = zip(ids, actual, strict=True)
        self.log.add_ground_truth(
            [GroundTruth(prediction_id=each, actual=float(is_), at=NOW) for each, is_ in pairs]
        )


def create_drift_fixture(folder: Path, artifact: Path, task: Task = Task.BINARY) -> DriftFixture:
    """A champion whose training rows are published; nothing is logged yet."""
    place = TrainingFixture(folder)
    made = place.publish(task, train_rows=generate_rows(task, TRAINED_ROWS))
    tags = {"period": made.period, "data_digest": made.digest}
    info = place.registry.register("small", artifact, run_id="run", tags=tags)
    place.registry.set_alias("small", CHAMPION, info.version)
    return DriftFixture(place=place, info=info, artifact=load_artifact(artifact))


def encode_ground_truth(task: Task, frame: pl.DataFrame) -> list[float]:
    """Ground truth of made-up rows, as it is logged."""
    outcome = frame["outcome"].to_list()
    return [float(LABELS[task].index(each)) for each in outcome] if LABELS[task] else outcome

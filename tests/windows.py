"""A registered small model with logged rows, for tests of drift."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from chunks import NOW
from problems import LABELS, rows
from servicio_ml.adapters.memory_log import MemoryLog
from servicio_ml.domain.ports import ModelVersion
from servicio_ml.domain.prediction import Chunk, GroundTruth, Protocol, Purpose, prediction_ids, timed_key
from servicio_ml.domain.promotion import CHAMPION
from servicio_ml.domain.use_case import Task
from servicio_ml.features.artifact import Artifact, load_artifact
from servicio_ml.features.output import Predictions
from servicio_ml.pipeline.drift_window import Window
from worlds import Place

BITS = random.Random(5).getrandbits  # noqa: S311  ids, no secrets
TRAINED_ROWS = 300
"""On which the artifacts of conftest.py are trained."""


@dataclass(slots=True, kw_only=True)
class Asked:
    """A version that was asked."""

    place: Place
    info: ModelVersion
    artifact: Artifact
    log: MemoryLog = field(default_factory=MemoryLog)

    @property
    def window(self) -> Window:
        return Window(info=self.info, artifact=self.artifact, log=self.log, start=NOW - 60, end=NOW + 60)

    def ask(
        self, frame: pl.DataFrame, *, version: int = 1, purpose: Purpose = Purpose.ANSWER,
        answers: Predictions | None = None,
    ) -> list[str]:  # fmt: skip
        """Log the rows of a frame in one chunk; gives their prediction ids."""
        matrix = self.artifact.encoder.frame(frame)
        answers = answers or self.artifact.predict(matrix)
        fields = np.ascontiguousarray(matrix[:, : len(self.artifact.encoder.schema.fields)], dtype="<f4")
        given = answers.probabilities
        key = timed_key(NOW, BITS)
        made = Chunk(
            key=key, at=NOW, model="small", version=version, protocol=Protocol.REST, purpose=purpose,
            rows=len(frame), places=np.arange(len(frame), dtype="<u4").tobytes(), features=fields.tobytes(),
            outcomes=answers.outcomes.astype("<f8").tobytes(),
            probabilities=b"" if given is None else given.astype("<f8").tobytes(),
        )  # fmt: skip
        self.log.write([made])
        return prediction_ids(key, 0, len(frame))

    def tell(self, ids: Sequence[str], actual: Sequence[float]) -> None:
        """Report ground truth."""
        pairs = zip(ids, actual, strict=True)
        self.log.label([GroundTruth(prediction_id=each, actual=float(is_), at=NOW) for each, is_ in pairs])


def asked(folder: Path, artifact: Path, task: Task = Task.BINARY) -> Asked:
    """A champion whose training rows are published; nothing is logged yet."""
    place = Place(folder)
    made = place.publish(task, train_rows=rows(task, TRAINED_ROWS))
    tags = {"period": made.period, "data_digest": made.digest}
    info = place.registry.register("small", artifact, run_id="run", tags=tags)
    place.registry.point("small", CHAMPION, info.version)
    return Asked(place=place, info=info, artifact=load_artifact(artifact))


def truth(task: Task, frame: pl.DataFrame) -> list[float]:
    """Ground truth of made-up rows, as it is logged."""
    outcome = frame["outcome"].to_list()
    return [float(LABELS[task].index(each)) for each in outcome] if LABELS[task] else outcome

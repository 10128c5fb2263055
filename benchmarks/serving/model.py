"""The prepared folder: one rain model in every form that a server takes, and the rows that are asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import numpy.typing as npt
import pandas as pd

from servicio_ml.features.artifact import MODEL, Artifact, load_artifact
from servicio_ml.features.encoder import Matrix
from servicio_ml.features.runtimes.scorer import OnnxScorer

BATCH_ROWS = 10_000
Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=False, kw_only=True)
class Models:
    """The prepared folder.

    Attributes:
        folder: Holds `artifact/`, `state/`, `pipeline/`, `mlflow/`, `booster/`, `model.onnx`, `fields.json`.
        records: `BATCH_ROWS` records of days that no model was fitted on.
        source: What it was trained on.
    """

    folder: Path
    records: Sequence[Mapping[str, Any]]
    source: str

    @cached_property
    def artifact(self) -> Artifact:
        return load_artifact(self.folder / "artifact")

    @cached_property
    def onnx(self) -> OnnxScorer:
        """The model in ONNX Runtime, without its table of trees."""
        return OnnxScorer(self.folder / "artifact" / MODEL)

    @cached_property
    def matrix(self) -> Matrix:
        """The records as `[n, features]`."""
        return self.artifact.encoder.encode_records(self.records)

    @cached_property
    def answers(self) -> Floats:
        """`[n]`: what our server must answer as the probability of rain."""
        predictions = self.artifact.predict(self.matrix)
        return _select_positive(predictions.probabilities)

    @cached_property
    def raw_answers(self) -> Floats:
        """`[n]`: the same, not calibrated, as the peers with a fast model inside must answer."""
        return _select_positive(self.onnx.score(self.matrix))

    @cached_property
    def pipeline_answers(self) -> Floats:
        """`[n]`: what the peers with the scikit-learn pipeline must answer."""
        pipeline = joblib.load(self.folder / "pipeline" / "model.joblib")
        return _select_positive(pipeline.predict_proba(pd.DataFrame(list(self.records))))


def _select_positive(probabilities: Floats | None) -> Floats:
    if probabilities is None:
        raise TypeError
    return probabilities[:, 1]

"""Readers of model files."""

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd


@dataclass(frozen=True)
class LoadedModel:
    """A model of any library."""

    task: str
    classes: tuple[Any, ...]
    columns: tuple[str, ...]
    estimator: Any

    def score(self, frame: pd.DataFrame) -> npt.NDArray[np.float64]:
        if self.task == "regression":
            return np.asarray(self.estimator.predict(frame), dtype=np.float64).reshape(-1, 1)
        return np.asarray(self.estimator.predict_proba(frame), dtype=np.float64)


def load_model(kind: str, path: Path) -> LoadedModel:
    """Load a model."""
    if kind != "pickle":
        raise ValueError(f"unknown kind of model {kind!r}")
    with path.open("rb") as file:
        estimator = pickle.load(file)  # noqa: S301  this process exists for it
    classes = tuple(getattr(estimator, "classes_", np.array([])).tolist())
    task = {0: "regression", 2: "binary"}.get(len(classes), "multiclass")
    return LoadedModel(task, classes, tuple(getattr(estimator, "feature_names_in_", ())), estimator)

"""One table in two parts, and the metric of each task: what every contender gets and is measured by."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import f1_score, mean_absolute_error, r2_score, roc_auc_score

METRICS = {"binary": "ROC-AUC", "multiclass": "F1 macro", "regression": "R²", "mae": "MAE"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Training and test rows of one table.

    Attributes:
        folder: Folder with `train.parquet` and `test.parquet`.
        target: Column to predict.
        task: `binary`, `multiclass` or `regression`.
        positive: The positive class of a binary target, as in the column.
        is_absolute: True for a regression that is measured by its mean absolute error.
    """

    folder: Path
    target: str
    task: str
    positive: Any = None
    is_absolute: bool = False

    @property
    def metric(self) -> str:
        """Name of the metric."""
        return METRICS["mae" if self.is_absolute else self.task]

    def compare(self, ours: float, other: float) -> float:
        """The ratio of two results, above 1 where the first is better."""
        return other / ours if self.is_absolute else ours / other

    def read(self, part: str) -> pd.DataFrame:
        return pd.read_parquet(self.folder / f"{part}.parquet")

    def read_truth(self, part: str) -> npt.NDArray[Any]:
        return self.read(part)[self.target].to_numpy()

    def read_inputs(self, part: str) -> pd.DataFrame:
        return self.read(part).drop(columns=self.target)

    def write_task(self, **more: Any) -> None:
        """Write what a contender in another environment needs, beside the rows."""
        task = {
            "target": self.target, "task": self.task, "positive": self.positive,
            "is_absolute": self.is_absolute, **more,
        }  # fmt: skip
        (self.folder / "task.json").write_text(json.dumps(task))

    def measure(self, scores: Any) -> float:
        """The metric of positive probabilities, labels or numbers of the test rows."""
        truth = self.read_truth("test")
        if self.task == "binary":
            truth = truth == self.positive
        elif self.task == "multiclass":
            truth, scores = truth.astype(str), np.asarray(scores).astype(str)
        elif self.is_absolute:
            return float(mean_absolute_error(truth, scores))
        return compute_metric(self.task, truth, np.asarray(scores))


def compute_metric(task: str, truth: npt.NDArray[Any], scores: npt.NDArray[Any]) -> float:
    """ROC-AUC of probabilities, macro F1 of classes, or R² of numbers."""
    if task == "binary":
        return float(roc_auc_score(truth, scores))
    if task == "multiclass":
        return float(f1_score(truth, scores, average="macro"))
    return float(r2_score(truth, scores))

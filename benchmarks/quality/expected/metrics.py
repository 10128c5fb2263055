"""Metrics of a segment: realised from the truth, and expected without it as the platform's queries are."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from benchmarks.quality.expected.models import AnsweredRows, MonitoredModel
from sklearn.metrics import roc_auc_score

from servicio_ml.features.comparison import LabelledSample
from servicio_ml.features.output import BINARY_CLASSES
from servicio_ml.pipeline.drift.expectation import WindowExpectation, compute_realised, expect_performance
from servicio_ml.pipeline.drift.performance import compute_confusion_scores

Rows = npt.NDArray[np.intp]
NUMBERS, BINARY, CLASSES = ("mae", "rmse"), ("roc_auc", "f1", "accuracy"), ("f1", "accuracy")
"""Metrics of a regression, of two classes, and of more."""


def list_metrics(model: MonitoredModel) -> tuple[str, ...]:
    labels = len(model.use_case.target.labels)
    return CLASSES if labels > BINARY_CLASSES else BINARY if labels else NUMBERS


def sum_realised(model: MonitoredModel, rows: AnsweredRows, chosen: Rows) -> WindowExpectation:
    """Sum up the truth of some rows."""
    answers = LabelledSample(truth=rows.truth[chosen], answers=rows.predictions.select(chosen))
    return compute_realised(answers, len(model.use_case.target.labels))


def sum_expected(model: MonitoredModel, chosen: Rows) -> WindowExpectation:
    """Sum up what the answers to some production rows let expect."""
    rows = model.production
    fields = rows.matrix[chosen][:, : len(model.artifact.encoder.schema.owners)]
    return expect_performance(model.artifact, fields, rows.predictions.select(chosen))


def compute_values(sums: WindowExpectation) -> dict[str, float]:
    """Compute the metrics of sums; F1 is that of the positive class, or the mean of three and more."""
    if sums.errors:
        return {"mae": sums.errors.mae, "rmse": sums.errors.rmse}
    scores = compute_confusion_scores(sums.confusion)
    if sums.ranks is None:
        return {"f1": scores["f1_macro"], "accuracy": scores["accuracy"]}
    positive = 2 * sums.confusion[1, 1] / (sums.confusion[1].sum() + sums.confusion[:, 1].sum())
    auc = sums.ranks.compute_roc_auc()
    return {"roc_auc": np.nan if auc is None else auc, "f1": float(positive), "accuracy": scores["accuracy"]}


def compute_exact_auc(rows: AnsweredRows, chosen: Rows) -> Mapping[str, float]:
    """Compute the ROC-AUC of the rows themselves, which the bins of the probability only approximate."""
    probabilities: Any = rows.predictions.probabilities
    if probabilities is None or probabilities.shape[1] > BINARY_CLASSES:
        return {}
    return {"roc_auc": float(roc_auc_score(rows.truth[chosen], probabilities[chosen, 1]))}

"""From chosen hyperparameters to a checked, calibrated, judged model artifact."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from servicio_ml.domain.search import Candidate
from servicio_ml.domain.use_case import Task
from servicio_ml.features.output import Output, Predictions
from servicio_ml.features.profile import Profile, Unseen, profile
from servicio_ml.pipeline.calibrate import calibrated_output
from servicio_ml.pipeline.card import card
from servicio_ml.pipeline.evaluate import evaluate, score
from servicio_ml.pipeline.export import PARITY_TOLERANCE, Exported, export, write_artifact
from servicio_ml.pipeline.fitting import Problem, fit, out_of_fold, scores
from servicio_ml.pipeline.rows import Holdout
from servicio_ml.pipeline.tune import plain_output

Floats = npt.NDArray[np.floating[Any]]
WATCHED_CLASSES, WATCHED_NUMBER = ("accuracy", "f1_macro"), ("mae",)
"""The metrics that a window of production can be compared by: a confusion matrix gives the first two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A candidate's best model.

    Attributes:
        candidate: What it is.
        params: Its hyperparameters.
        validation: Mean over the windows of cross-validation of the use case's metric on unseen rows.
        validation_error: Its standard error, from the spread between the windows.
        metrics: Every metric on the holdout, and `ece_uncalibrated`.
        predictions: On the holdout.
        output: Calibration and threshold.
        exported: Parity, latency, eligibility.
        folder: Its artifact; None where parity failed.
    """

    candidate: Candidate
    params: Mapping[str, Any]
    validation: float
    validation_error: float
    metrics: Mapping[str, float]
    predictions: Predictions
    output: Output
    exported: Exported
    folder: Path | None

    @property
    def eligible(self) -> bool:
        return not self.exported.reason


def finish(
    problem: Problem,
    test: Holdout,
    candidate: Candidate,
    params: Mapping[str, Any],
    folder: Path,
    source: str,
) -> Finished:
    """Calibrate on validation rows, fit on all training rows, export, check and judge.

    Args:
        problem: The training rows.
        test: The holdout, for parity, latency and metrics only.
        candidate: What to fit.
        params: Its hyperparameters.
        folder: Of the artifact to write.
        source: What the training data is, for the card.
    """
    windows = out_of_fold(problem, candidate, params)
    rows, raw = (np.concatenate(parts) for parts in zip(*windows, strict=True))
    output = calibrated_output(problem.use_case, problem.truth[rows], raw)
    metric, truth = problem.use_case.metric, problem.truth
    # by window, as in tuning: models of different windows are not ranked against each other
    values = [score(metric, truth[at], output.answer(part)) for at, part in windows]
    estimator = fit(problem, candidate, params, np.arange(len(problem.matrix)))
    exported = export(candidate, estimator, test.matrix)
    raw_test = scores(estimator, test.matrix)
    predictions = output.answer(raw_test)
    metrics = _metrics(problem, test, predictions, raw_test)
    usable = exported.onnx is not None and exported.parity <= PARITY_TOLERANCE
    if usable and exported.onnx is not None:
        reference = reference_profile(problem, output, rows, raw)
        text = card(problem, candidate, params, metrics, exported, source)
        write_artifact(folder, problem, exported.onnx, output, reference, text)
    return Finished(
        candidate=candidate, params=params, validation=float(np.mean(values)),
        validation_error=standard_error(values), metrics=metrics, predictions=predictions,
        output=output, exported=exported, folder=folder if usable else None,
    )  # fmt: skip


def _metrics(problem: Problem, test: Holdout, predictions: Predictions, raw: Floats) -> dict[str, float]:
    task = problem.use_case.task
    metrics = evaluate(task, test.truth, predictions)
    if predictions.probabilities is None:
        return metrics
    return {**metrics, "ece_uncalibrated": score("ece", test.truth, plain_output(problem).answer(raw))}


def standard_error(values: Sequence[float]) -> float:
    """Of the mean of independent values: s / √n; 0 of one value."""
    return float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0


def reference_profile(problem: Problem, output: Output, rows: npt.NDArray[np.int64], raw: Floats) -> Profile:
    """The profile of the training rows, and of predictions for rows that the model had not seen.

    Args:
        problem: The training rows.
        output: Calibration and threshold.
        rows: `[m]`: places among the training rows of those that a fold's model had not seen.
        raw: `[m, classes]`: its scores for them; a model's answers to its own training rows are too sure.
    """
    answered, truth, task = output.answer(raw), problem.truth[rows], problem.use_case.task
    watched = WATCHED_NUMBER if task is Task.REGRESSION else WATCHED_CLASSES

    def performance(part: npt.NDArray[np.bool_]) -> dict[str, float]:
        return {name: score(name, truth[part], answered.part(part)) for name in watched}

    unseen = Unseen(
        rows=rows,
        shown=answered.shown,
        classes=problem.use_case.target.labels if task is Task.MULTICLASS else (),
        performance=performance,
    )
    return profile(problem.setting.schema, problem.matrix, problem.use_case.drift, unseen)

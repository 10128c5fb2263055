"""From chosen hyperparameters to a checked, calibrated, judged model artifact."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from servicio_ml.domain.search import Candidate
from servicio_ml.domain.use_case import Task
from servicio_ml.features.artifact import MODEL
from servicio_ml.features.output import OutputTransform, Predictions
from servicio_ml.features.performance.segments import SegmentProfile, UnseenLosses, build_segments
from servicio_ml.features.profile import ReferenceProfile, UnseenRows, build_profile
from servicio_ml.pipeline.evaluate import ClassMetrics, compute_class_metrics, compute_metric, compute_metrics
from servicio_ml.pipeline.training.calibrate import build_calibrated_output, build_plain_output
from servicio_ml.pipeline.training.dataset import Holdout
from servicio_ml.pipeline.training.export import PARITY_TOLERANCE, ExportedModel, export_model, write_artifact
from servicio_ml.pipeline.training.fairness.card import describe_fairness
from servicio_ml.pipeline.training.fitting import TrainingProblem, compute_scores, fit, score_out_of_fold
from servicio_ml.pipeline.training.model_card import describe_candidate, render_model_card
from servicio_ml.pipeline.training.outliers.build import build_outlier_model
from servicio_ml.pipeline.training.outliers.card import OUTLIERS_HEADING, describe_outliers
from servicio_ml.pipeline.training.uncertainty.build import (
    build_uncertainty,
    encode_unseen_rows,
)
from servicio_ml.pipeline.training.uncertainty.card import UNCERTAINTY_HEADING, describe_uncertainty

Floats = npt.NDArray[np.floating[Any]]
# the drift policy has limits for these metrics, and serving can compute them from counts
WATCHED_CLASSES, WATCHED_NUMBER = ("accuracy", "f1_macro"), ("mae",)
"""The metrics that a window of production can be compared by: a confusion matrix gives the first two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltCandidate:
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
    output: OutputTransform
    exported: ExportedModel
    folder: Path | None

    @property
    def eligible(self) -> bool:
        return not self.exported.reason


def build_candidate(
    problem: TrainingProblem,
    test: Holdout,
    candidate: Candidate,
    params: Mapping[str, Any],
    folder: Path,
    source: str,
    windows: Sequence[tuple[npt.NDArray[np.intp], Floats]] | None = None,
) -> BuiltCandidate:
    """Calibrate on validation rows, fit on all training rows, export, check and judge.

    Args:
        problem: The training rows.
        test: The holdout, for parity, latency and metrics only.
        candidate: What to fit.
        params: Its hyperparameters.
        folder: Folder of the artifact to write.
        source: What the training data is, for the card.
        windows: Rows and scores of `score_out_of_fold`, where they are known.
    """
    windows = windows or score_out_of_fold(problem, candidate, params)
    rows, raw = (np.concatenate(arrays) for arrays in zip(*windows, strict=True))
    # from out-of-fold scores: on its own training rows a model is too sure of itself
    output = build_calibrated_output(problem.use_case, problem.truth[rows], raw, problem.get_weights(rows))
    metric, truth = problem.use_case.metric, problem.truth
    # by window, as in tuning: models of different windows are not ranked against each other
    values = [
        compute_metric(metric, truth[at], output.transform(scores), problem.get_weights(at))
        for at, scores in windows
    ]
    # the final fit uses all rows; the models of the folds only served to calibrate
    estimator = fit(problem, candidate, params, np.arange(len(problem.matrix)))
    exported = export_model(candidate, estimator, test.matrix)
    raw_test = compute_scores(estimator, test.matrix)
    predictions = output.transform(raw_test)
    metrics = compute_holdout_metrics(problem, test, predictions, raw_test)
    # compared so that a parity of NaN is not usable
    onnx = exported.onnx if exported.parity <= PARITY_TOLERANCE else None
    if onnx is not None:
        reference = build_reference_profile(problem, output, rows, raw)
        uncertainty = build_uncertainty(problem, output, rows, raw, encode_unseen_rows(problem))
        outliers = build_outlier_model(problem.setting.schema, problem.matrix)
        text = render_model_card(
            problem, describe_candidate(problem, candidate, params, exported, source), metrics,
            compute_holdout_classes(problem, test, predictions),
            {
                UNCERTAINTY_HEADING: describe_uncertainty(uncertainty, test, predictions),
                OUTLIERS_HEADING: describe_outliers(outliers, test.matrix),
                **describe_fairness(problem.use_case, reference, test, predictions),
            },
        )  # fmt: skip
        write_artifact(
            folder, problem, lambda place: (place / MODEL).write_bytes(onnx), output, reference, text,
            uncertainty, outliers,
        )  # fmt: skip
    return BuiltCandidate(
        candidate=candidate, params=params, validation=float(np.mean(values)),
        validation_error=compute_standard_error(values), metrics=metrics, predictions=predictions,
        output=output, exported=exported, folder=None if onnx is None else folder,
    )  # fmt: skip


def compute_holdout_metrics(
    problem: TrainingProblem, test: Holdout, predictions: Predictions, raw: Floats
) -> dict[str, float]:
    """Compute every metric on the holdout, and `ece_uncalibrated`.

    Args:
        problem: The training rows.
        test: The holdout.
        predictions: Predictions for it.
        raw: Scores of it before calibration.
    """
    metrics = compute_metrics(problem.use_case.task, test.truth, predictions, test.weights)
    if predictions.probabilities is None:
        return metrics
    uncalibrated = build_plain_output(problem).transform(raw)
    return {
        **metrics,
        "ece_uncalibrated": compute_metric("ece", test.truth, uncalibrated, test.weights),
    }


def compute_holdout_classes(
    problem: TrainingProblem, test: Holdout, predictions: Predictions
) -> list[ClassMetrics]:
    """Compute the metrics of each class on the holdout; empty unless there are three or more."""
    if problem.use_case.task is not Task.MULTICLASS:
        return []
    labels = problem.use_case.target.labels
    return compute_class_metrics(labels, test.truth, predictions.outcomes, test.weights)


def compute_standard_error(values: Sequence[float]) -> float:
    """Compute the standard error of the mean of independent values: s / √n; 0 for one value."""
    return float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0


def build_reference_profile(
    problem: TrainingProblem, output: OutputTransform, rows: npt.NDArray[np.int64], raw: Floats
) -> ReferenceProfile:
    """The profile of the training rows, and of predictions for rows that the model had not seen.

    Args:
        problem: The training rows.
        output: Calibration and threshold.
        rows: `[m]`: places among the training rows of those that a fold's model had not seen.
        raw: `[m, classes]`: its scores for them; a model's answers to its own training rows are too sure.
    """
    predictions, truth, task = output.transform(raw), problem.truth[rows], problem.use_case.task
    watched = WATCHED_NUMBER if task is Task.REGRESSION else WATCHED_CLASSES

    # without the weights: those of the rows that will be served are not known
    def compute_performance(mask: npt.NDArray[np.bool_]) -> dict[str, float]:
        if np.isnan(truth).any():
            return {}
        return {name: compute_metric(name, truth[mask], predictions.select(mask)) for name in watched}

    unseen = UnseenRows(
        rows=rows,
        binned_values=predictions.binned_values,
        classes=problem.use_case.target.labels if task is Task.MULTICLASS else (),
        performance=compute_performance,
    )
    profile = build_profile(problem.setting.schema, problem.matrix, problem.use_case.drift, unseen)
    return replace(profile, segments=_build_segments(problem, rows, predictions))


def _build_segments(
    problem: TrainingProblem, rows: npt.NDArray[np.int64], predictions: Predictions
) -> tuple[SegmentProfile, ...]:
    schema, use_case, truth = problem.setting.schema, problem.use_case, problem.truth[rows]
    is_share = use_case.task is not Task.REGRESSION
    errors = np.abs(predictions.outcomes - truth)
    date = use_case.event_date or use_case.split_date
    unseen = UnseenLosses(
        rows=rows,
        losses=np.where(np.isnan(truth), np.nan, errors > 0) if is_share else errors,
        days=problem.matrix[rows, schema.names.index(date)] if date in schema.field_names else None,
        is_share=is_share,
    )
    built = build_segments(
        schema, use_case.watched_segments, problem.matrix, unseen, use_case.drift.design_effect
    )
    protected, limits = {each.field for each in use_case.protected_segments}, use_case.promotion.fairness
    return tuple(
        replace(each, protected=True, limits=limits.differences if limits else {})
        if each.field in protected
        else each
        for each in built
    )

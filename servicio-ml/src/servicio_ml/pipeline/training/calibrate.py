"""Calibration and threshold, fitted on rows that the model has not seen."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import precision_recall_curve

from servicio_ml.domain.use_case import Task, UseCase
from servicio_ml.features.output import POSITIVE, CalibrationTable, OutputTransform
from servicio_ml.pipeline.evaluate import split_into_bins
from servicio_ml.pipeline.training.fitting import TrainingProblem

Floats = npt.NDArray[np.floating[Any]]
# few rows per knot would fit the noise of the validation rows
ROWS_PER_KNOT = 20
MAX_KNOTS = 50
MIN_KNOTS = 4
MEAN_METRICS = ("r2", "rmse")
"""Metrics of squared errors, which the mean minimizes; the median minimizes absolute ones."""
MIN_RISE = 1e-6
"""Between two levels; less is rounding within one."""


def build_calibrated_output(
    use_case: UseCase, truth: Floats, raw: Floats, weights: Floats | None = None
) -> OutputTransform:
    """The output of a model, from its scores on validation rows.

    Args:
        use_case: Task, labels and target.
        truth: `[n]` class codes, or numbers.
        raw: `[n, classes]` scores of rows that the model has not seen.
        weights: `[n]` weights of the rows; None where all count the same.

    Returns:
        With calibration tables and, of a binary target, the threshold of the best F1 on these rows; of a
        logarithm, with the scale to the mean where the metric asks for means.
    """
    target = use_case.target
    output = OutputTransform(
        task=use_case.task, labels=target.labels, description=target.description, unit=target.unit
    )  # fmt: skip
    if use_case.task is Task.REGRESSION:
        output = replace(
            output, log=target.log, minimum=target.minimum, maximum=target.maximum, quantile=use_case.quantile
        )
        is_scaled = target.log and use_case.metric in MEAN_METRICS
        return replace(output, scale=estimate_scale(output, truth, raw, weights)) if is_scaled else output
    classes = [POSITIVE] if use_case.task is Task.BINARY else range(len(target.labels))
    tables = tuple(build_monotone_table(raw[:, i], truth == i, weights) for i in classes)
    output = replace(output, tables=tables)
    if use_case.task is Task.MULTICLASS:
        return output
    probability = output.calibrate(raw)[:, POSITIVE]
    return replace(output, threshold=find_best_f1_threshold(truth, probability, weights))


def estimate_scale(output: OutputTransform, truth: Floats, raw: Floats, weights: Floats | None) -> float:
    """Estimate the scale of predictions that were fitted to a logarithm: the ratio of both means.

    Without it, a sum of predictions would be too low (retransformation bias; Snowdon 1991, "A ratio estimator
    for bias correction in logarithmic regressions").
    """
    predicted = np.average(output.transform(raw).outcomes, weights=weights)
    return float(np.average(truth, weights=weights) / predicted)


def build_monotone_table(
    score: Floats, positive: npt.NDArray[np.bool_], weights: Floats | None = None
) -> CalibrationTable:
    """A strictly increasing table from score to probability.

    Rows are sorted into bins of equal mass, the bins' shares made monotone (isotonic regression), and the
    table runs straight between the bins' mean scores. Each share is drawn half a row towards one half
    (`(k + ½) / (n + 1)`), so that no probability is 0 or 1; rows of unequal weights are as many as their
    effective number.

    Args:
        score: `[n]`.
        positive: `[n]`.
        weights: `[n]`; None where all rows count the same.
    """
    masses = np.ones(len(score)) if weights is None else weights
    knots = int(np.clip(_count_effective_rows(masses) // ROWS_PER_KNOT, MIN_KNOTS, MAX_KNOTS))
    # bins of equal mass: scores crowd together near 0, where equal widths would be coarse
    bins = split_into_bins(np.argsort(score, kind="stable"), knots, weights)
    means = np.array([np.average(score[rows], weights=masses[rows]) for rows in bins])
    shares = np.array([_compute_inner_share(positive[rows], masses[rows]) for rows in bins])
    total = [masses[rows].sum() for rows in bins]
    smooth = IsotonicRegression(out_of_bounds="clip").fit(means, shares, sample_weight=total)
    # ties in the scores would give two probabilities at one point
    at = np.unique(means)
    return _make_rising(at, smooth.predict(at), float(score.min()), float(score.max()))


def _count_effective_rows(masses: Floats) -> float:
    """Count the rows of equal weight whose mean varies as much: (Σw)² / Σw² (Kish 1965)."""
    return float(masses.sum() ** 2 / (masses**2).sum())


def _compute_inner_share(positive: npt.NDArray[np.bool_], masses: Floats) -> float:
    rows = _count_effective_rows(masses)
    return (float(masses[positive].sum()) * rows / float(masses.sum()) + 0.5) / (rows + 1)


def _make_rising(at: Floats, level: Floats, low_score: float, high_score: float) -> CalibrationTable:
    """The table of a step function, tilted where it is flat, so that calibration keeps the model's ranking.

    Each run of equal levels is one knot at its middle; beyond the outermost two the table runs half-way
    to 0 at the lowest score and half-way to 1 at the highest.
    """
    starts = np.flatnonzero(np.r_[True, np.diff(level) > MIN_RISE])
    ends = np.r_[starts[1:], len(level)] - 1
    middles, levels = (at[starts] + at[ends]) / 2, level[starts]
    low = [(low_score, levels[0] / 2)] if low_score < middles[0] else []
    high = [(high_score, (1 + levels[-1]) / 2)] if high_score > middles[-1] else []
    knots = [*low, *zip(middles, levels, strict=True), *high]
    return CalibrationTable(
        scores=tuple(float(score) for score, _ in knots),
        probabilities=tuple(float(probability) for _, probability in knots),
    )


def find_best_f1_threshold(truth: Floats, probability: Floats, weights: Floats | None = None) -> float:
    """The probability from which on a positive answer gives the best F1 of the positive class."""
    precision, recall, thresholds = precision_recall_curve(
        truth == POSITIVE, probability, sample_weight=weights
    )
    total = precision + recall
    # precision and recall are both 0 at thresholds without a hit
    f1 = np.divide(2 * precision * recall, total, out=np.zeros_like(total), where=total > 0)
    # the curve has one more point than thresholds, the last of which predicts nothing
    return float(thresholds[int(f1[:-1].argmax())])


def build_plain_output(problem: TrainingProblem) -> OutputTransform:
    """The answer of raw scores, uncalibrated, at even odds."""
    use_case, target = problem.use_case, problem.use_case.target
    return OutputTransform(
        task=use_case.task, labels=target.labels, log=target.log, quantile=use_case.quantile
    )

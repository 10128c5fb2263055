"""Calibration and threshold, learnt on rows that the model has not seen."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import precision_recall_curve

from servicio_ml.domain.use_case import Task, UseCase
from servicio_ml.features.output import POSITIVE, Output, Table

Floats = npt.NDArray[np.floating[Any]]
ROWS_PER_KNOT = 20
MOST_KNOTS = 50
LEAST_KNOTS = 4
LEAST_RISE = 1e-6
"""Between two levels; less is rounding within one."""


def calibrated_output(use_case: UseCase, truth: Floats, raw: Floats) -> Output:
    """The output of a model, from its scores on validation rows.

    Args:
        use_case: Task, labels and target.
        truth: `[n]` class codes (unused in a regression).
        raw: `[n, classes]` scores of rows that the model has not seen.

    Returns:
        With calibration tables and, of a binary target, the threshold of the best F1 on these rows.
    """
    target = use_case.target
    output = Output(
        task=use_case.task, labels=target.labels, description=target.description, unit=target.unit
    )  # fmt: skip
    if use_case.task is Task.REGRESSION:
        return replace(output, log=target.log, minimum=target.minimum, maximum=target.maximum)
    classes = [POSITIVE] if use_case.task is Task.BINARY else range(len(target.labels))
    tables = tuple(monotone_table(raw[:, i], truth == i) for i in classes)
    output = replace(output, tables=tables)
    if use_case.task is Task.MULTICLASS:
        return output
    return replace(output, threshold=best_f1_threshold(truth, output.calibrated(raw)[:, POSITIVE]))


def monotone_table(score: Floats, positive: npt.NDArray[np.bool_]) -> Table:
    """A strictly increasing table from score to probability.

    Rows are sorted into bins of equal mass, the bins' shares made monotone (isotonic regression), and the
    table runs straight between the bins' mean scores. Each share is drawn half a row towards one half
    (`(k + ½) / (n + 1)`), so that no probability is 0 or 1.

    Args:
        score: `[n]`.
        positive: `[n]`.
    """
    order = np.argsort(score, kind="stable")
    knots = int(np.clip(len(score) // ROWS_PER_KNOT, LEAST_KNOTS, MOST_KNOTS))
    parts = [part for part in np.array_split(order, knots) if len(part)]
    means = np.array([score[part].mean() for part in parts])
    shares = np.array([(positive[part].sum() + 0.5) / (len(part) + 1) for part in parts])
    rows = [len(part) for part in parts]
    smooth = IsotonicRegression(out_of_bounds="clip").fit(means, shares, sample_weight=rows)
    at = np.unique(means)
    return _rising(at, smooth.predict(at), float(score.min()), float(score.max()))


def _rising(at: Floats, level: Floats, least: float, greatest: float) -> Table:
    """The table of a step function, tilted where it is flat, so that calibration keeps the model's ranking.

    Each run of equal levels is one knot at its middle; beyond the outermost two the table runs half-way
    to 0 at the least score and half-way to 1 at the greatest.
    """
    starts = np.flatnonzero(np.r_[True, np.diff(level) > LEAST_RISE])
    ends = np.r_[starts[1:], len(level)] - 1
    middles, levels = (at[starts] + at[ends]) / 2, level[starts]
    low = [(least, levels[0] / 2)] if least < middles[0] else []
    high = [(greatest, (1 + levels[-1]) / 2)] if greatest > middles[-1] else []
    knots = [*low, *zip(middles, levels, strict=True), *high]
    return Table(
        scores=tuple(float(score) for score, _ in knots),
        probabilities=tuple(float(probability) for _, probability in knots),
    )


def best_f1_threshold(truth: Floats, probability: Floats) -> float:
    """The probability from which on a positive answer gives the best F1 of the positive class."""
    precision, recall, thresholds = precision_recall_curve(truth == POSITIVE, probability)
    total = precision + recall
    f1 = np.divide(2 * precision * recall, total, out=np.zeros_like(total), where=total > 0)
    return float(thresholds[int(f1[:-1].argmax())])

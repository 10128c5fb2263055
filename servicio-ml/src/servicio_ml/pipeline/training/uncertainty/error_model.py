"""Training of the model of a regression's absolute errors, on rows that the regression has not seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from lightgbm import LGBMRegressor
from sklearn.model_selection import KFold

from servicio_ml.features.encoder import Matrix
from servicio_ml.features.runtimes.scorer import OnnxScorer
from servicio_ml.features.uncertainty.conformity import compute_quantiles
from servicio_ml.features.uncertainty.error_model import ErrorModel, append_outcomes
from servicio_ml.features.uncertainty.levels import DEFAULT_LEVEL
from servicio_ml.pipeline.training.export import convert_estimator
from servicio_ml.pipeline.training.fitting import SEED

Floats = npt.NDArray[np.floating[Any]]
# small, so that a row costs some microseconds and few rows are enough
TREES, LEAVES, LEARNING_RATE = 50, 8, 0.1
MIN_LEAF_ROWS, MAX_LEAF_SHARE = 10, 0.005
FOLDS = 5
MIN_ERROR = 1e-9
"""Minimum error, as a share of the mean: a gamma distribution has no zero."""
FLOOR_SHARE = 0.05
"""Minimum of the difficulty, as a share of its mean: a lower one would promise exact answers."""
DAMPINGS = (1.0, 0.9, 0.8, 0.7, 0.6)
DIFFICULTY_PARTS = 3
MAX_DEVIATION = 0.03
"""Maximum difference between level and coverage in each third of the difficulties, of calibration rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnseenAnswers:
    """Answers of a model to rows that it has not seen.

    Attributes:
        matrix: `[n, features]`, as the model saw them.
        outcomes: Answers, numbers or indices of labels, `[n]`.
        truth: `[n]`, as the answers.
        weights: Weights of the rows, `[n]`.
    """

    matrix: Matrix
    outcomes: Floats
    truth: Floats
    weights: Floats

    @property
    def errors(self) -> Floats:
        return np.abs(self.truth - self.outcomes)


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedErrors:
    """A model of errors, and what it says of rows that it was not fitted on.

    Attributes:
        onnx: The model, fitted on all rows.
        model: Loaded model, as artifacts hold it.
        estimates: Estimated errors of the rows, each by a model that has not seen the row, `[n]`.
    """

    onnx: bytes
    model: ErrorModel
    estimates: Floats


def fit_error_model(
    answers: UnseenAnswers, inputs: Sequence[int], threads: int, *, is_relative: bool
) -> FittedErrors:
    """Fit a model of the errors, and estimate each row's by a model that has not seen it.

    Args:
        answers: Answers to rows that the regression has not seen.
        inputs: Columns that models read.
        threads: Number of threads.
        is_relative: Whether shares of the answer are fitted.
    """
    rows = _mask_columns(append_outcomes(answers.matrix, answers.outcomes), inputs)
    # a price's errors grow with the price, so their shares are what is left to learn
    units = np.abs(answers.outcomes) if is_relative else np.ones(len(answers.errors))
    target = answers.errors / units
    target = np.maximum(target, MIN_ERROR * max(float(target.mean()), MIN_ERROR))
    scores = np.empty(len(target))
    folds = KFold(min(FOLDS, len(target)), shuffle=True, random_state=SEED)
    for train, other in folds.split(rows):
        scores[other] = _fit(rows[train], target[train], answers.weights[train], threads).predict(rows[other])
    onnx = convert_estimator("lightgbm", _fit(rows, target, answers.weights, threads), rows.shape[1])
    estimates = scores * units
    ratio = _compute_ratio(answers.errors, estimates, answers.weights)
    estimates *= ratio
    model = ErrorModel(
        scorer=OnnxScorer(onnx), is_relative=is_relative, ratio=ratio,
        squared_ratio=_compute_ratio(answers.errors**2, estimates**2, answers.weights),
        floor=FLOOR_SHARE * float(np.average(answers.errors, weights=answers.weights)) or MIN_ERROR,
        damping=choose_damping(answers, estimates),
    )  # fmt: skip
    return FittedErrors(onnx=onnx, model=model, estimates=estimates)


def _mask_columns(matrix: Matrix, inputs: Sequence[int]) -> Matrix:
    # a column without a value cannot be split on, and the matrix keeps its width
    unread = [place for place in range(matrix.shape[1] - 1) if place not in inputs]
    matrix[:, unread] = np.nan
    return matrix


def _fit(rows: Matrix, target: Floats, weights: Floats, threads: int) -> LGBMRegressor:
    # a logarithmic link: errors are positive and their spread grows with their mean
    model = LGBMRegressor(
        objective="gamma", n_estimators=TREES, num_leaves=LEAVES, learning_rate=LEARNING_RATE, reg_lambda=1.0,
        min_child_samples=max(MIN_LEAF_ROWS, int(MAX_LEAF_SHARE * len(rows))), random_state=SEED,
        n_jobs=threads, verbose=-1, deterministic=True, force_row_wise=True,
    )  # fmt: skip
    return model.fit(rows, target, sample_weight=weights)


def _compute_ratio(found: Floats, estimates: Floats, weights: Floats) -> float:
    mean = float(np.average(estimates, weights=weights))
    return float(np.average(found, weights=weights)) / mean if mean > 0 else 1.0


def choose_damping(answers: UnseenAnswers, estimates: Floats) -> float:
    """Choose the exponent of the difficulty that gives the narrowest intervals on average.

    Intervals in proportion to the difficulty are wide on average where it varies much; a smaller exponent
    makes them narrower, until hard rows are no longer covered (see `MAX_DEVIATION`).

    Args:
        answers: Answers of the regression.
        estimates: Estimated error of each row, by a model that has not seen it, `[n]`.
    """
    floor = FLOOR_SHARE * float(answers.errors.mean())
    part = np.argsort(np.argsort(estimates, kind="stable")) * DIFFICULTY_PARTS // len(estimates)
    widths = {}
    for damping in DAMPINGS:
        difficulty = np.maximum(estimates, floor or MIN_ERROR) ** damping
        scores = answers.errors / difficulty
        (quantile,) = compute_quantiles(scores, answers.weights, [DEFAULT_LEVEL])
        covered = [float((scores[part == each] <= quantile).mean()) for each in range(DIFFICULTY_PARTS)]
        if max(abs(each - DEFAULT_LEVEL) for each in covered) <= MAX_DEVIATION:
            widths[damping] = float(np.mean(quantile * difficulty))
    return min(widths, key=lambda each: widths[each]) if widths else DAMPINGS[0]

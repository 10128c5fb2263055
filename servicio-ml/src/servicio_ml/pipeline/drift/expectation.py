"""Sums over rows that give their performance: expected from the answers, or realised from the truth."""

from dataclasses import dataclass

import numpy as np

from servicio_ml.features.artifact import Artifact
from servicio_ml.features.bins import Numbers
from servicio_ml.features.comparison import LabelledSample
from servicio_ml.features.output import BINARY_CLASSES, Predictions
from servicio_ml.features.performance.error_sums import ErrorSums
from servicio_ml.features.performance.rank_counts import RankCounts, count_ranks


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowExpectation:
    """Sums over the rows of a window, expected or realised.

    Attributes:
        confusion: Rows `[classes, classes]`, predicted by actual; empty in a regression.
        ranks: Rows of both classes by their probability; None unless there are two.
        errors: Errors of a regression; None for classes, and where they are not estimated.
    """

    confusion: Numbers
    ranks: RankCounts | None = None
    errors: ErrorSums | None = None

    def add(self, other: "WindowExpectation") -> "WindowExpectation":
        """Add the sums over other rows."""
        return WindowExpectation(
            confusion=self.confusion + other.confusion,
            ranks=other.ranks and other.ranks.add(self.ranks),
            errors=other.errors and other.errors.add(self.errors),
        )


def expect_performance(artifact: Artifact, rows: Numbers, answers: Predictions) -> WindowExpectation:
    """Sum up what the answers to rows let expect, without their truth.

    Args:
        artifact: The model.
        rows: Values of the fields `[n, fields]`, as they are logged.
        answers: Its answers to them.
    """
    classes = len(artifact.output.labels)
    confusion = compute_expected_confusion(answers, classes)
    if classes:
        scores = answers.binned_values
        ranks = count_ranks(scores, scores) if classes == BINARY_CLASSES else None
        return WindowExpectation(confusion=confusion, ranks=ranks)
    if artifact.uncertainty is None or artifact.uncertainty.error_model is None:
        return WindowExpectation(confusion=confusion)
    schema = artifact.encoder.schema
    matrix = np.empty((len(rows), len(schema.names)), dtype=np.float32)
    matrix[:, : len(schema.owners)] = rows
    artifact.encoder.derive(matrix)
    errors = artifact.uncertainty.error_model.sum_errors(matrix, answers.outcomes)
    return WindowExpectation(confusion=confusion, errors=errors)


def compute_expected_confusion(answers: Predictions, classes: int) -> Numbers:
    """`[classes, classes]`: of the rows that were answered with a class, how many of each are expected."""
    if answers.probabilities is None:
        return np.zeros((0, 0))
    hot = answers.outcomes[:, None] == np.arange(classes)
    found: Numbers = hot.T.astype(np.float64) @ answers.probabilities
    return found


def compute_realised(truths: LabelledSample, classes: int) -> WindowExpectation:
    """Sum up the labelled rows of a model with this number of classes, 0 for a regression."""
    outcomes, truth = truths.answers.outcomes, truths.truth
    if not classes:
        errors = np.abs(truth - outcomes)
        sums = ErrorSums(rows=len(errors), absolute=float(errors.sum()), squared=float(errors @ errors))
        return WindowExpectation(confusion=np.zeros((0, 0)), errors=sums)
    cells = outcomes.astype(np.int64) * classes + truth.astype(np.int64)
    confusion = np.bincount(cells, minlength=classes * classes).reshape(classes, classes)
    ranks = count_ranks(truths.answers.binned_values, truth) if classes == BINARY_CLASSES else None
    return WindowExpectation(confusion=confusion.astype(np.float64), ranks=ranks)

"""The logged rows of a version in a window: a sample, what they let expect, and their ground truth."""

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from servicio_ml.domain.ports.prediction_log import PredictionLog
from servicio_ml.domain.ports.registry import ModelVersion
from servicio_ml.domain.prediction import Chunk, LabelledPrediction, Purpose
from servicio_ml.features.artifact import Artifact
from servicio_ml.features.bins import Numbers
from servicio_ml.features.comparison import LabelledSample
from servicio_ml.features.output import BINARY_CLASSES, Predictions
from servicio_ml.features.performance.error_sums import ErrorSums
from servicio_ml.features.performance.rank_counts import RankCounts, count_ranks
from servicio_ml.features.window_drift import read_blocks


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedWindow:
    """What one version was asked in a time.

    Attributes:
        info: The version.
        artifact: Its model.
        log: Holds its rows.
        start: Start of the window, in seconds since 1970.
        end: End of the window, exclusive, in seconds since 1970.
    """

    info: ModelVersion
    artifact: Artifact
    log: PredictionLog
    start: float
    end: float

    def read_chunks(self) -> Iterator[Chunk]:
        """Everything that the version scored, whatever its purpose, oldest first."""
        every = self.log.read_chunks(self.info.model, self.start, self.end, tuple(Purpose))
        return (chunk for chunk in every if chunk.version == self.info.version)

    def read_truths(self) -> LabelledSample:
        """Every answer whose ground truth is known."""
        return _build_labelled_sample(
            (
                each
                for each in self.log.read_ground_truth(self.info.model, self.start, self.end)
                if each.prediction.version == self.info.version
            ),
            len(self.artifact.output.labels),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowExpectation:
    """Sums over the rows of a window, expected or realised.

    Attributes:
        confusion: Rows `[classes, classes]`, predicted by actual; empty in a regression.
        ranks: Rows of both classes by their probability; None unless there are two.
        errors: Errors of a regression; None for classes.
    """

    confusion: Numbers
    ranks: RankCounts | None = None
    errors: ErrorSums | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowSample:
    """Some rows of a window, and the sum over all of them.

    Attributes:
        matrix: `[n, fields]`, in the order of the log.
        answers: To the same rows.
        expected: Expectation for all rows.
    """

    matrix: Numbers
    answers: Predictions
    expected: WindowExpectation


def sample_window(window: LoggedWindow, limit: int, random: np.random.Generator) -> WindowSample:
    """Sample at most `limit` rows, all equally likely, in one pass and bounded memory.

    Every row draws a number, and those with the lowest numbers are kept.
    """
    classes = len(window.artifact.output.labels)
    # summed over all rows in the pass that samples, so the estimate has no sampling error
    confusion, ranks = np.zeros((classes, classes)), None
    draws, matrix, outcomes, probabilities = _build_empty_sample(window, classes)
    for rows, answers in read_blocks(window.read_chunks()):
        confusion += compute_expected_confusion(answers, classes)
        if classes == BINARY_CLASSES:
            ranks = count_ranks(answers.binned_values, answers.binned_values).add(ranks)
        draws = np.concatenate([draws, random.random(len(rows))])
        matrix = np.concatenate([matrix, rows])
        outcomes = np.concatenate([outcomes, answers.outcomes])
        given = answers.probabilities if classes else np.zeros((len(rows), 0))
        probabilities = np.concatenate([probabilities, given])
        if len(draws) > limit:
            # the smallest random numbers form a uniform sample without knowing the number of rows
            kept = draws <= np.partition(draws, limit - 1)[limit - 1]
            draws, matrix, outcomes, probabilities = (
                each[kept] for each in (draws, matrix, outcomes, probabilities)
            )
    answers = Predictions(outcomes=outcomes, probabilities=probabilities if classes else None)
    expected = WindowExpectation(confusion=confusion, ranks=ranks)
    return WindowSample(matrix=matrix, answers=answers, expected=expected)


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
        sums = ErrorSums(rows=len(errors), absolute=float(errors.sum()), squared=float((errors**2).sum()))
        return WindowExpectation(confusion=np.zeros((0, 0)), errors=sums)
    cells = outcomes.astype(np.int64) * classes + truth.astype(np.int64)
    confusion = np.bincount(cells, minlength=classes * classes).reshape(classes, classes)
    ranks = count_ranks(truths.answers.binned_values, truth) if classes == BINARY_CLASSES else None
    return WindowExpectation(confusion=confusion.astype(np.float64), ranks=ranks)


def sample_truths(truths: LabelledSample, limit: int, random: np.random.Generator) -> LabelledSample:
    """Sample at most `limit` labelled rows, without replacement."""
    if len(truths.truth) <= limit:
        return truths
    # a mask, not indices: it keeps the order of the log
    chosen = np.zeros(len(truths.truth), dtype=bool)
    chosen[random.choice(len(chosen), limit, replace=False)] = True
    return LabelledSample(truth=truths.truth[chosen], answers=truths.answers.select(chosen))


def _build_empty_sample(window: LoggedWindow, classes: int) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    width = len(window.artifact.encoder.schema.owners)
    return np.zeros(0), np.zeros((0, width), dtype=np.float32), np.zeros(0), np.zeros((0, classes))


def _build_labelled_sample(labelled: Iterable[LabelledPrediction], classes: int) -> LabelledSample:
    truth, outcomes, probabilities = array("d"), array("d"), array("d")
    for each in labelled:
        if classes and not 0 <= each.actual < classes:
            continue  # a label that another version knew
        truth.append(each.actual)
        outcomes.append(each.prediction.outcome)
        probabilities.extend(each.prediction.probabilities)
    return LabelledSample(
        truth=np.array(truth),
        answers=Predictions(
            outcomes=np.array(outcomes),
            probabilities=np.array(probabilities).reshape(len(truth), classes) if classes else None,
        ),
    )

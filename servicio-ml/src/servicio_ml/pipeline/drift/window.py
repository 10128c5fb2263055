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
from servicio_ml.features.output import Predictions
from servicio_ml.features.window_drift import read_blocks
from servicio_ml.pipeline.drift.expectation import WindowExpectation, expect_performance


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
    expected = WindowExpectation(confusion=np.zeros((classes, classes)))
    draws, matrix, outcomes, probabilities = _build_empty_sample(window, classes)
    for rows, answers in read_blocks(window.read_chunks()):
        expected = expected.add(expect_performance(window.artifact, rows, answers))
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
    return WindowSample(matrix=matrix, answers=answers, expected=expected)


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

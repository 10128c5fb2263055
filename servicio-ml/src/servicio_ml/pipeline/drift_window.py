"""The logged rows of a version in a window: a sample, what they let expect, and their ground truth."""

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from servicio_ml.domain.ports import ModelVersion, PredictionLog
from servicio_ml.domain.prediction import Chunk, Labelled, Purpose
from servicio_ml.features.artifact import Artifact
from servicio_ml.features.comparison import Judged
from servicio_ml.features.drift import blocks
from servicio_ml.features.output import Predictions
from servicio_ml.features.profile import Numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What one version was asked in a time.

    Attributes:
        info: The version.
        artifact: Its model.
        log: Holds its rows.
        start: In seconds since 1970.
        end: The same; it does not belong to the window.
    """

    info: ModelVersion
    artifact: Artifact
    log: PredictionLog
    start: float
    end: float

    def chunks(self) -> Iterator[Chunk]:
        """Everything that the version scored, whatever its purpose, oldest first."""
        every = self.log.chunks(self.info.model, self.start, self.end, tuple(Purpose))
        return (chunk for chunk in every if chunk.version == self.info.version)

    def truths(self) -> Judged:
        """Every answer whose ground truth is known."""
        return _judged(
            (
                each
                for each in self.log.labelled(self.info.model, self.start, self.end)
                if each.prediction.version == self.info.version
            ),
            len(self.artifact.output.labels),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """Some rows of a window, and the sum over all of them.

    Attributes:
        matrix: `[n, fields]`, in the order of the log.
        answers: To the same rows.
        confusion: `[classes, classes]`, predicted by expected: the sum of the calibrated probabilities of all
            rows; empty in a regression.
    """

    matrix: Numbers
    answers: Predictions
    confusion: Numbers


def sample(window: Window, most: int, random: np.random.Generator) -> Sampled:
    """At most so many rows, each as likely as any other, in one pass and bounded memory.

    Every row draws a number, and those with the least numbers are kept.
    """
    classes = len(window.artifact.output.labels)
    confusion = np.zeros((classes, classes))
    draws, matrix, outcomes, probabilities = _empty(window, classes)
    for rows, answers in blocks(window.chunks()):
        confusion += expected_confusion(answers, classes)
        draws = np.concatenate([draws, random.random(len(rows))])
        matrix = np.concatenate([matrix, rows])
        outcomes = np.concatenate([outcomes, answers.outcomes])
        given = answers.probabilities if classes else np.zeros((len(rows), 0))
        probabilities = np.concatenate([probabilities, given])
        if len(draws) > most:
            kept = draws <= np.partition(draws, most - 1)[most - 1]
            draws, matrix, outcomes, probabilities = (
                part[kept] for part in (draws, matrix, outcomes, probabilities)
            )
    answers = Predictions(outcomes=outcomes, probabilities=probabilities if classes else None)
    return Sampled(matrix=matrix, answers=answers, confusion=confusion)


def expected_confusion(answers: Predictions, classes: int) -> Numbers:
    """`[classes, classes]`: of the rows that were answered with a class, how many of each are expected."""
    if answers.probabilities is None:
        return np.zeros((0, 0))
    hot = answers.outcomes[:, None] == np.arange(classes)
    found: Numbers = hot.T.astype(np.float64) @ answers.probabilities
    return found


def realised_confusion(truths: Judged, classes: int) -> Numbers:
    """`[classes, classes]`, predicted by actual."""
    cells = truths.answers.outcomes.astype(np.int64) * classes + truths.truth.astype(np.int64)
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes).astype(np.float64)


def part(truths: Judged, most: int, random: np.random.Generator) -> Judged:
    """At most so many of them."""
    if len(truths.truth) <= most:
        return truths
    chosen = np.zeros(len(truths.truth), dtype=bool)
    chosen[random.choice(len(chosen), most, replace=False)] = True
    return Judged(truth=truths.truth[chosen], answers=truths.answers.part(chosen))


def _empty(window: Window, classes: int) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    fields = len(window.artifact.encoder.schema.fields)
    return np.zeros(0), np.zeros((0, fields), dtype=np.float32), np.zeros(0), np.zeros((0, classes))


def _judged(labelled: Iterable[Labelled], classes: int) -> Judged:
    truth, outcomes, probabilities = array("d"), array("d"), array("d")
    for each in labelled:
        if classes and not 0 <= each.actual < classes:
            continue  # a label that another version knew
        truth.append(each.actual)
        outcomes.append(each.prediction.outcome)
        probabilities.extend(each.prediction.probabilities)
    return Judged(
        truth=np.array(truth),
        answers=Predictions(
            outcomes=np.array(outcomes),
            probabilities=np.array(probabilities).reshape(len(truth), classes) if classes else None,
        ),
    )

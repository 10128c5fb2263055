"""Segments in production: rows, losses and cells by value, as they are scraped."""

from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest

from services import ServiceFixture, create_service
from servicio_ml.domain.prediction import Interface
from servicio_ml.features.encoder import Matrix
from servicio_ml.features.output import Predictions
from servicio_ml.features.performance.looks import compute_deviations
from servicio_ml.serving.prediction.feedback import FeedbackRecorder
from servicio_ml.serving.prediction.feedback_documents import GroundTruthInput

TASKS = ["artifact_folder", "multiclass_folder", "regression_folder"]
RECORDS = [
    {"day": "2020-01-31", "size": size, "weight": weight, "colour": colour}
    for size, weight, colour in (
        (1.5, 0.25, "green"), (None, -3, "green"), (0.5, 3, "red"), (-2, -1, None), (None, 1, "blue"),
    )
]  # fmt: skip
COLOURS = ["green", "green", "red", "missing", "blue"]
WEIGHTS = ["-1 to 1", "< -1", ">= 1", "-1 to 1", ">= 1"]
MISSING = [0.0, 1.0, 0.0, 1.0, 1.0]


def read(made: ServiceFixture, name: str, segment: str) -> dict[str, float]:
    """Values of a metric by value of a segment, without those that are zero."""
    found: dict[str, float] = defaultdict(float)
    for family in made.metrics.collect():
        for sample in family.samples:
            if sample.name == f"servicio_ml_segment_{name}" and sample.labels["segment"] == segment:
                assert (sample.labels["model"], sample.labels["version"]) == ("small", "1")
                found[sample.labels["value"]] += sample.value
    return {value: number for value, number in found.items() if number}


def answer(made: ServiceFixture) -> tuple[list[str], Matrix, Predictions]:
    loaded_model = made.service.models.get_champion("small")
    matrix = loaded_model.artifact.encoder.encode_records(RECORDS)
    result = made.service.predictor.score_sync(loaded_model, matrix, Interface.REST)
    return result.ids, matrix, result.predictions


def sum_by(values: list[str], numbers: list[float]) -> dict[str, float]:
    sums: dict[str, float] = defaultdict(float)
    for value, number in zip(values, numbers, strict=True):
        sums[value] += number
    return {value: number for value, number in sums.items() if number}


@pytest.mark.parametrize("folder", TASKS)
def test_answers_are_counted_by_value(folder: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    made = create_service(tmp_path, request.getfixturevalue(folder))
    _, matrix, predictions = answer(made)
    artifact = made.service.models.get_champion("small").artifact
    if predictions.probabilities is None:
        assert artifact.uncertainty is not None
        losses = artifact.uncertainty.estimate_errors(matrix, predictions)
    else:
        losses = 1 - predictions.probabilities[range(5), predictions.outcomes.astype(int)]
    for segment, values in (("colour", COLOURS), ("weight", WEIGHTS)):
        assert read(made, "predictions_total", segment) == Counter(values)
        assert read(made, "missing_values_total", segment) == sum_by(values, MISSING)
        expected = sum_by(values, losses.tolist())
        assert read(made, "expected_loss_total", segment) == pytest.approx(expected)


@pytest.mark.parametrize("folder", TASKS)
def test_ground_truth_is_counted_by_value(
    folder: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    made = create_service(tmp_path, request.getfixturevalue(folder))
    ids, _, predictions = answer(made)
    labels = made.service.models.get_champion("small").labels
    # the first and the last answer are wrong
    shift = np.array([1, 0, 0, 0, 1])
    actual = (predictions.outcomes + shift) % len(labels) if labels else predictions.outcomes + 3 * shift
    truths = [
        GroundTruthInput(prediction_id=each, actual=labels[int(value)] if labels else value)
        for each, value in zip(ids, actual.tolist(), strict=True)
    ]
    for _ in range(2):
        FeedbackRecorder(service=made.service).record_many("small", truths, made.clock.now)
    losses = (shift if labels else 3 * shift).tolist()
    for segment, values in (("colour", COLOURS), ("weight", WEIGHTS)):
        assert read(made, "labels_total", segment) == Counter(values)
        assert read(made, "loss_total", segment) == pytest.approx(sum_by(values, losses))
        squared = {} if labels else sum_by(values, [loss**2 for loss in losses])
        assert read(made, "squared_loss_total", segment) == pytest.approx(squared)
        covered = sum(read(made, "interval_covered_total", segment).values())
        assert covered == made.metrics.get_sample_value(
            "servicio_ml_interval_covered_total",
            {"model": "small", "version": "1", "level": "0.9", "covered": "true"},
        )


def test_cells_are_counted_of_segments_that_ask_for_them(tmp_path: Path, artifact_folder: Path) -> None:
    made = create_service(tmp_path, artifact_folder)
    ids, _, predictions = answer(made)
    truths = [GroundTruthInput(prediction_id=each, actual="yes") for each in ids]
    FeedbackRecorder(service=made.service).record_many("small", truths, made.clock.now)
    assert read(made, "realised_confusion_total", "colour") == Counter(COLOURS)
    assert read(made, "expected_confusion_total", "colour") == pytest.approx(Counter(COLOURS))
    for name in ("realised_confusion_total", "expected_confusion_total"):
        assert read(made, name, "weight") == {}
    value = {"model": "small", "version": "1", "segment": "colour", "value": "green", "actual": "yes"}
    names = ("no", "yes")
    for code, name in enumerate(names):
        mine = predictions.outcomes[:2] == code
        realised, expected = (
            made.metrics.get_sample_value(
                f"servicio_ml_segment_{kind}_confusion_total", {**value, "predicted": name}
            )
            for kind in ("realised", "expected")
        )
        assert (realised or 0) == mine.sum()
        assert predictions.probabilities is not None
        assert expected == pytest.approx(predictions.probabilities[:2][mine, 1].sum())


@pytest.mark.parametrize("folder", TASKS)
def test_the_reference_is_exported_of_values_with_enough_rows(
    folder: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    made = create_service(tmp_path, request.getfixturevalue(folder))
    loaded_model = made.service.models.get_champion("small")
    compared = 0
    for profile in loaded_model.artifact.reference.segments:
        rows = {
            value: number
            for value, number, is_compared in zip(
                profile.values, profile.rows, profile.is_compared, strict=True
            )
            if is_compared
        }
        compared += len(rows)
        assert read(made, "reference_rows", profile.field) == rows
        losses = read(made, "reference_loss", profile.field)
        assert losses.keys() == rows.keys()
        limits = {
            value: loss + 0.05 if loaded_model.labels else loss * 1.25 for value, loss in losses.items()
        }
        assert read(made, "loss_limit", profile.field) == pytest.approx(limits)
        variances = read(made, "reference_variance", profile.field)
        assert variances.keys() == (set() if loaded_model.labels else rows.keys())
    assert compared >= 6
    version = {"model": "small", "version": "1"}
    deviations = made.metrics.get_sample_value("servicio_ml_segment_deviations", version)
    assert deviations == pytest.approx(compute_deviations(compared))

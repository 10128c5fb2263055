"""Coverage of intervals and sets, counted when ground truth arrives."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services import ServiceFixture, create_service
from servicio_ml.domain.prediction import Interface
from servicio_ml.features.artifact import load_artifact
from servicio_ml.features.uncertainty.uncertainty import Uncertainty, mark_covered
from servicio_ml.serving.prediction.feedback import FeedbackRecorder
from servicio_ml.serving.prediction.feedback_documents import GroundTruthInput

LEVEL = 0.9
VERSION = {"model": "small", "version": "1", "level": "0.9"}


def read(made: ServiceFixture, name: str, **labels: str) -> float:
    return made.metrics.get_sample_value(f"servicio_ml_interval_{name}_total", {**VERSION, **labels}) or 0.0


def answer(made: ServiceFixture) -> tuple[list[str], Any, Any]:
    """Answer the golden rows: their ids, and the columns and predictions of the model itself."""
    loaded_model = made.service.models.get_champion("small")
    artifact = loaded_model.artifact
    matrix = artifact.encoder.encode_records(artifact.golden["records"])
    result = made.service.predictor.score_sync(loaded_model, matrix.copy(), Interface.REST)
    assert artifact.uncertainty is not None
    predictions = artifact.predict(matrix)
    return result.ids, artifact.uncertainty.compute_columns(matrix, predictions, LEVEL), predictions


def report(made: ServiceFixture, ids: list[str], actuals: Any) -> None:
    labels = made.service.models.get_champion("small").labels
    truths = [
        GroundTruthInput(prediction_id=each, actual=labels[int(actual)] if labels else actual)
        for each, actual in zip(ids, actuals, strict=True)
    ]
    FeedbackRecorder(service=made.service).record_many("small", truths, made.clock.now)


@pytest.mark.parametrize("folder", ["artifact_folder", "multiclass_folder", "regression_folder"])
def test_intervals_are_those_of_the_answer(
    folder: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Row by row: some truths are the answer, others as far from it as they can be."""
    made = create_service(tmp_path, request.getfixturevalue(folder))
    ids, columns, predictions = answer(made)
    labels = made.service.models.get_champion("small").labels
    truths = np.where(
        np.arange(len(ids)) % 3 > 0,
        predictions.outcomes,
        (predictions.outcomes + 1) % len(labels) if labels else predictions.outcomes * 50,
    )
    report(made, ids, truths.tolist())
    covered = mark_covered(columns, truths)
    assert covered.any()
    assert read(made, "covered", covered="true") == covered.sum()
    assert read(made, "covered", covered="false") == (~covered).sum()
    uncertainty = made.service.models.get_champion("small").artifact.uncertainty
    assert uncertainty is not None
    assert read(made, "expected_covered") == pytest.approx(uncertainty.coverage * len(ids))
    if not labels:
        assert (~covered).any()


def test_a_correction_is_not_counted_again(tmp_path: Path, regression_folder: Path) -> None:
    made = create_service(tmp_path, regression_folder)
    (first, *_), _, predictions = answer(made)
    for actual in (predictions.outcomes[0], 1e6, 1e6):
        report(made, [first], [actual])
    assert read(made, "covered", covered="true") == 1
    assert read(made, "covered", covered="false") == 0


def test_a_model_without_uncertainty_counts_nothing(tmp_path: Path, isolated_folder: Path) -> None:
    made = create_service(tmp_path, isolated_folder)
    loaded_model = made.service.models.get_champion("small")
    matrix = loaded_model.artifact.encoder.encode_records(loaded_model.artifact.golden["records"][:2])
    result = made.service.predictor.score_sync(loaded_model, matrix, Interface.REST)
    report(made, result.ids, [0, 1])
    assert read(made, "covered", covered="true") + read(made, "covered", covered="false") == 0


def test_the_expected_share_is_that_of_the_calibration_rows(
    artifact_folder: Path, regression_folder: Path
) -> None:
    for folder in (artifact_folder, regression_folder):
        uncertainty = load_artifact(folder).uncertainty
        assert isinstance(uncertainty, Uncertainty)
        assert uncertainty.coverage == pytest.approx(LEVEL, abs=0.02)

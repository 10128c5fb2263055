"""A model trained on a sample through the real ETL learns about as much as on the original."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score, r2_score, roc_auc_score

from sample_lake import publish_sample
from servicio_ml.pipeline.etl.publish import read_split
from servicio_ml.pipeline.training.dataset import build_problem
from servicio_ml.pipeline.training.fitting import Floats, score_out_of_fold
from servicio_ml.use_cases.catalogue import load_catalogue

pytestmark = pytest.mark.slow
CATALOGUE = load_catalogue()
QUICK = {"n_estimators": 80, "num_leaves": 15, "learning_rate": 0.1}


def _train_and_score(name: str, candidate: str, rows: int, folder: Path) -> tuple[Floats, Floats]:
    """The target (classes, or as it is fitted) and the scores of validation rows."""
    store, manifest = publish_sample(use_case := CATALOGUE[name], rows, folder)
    made = build_problem(use_case, manifest.schema, read_split(store, manifest, "train"), seed=0, threads=1)
    params = QUICK if candidate == "lightgbm" else {}
    windows = score_out_of_fold(made, use_case.get_candidate(candidate), params)
    found, scores = (np.concatenate(splits) for splits in zip(*windows, strict=True))
    return made.target[found], scores


@pytest.mark.parametrize(
    ("name", "candidate", "rows", "minimum"),
    [
        ("rain_australia", "lightgbm", 12_000, 0.82),
        ("heart_disease", "logistic_regression", 600, 0.82),
    ],
)
def test_two_classes_can_be_separated(
    tmp_path: Path, name: str, candidate: str, rows: int, minimum: float
) -> None:
    truth, scores = _train_and_score(name, candidate, rows, tmp_path)
    assert minimum < roc_auc_score(truth, scores[:, 1]) < 0.95


@pytest.mark.parametrize(
    ("name", "rows", "minimum"), [("employee_burn_rate", 4000, 0.85), ("vehicle_price", 4000, 0.85)]
)
def test_numbers_can_be_predicted(tmp_path: Path, name: str, rows: int, minimum: float) -> None:
    truth, scores = _train_and_score(name, "lightgbm", rows, tmp_path)
    assert minimum < r2_score(truth, scores[:, 0]) < 0.97


def test_three_classes_can_be_separated_without_the_leaks(tmp_path: Path) -> None:
    truth, scores = _train_and_score("employee_burnout", "lightgbm", 4000, tmp_path)
    assert 0.8 < f1_score(truth, scores.argmax(axis=1), average="macro") < 0.92


@pytest.mark.parametrize("name", ["employee_burnout", "employee_burn_rate"])
def test_the_four_leaks_are_found_and_nothing_else_is(tmp_path: Path, name: str) -> None:
    _, manifest = publish_sample(CATALOGUE[name], 4000, tmp_path)
    assert set(manifest.dropped) == {
        "work_hours_per_week",
        "deadline_pressure_score",
        "work_life_balance_score",
        "recognition_frequency",
    }

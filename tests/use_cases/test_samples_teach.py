"""A model trained on a sample through the real ETL learns about as much as on the original."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score, r2_score, roc_auc_score

from servicio_ml.adapters.console import SilentProgress
from servicio_ml.adapters.memory import MemoryTracker
from servicio_ml.adapters.memory_lake import MemoryObjectStore
from servicio_ml.adapters.raw_files import write_csv
from servicio_ml.adapters.statsd import NoStats
from servicio_ml.domain.dataset import Manifest
from servicio_ml.features.sampler import draw
from servicio_ml.pipeline.etl import run_etl
from servicio_ml.pipeline.fitting import Floats, out_of_fold
from servicio_ml.pipeline.publish import read_part
from servicio_ml.pipeline.rows import problem
from servicio_ml.use_cases.catalogue import catalogue

pytestmark = pytest.mark.slow
CATALOGUE = catalogue()
PERIOD = "2017-06"
QUICK = {"n_estimators": 80, "num_leaves": 15, "learning_rate": 0.1}


def _published(name: str, rows: int, folder: Path) -> tuple[MemoryObjectStore, Manifest]:
    use_case, raw, store = CATALOGUE[name], folder / "raw.csv", MemoryObjectStore()
    table = draw(use_case, rows, np.random.default_rng(0))
    write_csv(raw, table.columns, header=table.named)
    manifest = run_etl(
        use_case, raw, named="sample", period=PERIOD, store=store,
        connect=lambda: MemoryTracker(folder / "runs", lambda: 0.0), progress=SilentProgress(),
        stats=NoStats(),
    )  # fmt: skip
    return store, manifest


def _learnt(name: str, candidate: str, rows: int, folder: Path) -> tuple[Floats, Floats]:
    """The target (classes, or as it is fitted) and the scores of validation rows."""
    store, manifest = _published(name, rows, folder)
    use_case = CATALOGUE[name]
    made = problem(use_case, manifest.schema, read_part(store, manifest, "train"), seed=0, threads=1)
    params = QUICK if candidate == "lightgbm" else {}
    windows = out_of_fold(made, use_case.candidate(candidate), params)
    found, scored = (np.concatenate(parts) for parts in zip(*windows, strict=True))
    return made.target[found], scored


@pytest.mark.parametrize(
    ("name", "candidate", "rows", "least"),
    [
        ("rain_australia", "lightgbm", 12_000, 0.82),
        ("heart_disease", "logistic_regression", 600, 0.82),
    ],
)
def test_two_classes_can_be_told_apart(
    tmp_path: Path, name: str, candidate: str, rows: int, least: float
) -> None:
    truth, scored = _learnt(name, candidate, rows, tmp_path)
    assert least < roc_auc_score(truth, scored[:, 1]) < 0.95


@pytest.mark.parametrize(
    ("name", "rows", "least"), [("employee_burn_rate", 4000, 0.85), ("vehicle_price", 4000, 0.85)]
)
def test_numbers_can_be_predicted(tmp_path: Path, name: str, rows: int, least: float) -> None:
    truth, scored = _learnt(name, "lightgbm", rows, tmp_path)
    assert least < r2_score(truth, scored[:, 0]) < 0.97


def test_three_classes_can_be_told_apart_without_the_leaks(tmp_path: Path) -> None:
    truth, scored = _learnt("employee_burnout", "lightgbm", 4000, tmp_path)
    assert 0.8 < f1_score(truth, scored.argmax(axis=1), average="macro") < 0.92


@pytest.mark.parametrize("name", ["employee_burnout", "employee_burn_rate"])
def test_the_four_leaks_are_found_and_nothing_else_is(tmp_path: Path, name: str) -> None:
    _, manifest = _published(name, 4000, tmp_path)
    assert set(manifest.dropped) == {
        "work_hours_per_week",
        "deadline_pressure_score",
        "work_life_balance_score",
        "recognition_frequency",
    }

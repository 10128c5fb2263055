"""Artifacts of the tasks other than binary classification."""

from pathlib import Path

import pytest

from problems import SCHEMA, rows, small
from servicio_ml.domain.search import Candidate
from servicio_ml.domain.use_case import Task
from servicio_ml.pipeline.finish import finish
from servicio_ml.pipeline.rows import holdout, problem


@pytest.fixture(scope="session")
def multiclass_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artifact of a small model of three classes; not to be changed."""
    return _trained(Task.MULTICLASS, tmp_path_factory.mktemp("multiclass") / "model")


@pytest.fixture(scope="session")
def regression_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artifact of a small regression; not to be changed."""
    return _trained(Task.REGRESSION, tmp_path_factory.mktemp("regression") / "model")


def _trained(task: Task, folder: Path) -> Path:
    candidate = Candidate(name="decision_tree", family="decision_tree", max_latency_seconds=1.0)
    use_case = small(task, candidate)
    made = problem(use_case, SCHEMA, rows(task, 300), seed=0, threads=1)
    test = holdout(use_case, SCHEMA, rows(task, 100, seed=1))
    finish(made, test, candidate, {"max_depth": 4}, folder, "test")
    return folder

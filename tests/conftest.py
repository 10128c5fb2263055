"""Fixtures that every test may use."""

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import settings

from isolated_models import write_pipeline_artifact
from servicio_ml.domain.fairness.limits import FairnessLimits
from servicio_ml.domain.fields.segment import Segment
from servicio_ml.domain.search import Candidate
from servicio_ml.domain.use_case import Task
from servicio_ml.pipeline.training.build_candidate import build_candidate
from servicio_ml.pipeline.training.dataset import build_holdout, build_problem
from small_use_case import SCHEMA, build_use_case, generate_rows

# machines are noisy: how long an example takes says nothing
settings.register_profile("noisy", deadline=None)
settings.load_profile("noisy")
SLOW_MODULE = re.compile(r"^pytestmark = \[?\s*pytest\.mark\.slow\b", re.MULTILINE)
DEFAULT_DATA_DIR = Path(__file__).parents[2] / "shared" / "data"


def pytest_configure() -> None:
    """Give each worker of pytest-xdist a processor of its own.

    OpenMP threads wait for each other busily: two trainings that share two processors take four times the
    processor time of two that do not.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if worker and hasattr(os, "sched_setaffinity"):
        processors = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {processors[int(worker.removeprefix("gw")) % len(processors)]})


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out a module of slow tests when only the fast ones run: importing it may take seconds."""
    if config.option.markexpr == "not slow" and collection_path.suffix == ".py":
        return True if SLOW_MODULE.search(collection_path.read_text()) else None
    return None


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of the original data sets; a test that asks for it is skipped where there is none."""
    folder = Path(os.environ.get("SERVICIO_ML_DATA_DIR", DEFAULT_DATA_DIR))
    if not folder.is_dir():
        pytest.skip(f"no original data in {folder}; set SERVICIO_ML_DATA_DIR")
    return folder


@pytest.fixture(scope="session")
def artifact_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artifact of a small binary model; not to be changed."""
    return _train_artifact(Task.BINARY, tmp_path_factory)


@pytest.fixture(scope="session")
def identified_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artifact of such a model for rows with an identifier, the column `Row`; not to be changed."""
    return _train_artifact(Task.BINARY, tmp_path_factory, identifier="Row")


@pytest.fixture(scope="session")
def multiclass_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artifact of a small model of three classes; not to be changed."""
    return _train_artifact(Task.MULTICLASS, tmp_path_factory)


@pytest.fixture(scope="session")
def regression_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artifact of a small regression; not to be changed."""
    return _train_artifact(Task.REGRESSION, tmp_path_factory)


@pytest.fixture(scope="session")
def isolated_folder(artifact_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artifact of a small binary model in a process of its own; not to be changed."""
    return write_pipeline_artifact(tmp_path_factory.mktemp("isolated") / "model", artifact_folder)


def _train_artifact(task: Task, tmp_path_factory: pytest.TempPathFactory, identifier: str = "") -> Path:
    candidate = Candidate(name="decision_tree", family="decision_tree", max_latency_seconds=1.0)
    segments = ("colour", Segment(field="weight", edges=(-1, 1)))
    use_case = build_use_case(task, candidate, identifier=identifier, segments=segments)
    if task is Task.BINARY:
        limits = FairnessLimits(max_selection_rate_difference=0.5)
        promotion = replace(use_case.promotion, fairness=limits)
        use_case = replace(use_case, protected=("colour",), promotion=promotion)
    made = build_problem(use_case, SCHEMA, generate_rows(task, 300), seed=0, threads=1)
    test = build_holdout(use_case, SCHEMA, generate_rows(task, 100, seed=1))
    folder = tmp_path_factory.mktemp(task) / "model"
    build_candidate(made, test, candidate, {"max_depth": 4}, folder, "test")
    return folder

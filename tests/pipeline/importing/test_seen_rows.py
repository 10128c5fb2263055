"""An imported model that was trained on the rows which its uncertainty is calibrated on."""

from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

from servicio_ml.domain.use_case import Task
from servicio_ml.features.output import OutputTransform
from servicio_ml.pipeline.importing.seen_rows import describe_seen_rows
from servicio_ml.pipeline.training.dataset import build_holdout, build_problem
from servicio_ml.pipeline.training.fitting import TrainingProblem
from servicio_ml.pipeline.training.uncertainty.build import build_uncertainty
from small_use_case import LIGHTGBM, SCHEMA, build_use_case, generate_rows


def _build_problem(task: Task, seed: int) -> TrainingProblem:
    rows = generate_rows(task, 600, seed)
    return build_problem(build_use_case(task, LIGHTGBM), SCHEMA, rows, seed=0, threads=1)


def _fit(task: Task, problem: TrainingProblem) -> Any:
    """Fit trees that know each of their training rows."""
    trees = ExtraTreesRegressor if task is Task.REGRESSION else ExtraTreesClassifier
    model = trees(30, random_state=0).fit(problem.matrix, problem.target)
    return model.predict if task is Task.REGRESSION else model.predict_proba


@pytest.mark.parametrize("task", [Task.BINARY, Task.REGRESSION])
@pytest.mark.parametrize("has_seen", [True, False])
def test_training_rows_are_recognised_and_others_are_not(task: Task, has_seen: bool) -> None:  # noqa: FBT001
    calibrated = _build_problem(task, 0)
    score = _fit(task, calibrated if has_seen else _build_problem(task, 1))
    use_case = calibrated.use_case
    output = OutputTransform(
        task=task, labels=use_case.target.labels, log=use_case.target.log, minimum=use_case.target.minimum
    )
    test = build_holdout(use_case, calibrated.setting.schema, generate_rows(task, 2000, 2))
    built = build_uncertainty(calibrated, output, np.arange(600), score(calibrated.matrix))
    assert built is not None
    said = describe_seen_rows(built, test, output.transform(score(test.matrix)), 1.0)
    assert ("has probably been trained on the former" in said) is has_seen
    assert bool(said) is has_seen


def test_few_dependent_rows_of_the_holdout_show_nothing() -> None:
    task = Task.REGRESSION
    calibrated = _build_problem(task, 0)
    score, output = _fit(task, calibrated), OutputTransform(task=task, log=True)
    test = build_holdout(calibrated.use_case, calibrated.setting.schema, generate_rows(task, 5, 2))
    built = build_uncertainty(calibrated, output, np.arange(600), score(calibrated.matrix))
    assert built is not None
    assert describe_seen_rows(built, test, output.transform(score(test.matrix)), 6.0) == ""

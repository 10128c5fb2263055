"""A design says what is wrong with it, before anything starts."""

from typing import Any

import pytest

from servicio_ml.domain.experiments.design import Bandit, ExperimentDesign, ExperimentMetric
from servicio_ml.errors import UseCaseError

RIGHT: dict[str, Any] = {"shares": {4: 0.3, 5: 0.2}, "metric": ExperimentMetric.LOSS, "minimum_effect": 0.01}


def test_the_champion_gets_the_rest() -> None:
    assert ExperimentDesign(**RIGHT).rest == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"shares": {}}, "name 1 to 7"),
        ({"shares": dict.fromkeys(range(2, 10), 0.1)}, "shares name 8 versions"),
        ({"shares": {4: 0.5, 5: 0.5}}, "shares add up to 1; the champion needs a rest"),
        ({"shares": {4: 1.5}}, r"shares\[4\] is 1.5"),
        ({"minimum_effect": 0.0}, "minimum_effect is 0"),
        ({"greater_is_better": True}, "greater_is_better is True"),
        ({"metric": ExperimentMetric.TRUTH}, "greater_is_better is None"),
        ({"design_effect": 0.5}, "design_effect is 0.5"),
        ({"bandit": Bandit.THOMPSON, "min_share": 0.25}, "a share is 0.2, below min_share"),
        ({"bandit": Bandit.THOMPSON, "adapt_hours": 0.5}, "336 hours need at least 0.672"),
    ],
    ids=lambda each: "" if isinstance(each, str) else "-".join(each),
)
def test_a_wrong_design_is_refused(changed: dict[str, Any], problem: str) -> None:
    with pytest.raises(UseCaseError, match=problem):
        ExperimentDesign(**{**RIGHT, **changed})


@pytest.mark.parametrize(
    ("metric", "classes", "problem"),
    [
        (ExperimentMetric.LOSS, 0, ""),
        (ExperimentMetric.LOSS, 3, ""),
        (ExperimentMetric.ERROR, 2, ""),
        (ExperimentMetric.ERROR, 0, "predicts a number"),
        (ExperimentMetric.TRUTH, 2, ""),
        (ExperimentMetric.TRUTH, 0, ""),
        (ExperimentMetric.TRUTH, 3, "the model has 3"),
    ],
)
def test_a_metric_fits_the_target(metric: ExperimentMetric, classes: int, problem: str) -> None:
    better = True if metric is ExperimentMetric.TRUTH else None
    design = ExperimentDesign(**{**RIGHT, "metric": metric, "greater_is_better": better})
    assert problem in design.find_task_problem(classes)
    assert bool(problem) == bool(design.find_task_problem(classes))

"""Parameters of candidates are checked against the estimators before anything else is done."""

import re
from collections.abc import Mapping
from typing import Any

import pytest

from servicio_ml.domain.search import (
    BLEND,
    TASKS_OF_FAMILIES,
    Candidate,
    Choice,
    Integer,
    ParameterRange,
    Real,
)
from servicio_ml.domain.use_case import Task
from servicio_ml.errors import UseCaseError
from servicio_ml.pipeline.training.estimators import ESTIMATOR_FAMILIES
from servicio_ml.pipeline.training.parameters import ESTIMATOR_CLASSES, check_parameters, name_frameworks
from servicio_ml.use_cases.catalogue import load_catalogue
from small_use_case import build_use_case


def check(
    family: str, task: Task = Task.BINARY, /, space: Mapping[str, ParameterRange] = {}, **fixed: Any
) -> None:
    check_parameters(build_use_case(task, Candidate(name="one", family=family, space=space, fixed=fixed)))


def test_every_family_has_its_tasks_classes_and_conversion() -> None:
    families = {name: tasks for name, tasks in TASKS_OF_FAMILIES.items() if name != BLEND}
    assert set(families) == set(ESTIMATOR_CLASSES) == set(ESTIMATOR_FAMILIES)
    for name, tasks in families.items():
        classes = ESTIMATOR_CLASSES[name]
        assert ("binary" in tasks, "regression" in tasks) == (
            bool(classes.classifier),
            bool(classes.regressor),
        )
        assert ("binary" in tasks) == ("multiclass" in tasks)


@pytest.mark.parametrize("name", load_catalogue())
def test_the_shipped_use_cases_pass(name: str) -> None:
    check_parameters(load_catalogue()[name])


@pytest.mark.parametrize(
    ("family", "task", "space", "fixed", "message"),
    [
        (
            "lightgbm",
            Task.BINARY,
            {},
            {"num_leafs": 7},
            "small, candidate 'one': LGBMClassifier has no parameter 'num_leafs'; did you mean 'num_leaves'?",
        ),
        (
            "xgboost",
            Task.REGRESSION,
            {},
            {"max_dept": 3},
            "XGBRegressor has no parameter 'max_dept'; did you mean",
        ),
        (
            "random_forest",
            Task.BINARY,
            {"depth": Integer(low=1, high=2)},
            {},
            "has no parameter 'depth'; did you mean",
        ),
        (
            "ridge",
            Task.REGRESSION,
            {},
            {"zzz": 1},
            "Ridge has no parameter 'zzz'; parameters are alpha, copy_X",
        ),
        ("svm", Task.MULTICLASS, {}, {"alpha": 1}, "SVC has no parameter 'alpha'"),
        (
            "knn",
            Task.BINARY,
            {},
            {"n_jobs": 2},
            "the platform sets 'n_jobs' of KNeighborsClassifier; leave it out",
        ),
        (
            "lightgbm",
            Task.BINARY,
            {},
            {"random_state": 2},
            "the platform sets 'random_state' of LGBMClassifier",
        ),
        (
            "random_forest",
            Task.BINARY,
            {},
            {"max_features": "all"},
            "refuses {'max_features': 'all'}: The 'max_features'",
        ),
        (
            "random_forest",
            Task.REGRESSION,
            {"max_features": Real(low=0.5, high=2.0)},
            {},
            "RandomForestRegressor refuses {'max_features': 2.0}",
        ),
        (
            "decision_tree",
            Task.REGRESSION,
            {"criterion": Choice(options=("gini",))},
            {},
            "refuses {'criterion': 'gini'}",
        ),
        (
            "lightgbm",
            Task.BINARY,
            {"num_leaves": Integer(low=1, high=9)},
            {},
            "LGBMClassifier refuses {'num_leaves': 1}",
        ),
        (
            "lightgbm",
            Task.BINARY,
            {},
            {"learning_rate": "fast"},
            "LGBMClassifier refuses {'learning_rate': 'fast'}",
        ),
        (
            "xgboost",
            Task.BINARY,
            {"subsample": Real(low=0.5, high=2.0)},
            {},
            "XGBClassifier refuses {'subsample': 2.0}",
        ),
        ("knn", Task.BINARY, {}, {"weights": "far"}, "KNeighborsClassifier refuses {'weights': 'far'}"),
    ],
)
def test_a_parameter_that_the_estimator_does_not_take_is_refused(
    family: str, task: Task, space: Mapping[str, ParameterRange], fixed: Mapping[str, Any], message: str
) -> None:
    with pytest.raises(UseCaseError) as caught:
        check(family, task, space, **fixed)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_parameters_of_the_library_and_of_the_platform_are_taken() -> None:
    check("lightgbm", bagging_fraction=0.5, bagging_freq=1, max_train_rows=50)
    check("xgboost", num_parallel_tree=2)
    check("random_forest", max_samples=5000)


@pytest.mark.parametrize("family", ESTIMATOR_CLASSES)
def test_the_library_of_each_family_has_a_version(family: str) -> None:
    # that of xgboost is in a distribution of another name
    assert re.fullmatch(r"(lightgbm|scikit-learn|xgboost) \d+(\.\d+)+", name_frameworks([family]))


def test_the_libraries_of_a_blend_are_named_once() -> None:
    names = [each.partition(" ")[0] for each in name_frameworks(["xgboost", "svm", "knn"]).split(", ")]
    assert names == ["scikit-learn", "xgboost"]

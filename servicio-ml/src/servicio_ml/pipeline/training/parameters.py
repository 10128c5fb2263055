"""Estimator classes of the families, and checks of a use case's parameters against them before a run."""

import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from typing import Any

import numpy as np
from lightgbm import LGBMClassifier, LGBMRegressor
from lightgbm.basic import _ConfigAliases
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from xgboost import XGBClassifier, XGBRegressor

from servicio_ml.domain.search import (
    BLEND,
    PLATFORM_PARAMETERS,
    Candidate,
    Choice,
    Objective,
    Poisson,
    Quantile,
    Tweedie,
)
from servicio_ml.domain.use_case import Task, UseCase
from servicio_ml.errors import UseCaseError, format_names

ROWS, WIDTH = 40, 3
"""Shape of the made-up matrix on which boosted trees check their parameters."""
TREES = "n_estimators"
MAX_SHOWN_CHARACTERS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimatorClasses:
    """Classes of a family.

    Attributes:
        classifier: Class of classifications; None where the family has none.
        regressor: Class of regressions; None where the family has none.
        set_here: Parameters that the platform sets itself.
        more: Parameters besides those of `get_params`.
    """

    classifier: type[Any] | None
    regressor: type[Any] | None
    set_here: frozenset[str] = frozenset()
    more: frozenset[str] = frozenset()

    def choose(self, *, classes: int) -> type[Any]:
        """Choose the class for a number of classes, 0 for a regression."""
        chosen = self.classifier if classes else self.regressor
        if chosen is None:
            raise UseCaseError("family", "it has no estimator for this task")
        return chosen


def _list_lightgbm_parameters() -> frozenset[str]:
    # its estimators take every parameter of the library as a keyword and only warn of unknown ones
    aliases: Mapping[str, list[str]] = _ConfigAliases._get_all_param_aliases()  # noqa: SLF001  no public list
    return frozenset(aliases).union(*aliases.values())


SEEDED = frozenset({"random_state"})
THREADED = frozenset({"random_state", "n_jobs"})
ESTIMATOR_CLASSES: Mapping[str, EstimatorClasses] = {
    "lightgbm": EstimatorClasses(
        classifier=LGBMClassifier, regressor=LGBMRegressor, more=_list_lightgbm_parameters(),
        set_here=THREADED
        | {"monotone_constraints", "mc", "monotone_constraint", "monotonic_cst"}
        | {"categorical_feature", "cat_feature", "categorical_column", "cat_column", "categorical_features"}
        | {"verbose", "verbosity", "deterministic", "force_row_wise", "seed", "num_threads"},
    ),
    "xgboost": EstimatorClasses(
        classifier=XGBClassifier, regressor=XGBRegressor,
        set_here=THREADED | {"tree_method", "monotone_constraints"},
    ),
    "random_forest": EstimatorClasses(
        classifier=RandomForestClassifier, regressor=RandomForestRegressor,
        set_here=THREADED | {"monotonic_cst"},
    ),
    "decision_tree": EstimatorClasses(
        classifier=DecisionTreeClassifier, regressor=DecisionTreeRegressor,
        set_here=SEEDED | {"monotonic_cst"},
    ),
    "logistic_regression": EstimatorClasses(
        classifier=LogisticRegression, regressor=None, set_here=frozenset({"max_iter"})
    ),
    "ridge": EstimatorClasses(classifier=None, regressor=Ridge, set_here=SEEDED),
    "knn": EstimatorClasses(
        classifier=KNeighborsClassifier, regressor=KNeighborsRegressor, set_here=frozenset({"n_jobs"})
    ),
    "svm": EstimatorClasses(classifier=SVC, regressor=SVR, set_here=SEEDED),
}  # fmt: skip


LIBRARY_NAMES = {"sklearn": "scikit-learn"}
"""Name of a library that is another one than that of its package."""


def name_frameworks(families: Iterable[str]) -> str:
    """Name the libraries that fit these families, each with its version."""
    classes = (ESTIMATOR_CLASSES[each] for each in families)
    packages = {(each.classifier or each.regressor).__module__.partition(".")[0] for each in classes}
    # as the package says: a distribution may have another name, such as xgboost-cpu
    versions = {LIBRARY_NAMES.get(each, each): import_module(each).__version__ for each in packages}
    return ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))


OBJECTIVES: Mapping[str, Mapping[type[Objective], tuple[str, str]]] = {
    "lightgbm": {
        Quantile: ("quantile", "alpha"), Poisson: ("poisson", ""),
        Tweedie: ("tweedie", "tweedie_variance_power"),
    },
    "xgboost": {
        Quantile: ("reg:quantileerror", "quantile_alpha"), Poisson: ("count:poisson", ""),
        Tweedie: ("reg:tweedie", "tweedie_variance_power"),
    },
}  # fmt: skip
"""Each family's own name of an objective, and of the parameter with its level or power."""
OBJECTIVE_PARAMETERS: Mapping[str, frozenset[str]] = {
    "lightgbm": frozenset(_ConfigAliases.get("objective", "alpha", "tweedie_variance_power")),
    "xgboost": frozenset({"objective", "quantile_alpha", "tweedie_variance_power"}),
}
"""Parameters that the platform sets where the use case has an objective."""


def build_objective(family: str, objective: Objective | None) -> dict[str, Any]:
    """Build the parameters of a family that fit an objective; empty for squared errors."""
    if objective is None:
        return {}
    name, parameter = OBJECTIVES[family][type(objective)]
    value = objective.level if isinstance(objective, Quantile) else getattr(objective, "power", None)
    return {"objective": name} | ({parameter: value} if parameter else {})


def check_parameters(use_case: UseCase) -> None:
    """Check names and values of every candidate's parameters: fixed, first and last of each range.

    Raises:
        UseCaseError: An estimator has no such parameter, or refuses a value.
    """
    classes = 0 if use_case.task is Task.REGRESSION else len(use_case.target.labels)
    for candidate in (each for each in use_case.candidates if each.family != BLEND):
        where = f"{use_case.name}, candidate {candidate.name!r}"
        family = ESTIMATOR_CLASSES[candidate.family]
        kind = family.choose(classes=classes)
        _check_objective(where, use_case, candidate)
        for name in [
            name for name in (*candidate.space, *candidate.fixed) if name not in PLATFORM_PARAMETERS
        ]:
            _check_name(where, family, kind, name)
        for params in _list_combinations(candidate):
            if problem := _find_value_problem(kind, params, classes):
                raise UseCaseError(where, problem)


def _check_objective(where: str, use_case: UseCase, candidate: Candidate) -> None:
    if use_case.objective is None:
        return
    if others := sorted(OBJECTIVE_PARAMETERS[candidate.family] & {*candidate.space, *candidate.fixed}):
        problem = f"the use case's objective sets {others[0]!r}; leave it out of the candidate"
        raise UseCaseError(where, problem)


def _check_name(where: str, family: EstimatorClasses, kind: type[Any], name: str) -> None:
    if name in family.set_here:
        raise UseCaseError(where, f"the platform sets {name!r} of {kind.__name__}; leave it out")
    # an estimator that takes any keyword names its own parameters by `get_params`
    given = sorted({*kind().get_params(deep=False)} - family.set_here)
    if name not in {*given, *family.more}:
        close = get_close_matches(name, given, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"parameters are {format_names(given)}"
        raise UseCaseError(where, f"{kind.__name__} has no parameter {name!r}; {hint}")


def _list_combinations(candidate: Candidate) -> Iterator[Mapping[str, Any]]:
    """List the first trial's parameters, then these with one of them at an end of its range."""
    base = {**candidate.fixed, **candidate.start}
    yield base
    for name, space in candidate.space.items():
        ends = space.options if isinstance(space, Choice) else (space.low, space.high)
        yield from ({**base, name: value} for value in ends)


def _find_value_problem(kind: type[Any], params: Mapping[str, Any], classes: int) -> str:
    chosen = {name: value for name, value in params.items() if name not in PLATFORM_PARAMETERS}
    try:
        estimator = kind(**chosen)
        if issubclass(kind, LGBMClassifier | LGBMRegressor | XGBClassifier | XGBRegressor):
            _fit_tiny(estimator, classes)
        else:
            estimator._validate_params()  # noqa: SLF001  what `fit` does first
    # libraries raise errors of their own for a parameter
    except Exception as error:  # noqa: BLE001
        text = " ".join(str(error).split())[:MAX_SHOWN_CHARACTERS]
        return f"{kind.__name__} refuses {chosen}: {text}"
    return ""


def _fit_tiny(estimator: Any, classes: int) -> None:
    # one tree is enough: values are checked before the first one
    if (getattr(estimator, TREES, None) or 1) > 1:
        estimator.set_params(**{TREES: 1})
    quiet = {"verbosity": 0} if hasattr(estimator, "get_booster") else {"verbose": -1}
    rows = np.random.default_rng(0).random((ROWS, WIDTH), dtype=np.float32)
    target = np.arange(ROWS) % classes if classes else rows[:, 0] + 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator.set_params(n_jobs=1, **quiet).fit(rows, target)

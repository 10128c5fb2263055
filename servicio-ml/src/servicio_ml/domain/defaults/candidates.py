"""Standard candidates of a task, with search spaces sized to the number of rows."""

from servicio_ml.domain.search import (
    CATEGORY_SPLITS,
    LEVEL_ORDER,
    LEVEL_SETS,
    Candidate,
    Choice,
    Integer,
    Real,
)
from servicio_ml.domain.use_case import Task

FEW_ROWS, MANY_ROWS = 2_000, 50_000
TUNING_ROWS = 20_000
"""Maximum number of rows of a trial."""


def build_standard_candidates(task: Task, rows: int) -> tuple[Candidate, ...]:
    """Build the candidates that suit a task and a number of rows.

    They are boosted trees, a forest, a linear model, and a blend of them.

    Args:
        task: Type of prediction.
        rows: Approximate number of usable rows.
    """
    blend = Candidate(name="blend", family="blend", max_latency_seconds=0.05)
    return (_build_boosted_trees(task, rows), _build_forest(rows), _build_linear_model(task, rows), blend)


def _build_boosted_trees(task: Task, rows: int) -> Candidate:
    # leaves and the rows in each grow with the rows: large trees on few rows only repeat them
    leaves, smallest = (15, 3) if rows < FEW_ROWS else (63, 4) if rows < MANY_ROWS else (127, 20)
    # one step fits a tree for each of several classes
    steps, rate = (200, 0.1) if task is Task.MULTICLASS else (300 if rows < FEW_ROWS else 600, 0.05)
    return Candidate(
        name="lightgbm", family="lightgbm", tuning_rows=_limit_rows(rows),
        space={
            "n_estimators": Integer(low=50, high=steps),
            "num_leaves": Integer(low=4, high=leaves, log=True),
            "learning_rate": Real(low=0.02, high=0.2, log=True),
            "min_child_samples": Integer(low=smallest, high=20 * smallest, log=True),
            "colsample_bytree": Real(low=0.4, high=1.0),
            "reg_lambda": Real(low=0.01, high=20.0, log=True),
            CATEGORY_SPLITS: Choice(options=(LEVEL_SETS, LEVEL_ORDER)),
        },
        start={
            "n_estimators": steps // 2, "num_leaves": leaves // 2, "learning_rate": rate,
            "min_child_samples": 5 * smallest, "colsample_bytree": 0.8, "reg_lambda": 0.1,
            CATEGORY_SPLITS: LEVEL_SETS,
        },
        # LightGBM's default of 100 rows leaves few sets of levels to choose from in a small table
        fixed={"min_data_per_group": 20 if rows < MANY_ROWS else 100},
    )  # fmt: skip


def _build_forest(rows: int) -> Candidate:
    smallest = 1 if rows < FEW_ROWS else 3 if rows < MANY_ROWS else 10
    return Candidate(
        name="random_forest", family="random_forest", tuning_rows=_limit_rows(rows), max_latency_seconds=0.05,
        space={
            "max_depth": Integer(low=3, high=12 if rows < FEW_ROWS else 16),
            "min_samples_leaf": Integer(low=smallest, high=10 * smallest, log=True),
            "max_features": Real(low=0.2, high=0.8),
        },
        start={"max_depth": 8, "min_samples_leaf": 2 * smallest, "max_features": 0.4},
        fixed={"n_estimators": 100},
    )  # fmt: skip


def _build_linear_model(task: Task, rows: int) -> Candidate:
    if task is Task.REGRESSION:
        name, space = "ridge", {"alpha": Real(low=0.001, high=100.0, log=True)}
    else:
        name, space = "logistic_regression", {"C": Real(low=0.003, high=30.0, log=True)}
    start = dict.fromkeys(space, 1.0)
    return Candidate(name=name, family=name, tuning_rows=_limit_rows(rows), space=space, start=start)


def _limit_rows(rows: int) -> int:
    return TUNING_ROWS if rows > TUNING_ROWS else 0

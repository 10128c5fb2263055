"""A period that cannot be trained on is refused at the start, with the rows that are needed."""

from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest

from servicio_ml.domain.use_case import DateSplit, GroupSplit, Task, UseCase
from servicio_ml.errors import TrainingError
from servicio_ml.pipeline.training.dataset import build_problem, check_training_rows
from small_use_case import build_manifest, build_use_case, generate_rows

BY_DATE = DateSplit(field="day", folds=3)


def _label(count: int, positives: int) -> pl.DataFrame:
    outcome = pl.when(pl.int_range(pl.len()) < positives).then(pl.lit("yes")).otherwise(pl.lit("no"))
    return generate_rows(Task.BINARY, count).with_columns(outcome.alias("outcome"))


def _check(use_case: UseCase, train: pl.DataFrame, tests: pl.DataFrame) -> None:
    check_training_rows(use_case, build_manifest(train=len(train), test=len(tests)), train, tests)


@pytest.mark.parametrize(
    ("train", "tests", "changes", "problem"),
    [
        pytest.param(
            _label(120, 0), _label(40, 0), {},
            "class 'yes' of 'Outcome' has 0 training rows and 0 test rows; needed: 3 for training in"
            " 3 folds and 3 for testing of each class. Add rows, or change `folds` or `test_share`",
            id="a class is missing",
        ),
        pytest.param(
            _label(120, 2), _label(40, 1), {},
            "class 'yes' of 'Outcome' has 2 training rows and 1 test row; needed: 3 for training in 3 folds",
            id="two positives",
        ),
        pytest.param(
            _label(120, 60), _label(25, 10), {},
            "25 test rows, 30 are needed to compare models: publish about 120 usable rows or raise"
            " `test_share` of the split (now 0.25)",
            id="25 test rows",
        ),
        pytest.param(
            _label(120, 60).with_columns(pl.lit(date(2020, 1, 1)).alias("day")), _label(40, 10),
            {"split": BY_DATE}, "its dates give 0 of 3 windows; add days or set fewer `folds`", id="one day",
        ),
        pytest.param(
            _label(120, 60).with_columns(
                (pl.lit(date(2020, 1, 1)) + pl.int_range(pl.len()) * timedelta(days=1)).alias("day")
            ),
            _label(40, 10), {"split": BY_DATE},
            "window 1 of 3 has no row of class 'no' on one side; add days with it or set fewer `folds`",
            id="a class comes later",
        ),
        pytest.param(
            _label(120, 60).with_columns(weight=pl.int_range(pl.len()) % 3 / 2), _label(40, 10),
            {"split": GroupSplit(field="weight", folds=4)},
            "its groups give 0 of 4 windows; add groups or set fewer `folds`", id="three groups",
        ),
    ],
)  # fmt: skip
def test_a_period_with_too_few_rows_is_refused(
    train: pl.DataFrame, tests: pl.DataFrame, changes: dict[str, Any], problem: str
) -> None:
    with pytest.raises(TrainingError) as caught:
        _check(build_use_case(**changes), train, tests)
    assert f"small: the period 2020-01 has too few rows: {problem}" in str(caught.value)


@pytest.mark.parametrize("task", Task)
def test_a_group_is_in_one_fold(task: Task) -> None:
    rows = generate_rows(task, 300).with_columns(weight=pl.int_range(pl.len()) % 40 / 8)
    use_case = build_use_case(task, split=GroupSplit(field="weight", folds=4))
    problem = build_problem(use_case, use_case.schema, rows, seed=1, threads=1)
    sides = [[set(problem.matrix[side, 2]) for side in fold] for fold in problem.folds]
    assert [len(train & valid) for train, valid in sides] == [0, 0, 0, 0]
    assert sorted(group for _, valid in sides for group in valid) == [i / 8 for i in range(40)]


def test_a_regression_needs_two_rows_for_each_fold() -> None:
    rows = generate_rows(Task.REGRESSION, 40)
    with pytest.raises(
        TrainingError, match="the file has 5 training rows and 40 test rows; needed: 6 for training"
    ):
        _check(build_use_case(Task.REGRESSION), rows[:5], rows)


@pytest.mark.parametrize("task", Task)
def test_enough_rows_are_accepted(task: Task) -> None:
    _check(build_use_case(task), generate_rows(task, 200), generate_rows(task, 60, seed=1))

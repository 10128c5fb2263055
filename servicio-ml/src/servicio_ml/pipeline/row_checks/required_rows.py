"""Minimum numbers of rows, of each class and altogether, for a training and the comparison after it."""

from collections.abc import Iterator, Mapping
from math import ceil

from servicio_ml.domain.use_case import ColumnSplit, UseCase

# below it no interval of the gain means anything
MIN_TEST_ROWS = 30
"""Minimum number of rows that neither model was trained on, to compare two models."""
# the paired bootstrap fails when more than 5 % of its resamples lack a class: exp(-3) is just below that
MIN_TEST_ROWS_PER_CLASS = 3
ROWS_PER_FOLD_OF_REGRESSION = 2
"""A share of explained variance is not defined on one row."""


def describe_too_few_rows(use_case: UseCase, rows: int) -> str:
    """Describe that a file is too small for any split, with the remedy; empty if it is not."""
    needed = sum(_count_needed_rows(use_case)) * max(1, len(use_case.target.labels))
    if rows >= needed:
        return ""
    return (
        f"{_count(rows, 'usable row')}, at least {needed} are needed ({_describe_needs(use_case)}): add rows"
    )


def describe_shortage(use_case: UseCase, train: Mapping[str, int], test: Mapping[str, int]) -> str:
    """Describe which classes lack rows, how many are needed and the remedy; empty if there are enough.

    Args:
        use_case: Use case of the rows.
        train: Number of training rows by label; in a regression, by an empty text.
        test: Number of test rows by label.
    """
    if found := [*_find_shortages(use_case, train, test)]:
        needs = _describe_needs(use_case)
        return (
            f"{'; '.join(found)}; needed: {needs}. Add rows, or change `folds` or `test_share` of the split"
        )
    return ""


def describe_few_test_rows(use_case: UseCase, tests: int) -> str:
    """Describe that test rows are too few to compare models, with the remedy; empty if there are enough."""
    if tests >= MIN_TEST_ROWS:
        return ""
    found = f"{_count(tests, 'test row')}, {MIN_TEST_ROWS} are needed to compare models"
    if isinstance(use_case.split, ColumnSplit):
        return f"{found}: the file says which ones they are in {use_case.split.field!r}; name more of them"
    share = use_case.split.test_share
    return (
        f"{found}: publish about"
        f" {ceil(MIN_TEST_ROWS / share)} usable rows or raise `test_share` of the split (now {share:g})"
    )


def _find_shortages(use_case: UseCase, train: Mapping[str, int], test: Mapping[str, int]) -> Iterator[str]:
    needed_train, needed_test = _count_needed_rows(use_case)
    for label in use_case.target.labels or ("",):
        trains, tests = train.get(label, 0), test.get(label, 0)
        if trains < needed_train or tests < needed_test:
            name = f"class {label!r} of {use_case.target.column!r}" if label else "the file"
            yield f"{name} has {_count(trains, 'training row')} and {_count(tests, 'test row')}"


def _count_needed_rows(use_case: UseCase) -> tuple[int, int]:
    """Count the needed training and test rows, of each class in a classification."""
    folds = use_case.split.folds
    if not use_case.target.labels:
        return ROWS_PER_FOLD_OF_REGRESSION * folds, 1
    # windows of dates are cumulative: the first one is validated on rows that come after others
    return folds + bool(use_case.split_date), MIN_TEST_ROWS_PER_CLASS


def _describe_needs(use_case: UseCase) -> str:
    train, test = _count_needed_rows(use_case)
    each = " of each class" if use_case.target.labels else ""
    return f"{train} for training in {use_case.split.folds} folds and {test} for testing{each}"


def _count(rows: int, noun: str) -> str:
    return f"{rows} {noun}" if rows == 1 else f"{rows} {noun}s"

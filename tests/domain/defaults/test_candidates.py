"""Standard candidates: every task and size has some, and the estimators take their parameters."""

from dataclasses import replace

import pytest

from orchard_use_case import build_grade_use_case, build_price_use_case, build_use_case
from servicio_ml.domain.defaults.candidates import build_standard_candidates
from servicio_ml.domain.use_case import Task, UseCase
from servicio_ml.pipeline.training.parameters import check_parameters

USE_CASES = {
    Task.BINARY: build_use_case(),
    Task.MULTICLASS: build_grade_use_case(),
    Task.REGRESSION: build_price_use_case(),
}


@pytest.mark.parametrize("rows", [100, 10_000, 1_000_000])
@pytest.mark.parametrize("use_case", USE_CASES.values(), ids=[task.value for task in USE_CASES])
def test_estimators_take_the_parameters(use_case: UseCase, rows: int) -> None:
    candidates = build_standard_candidates(use_case.task, rows)
    assert len(candidates) == 4
    check_parameters(replace(use_case, candidates=candidates))


def test_many_rows_are_tuned_on_a_sample() -> None:
    for rows, tuning_rows in ((20_000, 0), (20_001, 20_000)):
        *tuned, _ = build_standard_candidates(Task.BINARY, rows)
        assert {each.tuning_rows for each in tuned} == {tuning_rows}

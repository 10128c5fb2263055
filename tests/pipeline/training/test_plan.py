"""A study goes on in a wider space, and starts anew where its trials would say other things."""

from dataclasses import replace
from typing import Any

import pytest

from servicio_ml.domain.search import Integer, Poisson
from servicio_ml.domain.use_case import Target, Task, UseCase
from servicio_ml.pipeline.training.plan import compute_study_digest
from small_use_case import LIGHTGBM, WEIGHED, build_manifest, build_use_case

COUNT = Target(name="outcome", column="Outcome", minimum=0)


def _compute_digest(task: Task = Task.BINARY, digest: str = "0" * 64, **changes: Any) -> str:
    use_case: UseCase = build_use_case(task, LIGHTGBM, **changes)
    return compute_study_digest(use_case, build_manifest(train=9, test=3, digest=digest), LIGHTGBM)


@pytest.mark.parametrize(
    "changes",
    [
        {"metric": "accuracy"}, {"class_weights": "balanced"}, {"digest": "1" * 64},
        {"sample_weight": "exposure", "schema": WEIGHED},
    ],
    ids=lambda changes: next(iter(changes)),
)  # fmt: skip
def test_another_definition_or_other_data_start_another_study(changes: dict[str, Any]) -> None:
    assert _compute_digest(**changes) != _compute_digest()
    assert _compute_digest() == _compute_digest()


def test_another_objective_starts_another_study() -> None:
    plain, poisson = (
        _compute_digest(Task.REGRESSION, target=COUNT, objective=objective) for objective in (None, Poisson())
    )
    assert plain != poisson


def test_fixed_parameters_start_another_study_and_the_space_does_not() -> None:
    use_case, manifest = build_use_case(Task.BINARY, LIGHTGBM), build_manifest(train=9, test=3)
    fixed = replace(LIGHTGBM, fixed={"num_leaves": 9})
    wider = replace(LIGHTGBM, space={**LIGHTGBM.space, "n_estimators": Integer(low=5, high=90)})
    before, other, same = (
        compute_study_digest(use_case, manifest, each) for each in (LIGHTGBM, fixed, wider)
    )
    assert before != other
    assert before == same

"""Weights of classes and monotone columns reach every family that takes them."""

from typing import Any

import numpy as np
import pytest

from servicio_ml.domain.search import Candidate
from servicio_ml.domain.use_case import Task
from servicio_ml.errors import UseCaseError
from servicio_ml.features.encoder import Encoder
from servicio_ml.pipeline.training.calibrate import build_calibrated_output
from servicio_ml.pipeline.training.dataset import build_problem
from servicio_ml.pipeline.training.export import PARITY_TOLERANCE, export_model
from servicio_ml.pipeline.training.fitting import (
    TrainingProblem,
    compute_fit_weights,
    compute_scores,
    fit,
    score_out_of_fold,
)
from small_use_case import SCHEMA, build_use_case, generate_rows

POSITIVE = 1


def _build_problem(task: Task, *candidates: Candidate, rows: int = 600, **changes: Any) -> TrainingProblem:
    use_case = build_use_case(task, *candidates, **changes)
    return build_problem(use_case, SCHEMA, generate_rows(task, rows), seed=0, threads=1)


def test_balanced_classes_weigh_the_same_together() -> None:
    tree = Candidate(name="tree", family="decision_tree")
    problem = _build_problem(Task.MULTICLASS, tree, class_weights="balanced")
    weights = compute_fit_weights(problem, np.arange(600))
    assert weights is not None
    assert [weights[problem.truth == code].sum() for code in range(3)] == pytest.approx([200, 200, 200])
    given = _build_problem(Task.BINARY, tree, class_weights={"no": 1, "yes": 7.5})
    weights = compute_fit_weights(given, np.arange(600))
    assert weights is not None
    assert set(weights[given.truth == 0]) == {1.0}
    assert set(weights[given.truth == 1]) == {7.5}


@pytest.mark.slow
@pytest.mark.parametrize("family", ["lightgbm", "xgboost", "random_forest", "logistic_regression", "svm"])
def test_calibration_undoes_the_shift_of_the_classes(family: str) -> None:
    """Scores are shifted towards the heavier class; probabilities are those of the rows."""
    candidate = Candidate(name="model", family=family)
    problem = _build_problem(Task.BINARY, candidate, class_weights={"no": 1, "yes": 9})
    windows = score_out_of_fold(problem, candidate, {})
    rows, raw = (np.concatenate(arrays) for arrays in zip(*windows, strict=True))
    plain = _build_problem(Task.BINARY, candidate)
    unweighted = np.concatenate([scores for _, scores in score_out_of_fold(plain, candidate, {})])
    # Platt scaling within the family already undoes most of it
    assert raw[:, POSITIVE].mean() > unweighted[:, POSITIVE].mean()
    output = build_calibrated_output(problem.use_case, problem.truth[rows], raw)
    share = problem.truth.mean()
    assert output.calibrate(raw)[:, POSITIVE].mean() == pytest.approx(share, abs=0.02)


MONOTONE = [
    (task, family, sign)
    for task, sign in ((Task.BINARY, -1), (Task.REGRESSION, 1))
    for family in ("lightgbm", "xgboost", "random_forest", "decision_tree")
]


@pytest.mark.slow
@pytest.mark.parametrize(("task", "family", "sign"), MONOTONE, ids=str)
def test_a_score_moves_with_a_monotone_column_only(task: Task, family: str, sign: int) -> None:
    """The target rises with the weight; a score that may only fall with it does not."""
    # `size_over_weight` is the difference of size and weight, and would move the score as well
    candidate = Candidate(
        name="model", family=family, monotone={"weight": sign, "size_over_weight": -sign},
        max_latency_seconds=1.0,
    )  # fmt: skip
    problem = _build_problem(task, candidate)
    estimator = fit(problem, candidate, {}, np.arange(600))
    frame = generate_rows(task, 50, seed=2)
    scores = []
    for weight in np.linspace(-3, 3, 13):
        matrix = Encoder(SCHEMA).encode_frame(frame.with_columns(weight=weight))
        scores.append(compute_scores(estimator, matrix)[:, -1])
    steps = sign * np.diff(scores, axis=0)
    assert steps.min() >= -1e-6
    if sign == 1:
        assert steps.max() > 0.01
    unseen = Encoder(SCHEMA).encode_frame(generate_rows(task, 300, seed=1))
    assert export_model(candidate, estimator, unseen).parity <= PARITY_TOLERANCE


TREE = Candidate(name="tree", family="decision_tree")
KNN = Candidate(name="knn", family="knn")


@pytest.mark.parametrize(
    ("task", "candidate", "changes", "message"),
    [
        (Task.REGRESSION, TREE, {"class_weights": "balanced"}, "class_weights are for labels, and a"),
        (Task.BINARY, TREE, {"class_weights": "even"}, "class_weights is 'even'; it must be 'balanced'"),
        (Task.BINARY, TREE, {"class_weights": {"yes": 2}}, "class_weights has 'yes'; it must have ex"),
        (Task.BINARY, KNN, {"class_weights": "balanced"}, "candidate 'knn': its family 'knn' takes no"),
        (Task.BINARY, TREE, {"class_weights": {"no": 1, "yes": 0}}, "class_weights\\['yes'\\] is 0; it must"),
    ],
)  # fmt: skip
def test_wrong_weights_are_refused(
    task: Task, candidate: Candidate, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UseCaseError, match=message):
        build_use_case(task, candidate, **changes)


@pytest.mark.parametrize(
    ("task", "signs", "message"),
    [
        (Task.MULTICLASS, {"size": 1}, "candidate 'tree': monotone is for one score, and each class"),
        (Task.BINARY, {"price": 1}, "'tree': monotone names 'price', which models do not read; they"),
        (Task.BINARY, {"day": 1}, "'tree': monotone names 'day', which models do not read"),
        (Task.BINARY, {"colour": 1}, "'tree': monotone names 'colour', a category, whose levels"),
        (Task.BINARY, {"size": 0}, "candidate 'tree': monotone\\['size'\\] is 0; it must be 1 or -1"),
    ],
)  # fmt: skip
def test_wrong_monotone_columns_are_refused(task: Task, signs: dict[str, int], message: str) -> None:
    with pytest.raises(UseCaseError, match=message):
        build_use_case(task, Candidate(name="tree", family="decision_tree", monotone=signs))


def test_a_family_without_monotone_scores_is_named() -> None:
    with pytest.raises(UseCaseError, match="the family 'ridge' takes no monotone; these do: decision_tree"):
        Candidate(name="ridge", family="ridge", monotone={"size": 1})

"""A blend: weights from unseen rows, and one graph that answers as its members do."""

from importlib.metadata import version
from typing import Any

import numpy as np
import pytest

from servicio_ml.domain.search import Candidate
from servicio_ml.domain.use_case import Task, UseCase
from servicio_ml.errors import UseCaseError
from servicio_ml.features.encoder import Encoder
from servicio_ml.features.runtimes.scorer import SCORES_NAME, open_session
from servicio_ml.pipeline.training.blending.blend import Blend, join_params, split_params
from servicio_ml.pipeline.training.blending.weights import average_windows, choose_weights
from servicio_ml.pipeline.training.dataset import build_problem
from servicio_ml.pipeline.training.export import PARITY_TOLERANCE, export_model
from servicio_ml.pipeline.training.fitting import TrainingProblem, fit, score_out_of_fold
from small_use_case import KNN, LIGHTGBM, SCHEMA, build_use_case, generate_rows
from training_fixture import TrainingFixture

BLEND = Candidate(name="blend", family="blend", max_latency_seconds=1.0)
MEMBERS = {
    Task.BINARY: ("lightgbm", "xgboost", "random_forest", "logistic_regression", "knn"),
    Task.MULTICLASS: ("lightgbm", "xgboost", "decision_tree", "logistic_regression", "svm"),
    Task.REGRESSION: ("lightgbm", "xgboost", "random_forest", "ridge", "knn", "svm"),
}


def _build_problem(task: Task, *candidates: Candidate) -> tuple[UseCase, TrainingProblem]:
    use_case = build_use_case(task, *candidates)
    return use_case, build_problem(use_case, SCHEMA, generate_rows(task, 300), seed=0, threads=1)


@pytest.mark.slow
@pytest.mark.parametrize("task", Task)
def test_one_graph_answers_as_the_weighted_members_do(task: Task) -> None:
    """Members of every converter, on rows with gaps."""
    names = MEMBERS[task]
    use_case, problem = _build_problem(
        task, *(Candidate(name=name, family=name, max_latency_seconds=1.0) for name in names), BLEND
    )
    weights = {name: (place + 1) / sum(range(len(names) + 1)) for place, name in enumerate(names)}
    params = join_params(weights, {name: {} for name in names})
    estimator = fit(problem, use_case.get_candidate("blend"), params, np.arange(300))
    unseen = Encoder(SCHEMA).encode_frame(generate_rows(task, 500, seed=1))
    assert np.isnan(unseen).any()
    exported = export_model(BLEND, estimator, unseen)
    assert exported.reason == ""
    assert exported.parity <= PARITY_TOLERANCE
    assert exported.onnx is not None
    [output] = open_session(exported.onnx).get_outputs()
    assert output.name == SCORES_NAME


def test_the_members_are_weighted_as_their_parameters_say() -> None:
    use_case, problem = _build_problem(Task.BINARY, LIGHTGBM, KNN, BLEND)
    params = {"lightgbm.weight": 0.75, "lightgbm.n_estimators": 5, "knn.weight": 0.25, "knn.n_neighbors": 7}
    assert split_params(params) == {
        "lightgbm": {"weight": 0.75, "n_estimators": 5},
        "knn": {"weight": 0.25, "n_neighbors": 7},
    }
    blend = fit(problem, use_case.get_candidate("blend"), params, np.arange(200))
    assert isinstance(blend, Blend)
    assert [(each.family, each.weight) for each in blend.members] == [("lightgbm", 0.75), ("knn", 0.25)]
    windows = {
        "lightgbm": score_out_of_fold(problem, LIGHTGBM, {"n_estimators": 5}),
        "knn": score_out_of_fold(problem, KNN, {"n_neighbors": 7}),
    }
    mixed = average_windows(windows, {"lightgbm": 0.75, "knn": 0.25})
    blended = score_out_of_fold(problem, use_case.get_candidate("blend"), params)
    for (rows, scores), (same_rows, same) in zip(mixed, blended, strict=True):
        assert rows.tolist() == same_rows.tolist()
        np.testing.assert_allclose(scores, same)


def _build_windows(problem: TrainingProblem, errors: Any) -> list[tuple[Any, Any]]:
    return [(rows, (problem.target[rows] + errors[rows]).reshape(-1, 1)) for _, rows in problem.folds]


def test_weights_favour_members_whose_errors_cancel_out() -> None:
    """The mean of two opposite errors is exact; a member that only adds noise gets no weight."""
    _, problem = _build_problem(Task.REGRESSION, LIGHTGBM, KNN)
    error = np.random.default_rng(0).normal(size=300) / 10
    windows = {
        "above": _build_windows(problem, error),
        "below": _build_windows(problem, -error),
        "noise": _build_windows(problem, np.random.default_rng(1).normal(size=300)),
    }
    assert choose_weights(problem, windows) == {"above": 0.5, "below": 0.5}
    assert choose_weights(problem, {"noise": windows["noise"], "above": windows["above"]}) == {"above": 1.0}


@pytest.mark.parametrize(
    ("candidates", "problem"),
    [
        ((LIGHTGBM, BLEND), "1 of 2 candidates are blends; one may be, beside at least 2 others"),
        ((BLEND, KNN, Candidate(name="more", family="blend")), "2 of 3 candidates are blends"),
    ],
)
def test_a_blend_needs_two_others(candidates: tuple[Candidate, ...], problem: str) -> None:
    with pytest.raises(UseCaseError, match=problem):
        build_use_case(Task.BINARY, *candidates)


def test_a_blend_is_not_trained_alone() -> None:
    use_case = build_use_case(Task.BINARY, BLEND, LIGHTGBM, KNN)
    with pytest.raises(UseCaseError, match="1 of 1 candidates are blends; one may be, beside at least 2"):
        use_case.get_candidates(["blend"])


def test_a_blend_has_no_parameters() -> None:
    with pytest.raises(UseCaseError, match="'blend': a blend has no parameters; leave out space, start and"):
        Candidate(name="blend", family="blend", fixed={"members": 3})


@pytest.mark.slow
def test_a_blend_is_trained_registered_and_may_win(tmp_path: Any) -> None:
    place = TrainingFixture(tmp_path)
    forest = Candidate(
        name="forest", family="random_forest", fixed={"n_estimators": 20}, max_latency_seconds=1.0
    )
    use_case = build_use_case(Task.BINARY, BLEND, forest, KNN)
    trained = place.train(use_case, place.publish(Task.BINARY))
    rows = {row["candidate"]: row for row in trained.table}
    assert set(rows) == {"blend", "forest", "knn"}
    assert rows["blend"]["eligible"], rows["blend"]
    assert trained.challenger is not None
    # it is named first and at least as good as each member on the same unseen rows
    assert rows["blend"]["version"] == trained.challenger.version
    weights = [rows["blend"]["params"][f"{name}.weight"] for name in ("forest", "knn")]
    assert sum(weights) == pytest.approx(1)
    # both members are of one library
    assert trained.challenger.tags["family"] == "blend"
    assert trained.challenger.tags["framework"] == f"scikit-learn {version('scikit-learn')}"
    card = (place.registry.download("small", trained.challenger.version) / "card.md").read_text()
    assert f"  - forest, weight {weights[0]:.2f}: " in card


@pytest.mark.slow
def test_a_blend_of_one_is_refused_with_its_reason(tmp_path: Any) -> None:
    """A guess beside a model of the same scores helps no average."""
    place = TrainingFixture(tmp_path)
    budget = Candidate(name="blend", family="blend", max_latency_seconds=1e-9)
    use_case = build_use_case(Task.BINARY, budget, LIGHTGBM, KNN)
    trained = place.train(use_case, place.publish(Task.BINARY))
    [row] = [row for row in trained.table if row["candidate"] == "blend"]
    assert (row["eligible"], row["version"], row["params"]) == (False, None, {})
    # a table of candidates has the same rows for each
    assert {frozenset(each["metrics"]) for each in trained.table} == {frozenset(row["metrics"])}
    assert row["reason"].startswith("no weighted average is better than")

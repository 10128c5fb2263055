"""Every family trains with gaps in the matrix and answers the same from ONNX as from its original."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from servicio_ml.domain.search import Candidate
from servicio_ml.domain.use_case import Task, UseCase
from servicio_ml.errors import UseCaseError
from servicio_ml.features.artifact import FILES, MODEL, load_artifact
from servicio_ml.features.encoder import Encoder
from servicio_ml.features.output import OutputTransform
from servicio_ml.features.runtimes.tree_table import get_table_path
from servicio_ml.pipeline.training.build_candidate import build_reference_profile
from servicio_ml.pipeline.training.dataset import build_problem
from servicio_ml.pipeline.training.estimators import (
    ESTIMATOR_FAMILIES,
    EstimatorFamily,
    floor_thresholds,
    get_family,
)
from servicio_ml.pipeline.training.export import (
    PARITY_TOLERANCE,
    export_model,
    select_golden_records,
    write_artifact,
)
from servicio_ml.pipeline.training.fitting import TrainingProblem, compute_scores, fit, score_out_of_fold
from small_use_case import LABELS, SCHEMA, build_use_case, generate_rows

PARAMS: dict[str, dict[str, Any]] = {
    "lightgbm": {"n_estimators": 30, "num_leaves": 15},
    "xgboost": {"n_estimators": 30, "max_depth": 4},
    "random_forest": {"n_estimators": 20, "max_depth": 6},
    "decision_tree": {"max_depth": 6},
    "logistic_regression": {"C": 1.0},
    "ridge": {"alpha": 1.0},
    "knn": {"n_neighbors": 7},
    "svm": {"C": 1.0, "gamma": 0.1},
}
CASES = [
    (task, name)
    for task in Task
    for name in PARAMS
    if not (name == "ridge" and LABELS[task]) and not (name == "logistic_regression" and not LABELS[task])
]


def solve_problem(task: Task, name: str, count: int = 400) -> tuple[UseCase, TrainingProblem, Candidate, Any]:
    candidate = Candidate(name=name, family=name, max_latency_seconds=1.0)
    use_case = build_use_case(task, candidate)
    made = build_problem(use_case, SCHEMA, generate_rows(task, count), seed=0, threads=1)
    return use_case, made, candidate, fit(made, candidate, PARAMS[name], np.arange(count))


@pytest.mark.parametrize(("task", "name"), CASES, ids=str)
def test_onnx_answers_as_scikit_learn_does_on_rows_with_gaps(task: Task, name: str) -> None:
    _, _, candidate, estimator = solve_problem(task, name)
    unseen = Encoder(SCHEMA).encode_frame(generate_rows(task, 1000, seed=1))
    assert np.isnan(unseen).any()
    exported = export_model(candidate, estimator, unseen)
    assert exported.reason == ""
    assert exported.parity <= PARITY_TOLERANCE


@pytest.mark.parametrize("name", PARAMS)
def test_a_field_that_is_not_direct_changes_no_answer(name: str) -> None:
    task = Task.REGRESSION if name == "ridge" else Task.BINARY
    _, made, _, estimator = solve_problem(task, name)
    moved = made.matrix.copy()
    moved[:, SCHEMA.names.index("day")] += 1000
    np.testing.assert_array_equal(compute_scores(estimator, moved), compute_scores(estimator, made.matrix))


def test_an_ordered_category_is_one_number_to_a_linear_model() -> None:
    *others, colour = SCHEMA.fields
    ordered = replace(SCHEMA, fields=(*others, replace(colour, ordered=True)))
    use_case = build_use_case(Task.REGRESSION, candidate := Candidate(name="ridge", family="ridge"))
    widths = []
    for schema in (SCHEMA, ordered):
        made = build_problem(use_case, schema, generate_rows(Task.REGRESSION, 400), seed=0, threads=1)
        estimator = fit(made, candidate, PARAMS["ridge"], np.arange(400))
        assert export_model(candidate, estimator, made.matrix).reason == ""
        widths.append(estimator[0].transform(made.matrix).shape[1])
    # three levels, and one for missing values, become one column
    assert widths[0] - widths[1] == 3


@pytest.mark.parametrize("task", Task, ids=str)
def test_lightgbm_splits_a_category_by_sets_of_its_levels(task: Task) -> None:
    candidate = Candidate(
        name="lightgbm", family="lightgbm", fixed={"category_splits": "sets", "min_data_per_group": 5}
    )
    use_case = build_use_case(task, candidate)
    made = build_problem(use_case, SCHEMA, generate_rows(task, 400), seed=0, threads=1)
    estimator = fit(made, candidate, PARAMS["lightgbm"], np.arange(400))
    assert "cat_threshold=" in estimator.booster_.model_to_string()
    # a level that no training row has, a missing one, and every other value
    unseen = Encoder(SCHEMA).encode_frame(generate_rows(task, 1000, seed=1))
    unseen[::7, SCHEMA.names.index("colour")] = len(SCHEMA.get_field("colour").levels)
    assert np.isnan(unseen[:, SCHEMA.names.index("colour")]).any()
    exported = export_model(candidate, estimator, unseen)
    assert (exported.reason, exported.parity <= PARITY_TOLERANCE) == ("", True)


def test_an_ordered_category_is_split_by_its_order() -> None:
    *others, colour = SCHEMA.fields
    ordered = replace(SCHEMA, fields=(*others, replace(colour, ordered=True)))
    candidate = Candidate(name="lightgbm", family="lightgbm", fixed={"category_splits": "sets"})
    use_case = build_use_case(Task.BINARY, candidate)
    made = build_problem(use_case, ordered, generate_rows(Task.BINARY, 400), seed=0, threads=1)
    estimator = fit(made, candidate, PARAMS["lightgbm"], np.arange(400))
    assert "cat_threshold=" not in estimator.booster_.model_to_string()


def test_floored_thresholds_change_no_answer_but_reach_float32() -> None:
    _, made, _, estimator = solve_problem(Task.BINARY, "lightgbm")
    before = compute_scores(estimator, made.matrix)
    floored = floor_thresholds(estimator)
    np.testing.assert_array_equal(compute_scores(floored, made.matrix), before)
    for line in floored.booster_.model_to_string().splitlines():
        if line.startswith("threshold="):
            values = np.array(line.removeprefix("threshold=").split(), dtype=np.float64)
            np.testing.assert_array_equal(values, values.astype(np.float32))


def test_a_wrong_conversion_is_not_eligible(monkeypatch: pytest.MonkeyPatch) -> None:
    _, made, candidate, estimator = solve_problem(Task.BINARY, "decision_tree")
    _, _, _, other = solve_problem(Task.BINARY, "logistic_regression")
    tree = get_family("decision_tree")
    wrong = EstimatorFamily(make=tree.make, convert=lambda _, width: tree.convert(other, width))
    monkeypatch.setitem(ESTIMATOR_FAMILIES, "decision_tree", wrong)
    exported = export_model(candidate, estimator, made.matrix)
    assert "differs from scikit-learn" in exported.reason


def test_what_cannot_be_converted_is_not_eligible() -> None:
    exported = export_model(Candidate(name="knn", family="knn"), object(), np.zeros((3, 2), dtype=np.float32))
    assert exported.onnx is None
    assert exported.reason.startswith("cannot be exported")


def test_a_slow_model_is_not_eligible() -> None:
    _, made, _, estimator = solve_problem(Task.BINARY, "decision_tree")
    strict = Candidate(name="decision_tree", family="decision_tree", max_latency_seconds=1e-9)
    assert "one row takes" in export_model(strict, estimator, made.matrix).reason


def test_an_unknown_family_is_named() -> None:
    with pytest.raises(UseCaseError, match="lightgbm"):
        get_family("perceptron")


@pytest.mark.parametrize("task", Task)
def test_an_artifact_answers_its_golden_rows(task: Task, tmp_path: Any) -> None:
    use_case, made, candidate, estimator = solve_problem(task, "lightgbm")
    exported = export_model(candidate, estimator, made.matrix)
    windows = score_out_of_fold(made, candidate, PARAMS["lightgbm"])
    rows, raw = (np.concatenate(parts) for parts in zip(*windows, strict=True))
    output = OutputTransform(task=task, labels=use_case.target.labels, log=use_case.target.log)
    onnx = exported.onnx
    assert onnx is not None
    reference = build_reference_profile(made, output, rows, raw)
    folder = tmp_path / "a"
    write_artifact(folder, made, lambda place: (place / MODEL).write_bytes(onnx), output, reference, "# card")
    table = get_table_path(folder / MODEL)
    assert sorted(path.name for path in folder.iterdir()) == sorted([*FILES, table.name])
    artifact = load_artifact(tmp_path / "a")
    artifact.check_golden_rows()
    assert any(value is None for record in artifact.golden["records"] for value in record.values())
    given = artifact.predict(made.matrix).outcomes
    expected = output.transform(compute_scores(estimator, made.matrix)).outcomes
    np.testing.assert_allclose(given, expected, rtol=1e-4)


def test_golden_records_hold_a_row_with_every_gap() -> None:
    _, made, _, _ = solve_problem(Task.BINARY, "decision_tree")
    last = select_golden_records(made)[-1]
    assert (last["size"], last["colour"]) == (None, None)
    assert last["weight"] is not None

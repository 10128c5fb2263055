"""Weights of rows reach every fit, tuning, calibration, threshold, metrics and promotion."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from fakes.decision_log import MemoryDecisionLog
from servicio_ml.adapters.statsd import NoStats
from servicio_ml.domain.derived import Frequency, GroupMean, Lookup, TargetMean
from servicio_ml.domain.promotion import PromotionDecision
from servicio_ml.domain.search import Candidate, Real
from servicio_ml.domain.use_case import Task
from servicio_ml.errors import TrainingError
from servicio_ml.features.artifact import download_artifact
from servicio_ml.lifecycle.model_history import ModelHistory
from servicio_ml.pipeline.training.blending.weights import choose_weights
from servicio_ml.pipeline.training.build_candidate import build_candidate
from servicio_ml.pipeline.training.dataset import (
    build_holdout,
    build_problem,
    check_training_rows,
    read_weights,
)
from servicio_ml.pipeline.training.fitting import (
    TrainingProblem,
    compute_fit_weights,
    compute_scores,
    fit,
)
from servicio_ml.serving.rest.champion_documents import build_candidates_state, build_decision_state
from small_use_case import SCHEMA, WEIGHED, build_manifest, build_use_case, generate_rows
from training_fixture import TrainingFixture

FAMILIES = {
    Task.BINARY: ("lightgbm", "xgboost", "random_forest", "decision_tree", "logistic_regression", "svm"),
    Task.REGRESSION: ("lightgbm", "xgboost", "random_forest", "decision_tree", "ridge", "svm"),
}
LOGISTIC = Candidate(
    name="logistic",
    family="logistic_regression",
    space={"C": Real(low=0.1, high=10)},
    max_latency_seconds=1.0,
)
TREE = Candidate(name="tree", family="decision_tree", fixed={"max_depth": 5}, max_latency_seconds=1.0)


def _build_problem(
    task: Task, candidate: Candidate, frame: pl.DataFrame, schema: Any = SCHEMA, **changes: Any
) -> TrainingProblem:
    weighed = {"schema": WEIGHED, "sample_weight": "exposure"} if "exposure" in frame.columns else {}
    use_case = build_use_case(task, candidate, **weighed, **changes)
    return build_problem(use_case, schema, frame, seed=0, threads=1)


def _compute_scores(problem: TrainingProblem, candidate: Candidate, matrix: Any) -> Any:
    estimator = fit(problem, candidate, {}, np.arange(len(problem.matrix)))
    return compute_scores(estimator, matrix)


@pytest.mark.parametrize(
    ("task", "family", "fixed"),
    [
        (Task.REGRESSION, "ridge", {"alpha": 1e-9}),
        (Task.BINARY, "logistic_regression", {"C": 1e6, "tol": 1e-8}),
        (Task.REGRESSION, "decision_tree", {"max_depth": 4}),
    ],
    ids=str,
)
def test_a_weight_of_two_fits_like_two_rows(task: Task, family: str, fixed: dict[str, Any]) -> None:
    """Without missing values: the medians that fill gaps are of the rows."""
    candidate = Candidate(name="model", family=family, fixed=fixed)
    rows, times = generate_rows(task, 300).drop_nulls(), np.arange(300) % 3 + 1
    times = times[: len(rows)]
    weighted = _build_problem(task, candidate, rows.with_columns(exposure=times * 0.5))
    repeated = _build_problem(task, candidate, rows[np.repeat(np.arange(len(rows)), times)])
    found = _compute_scores(weighted, candidate, weighted.matrix)
    expected = _compute_scores(repeated, candidate, weighted.matrix)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    plain = _compute_scores(_build_problem(task, candidate, rows), candidate, weighted.matrix)
    assert np.abs(plain - expected).max() > 1e-3


def _get_lookup(problem: TrainingProblem) -> Lookup:
    [lookup] = problem.setting.schema.derived
    assert isinstance(lookup, Lookup)
    return lookup


@pytest.mark.parametrize(
    "column",
    [
        TargetMean(name="t", source="colour", smoothing=0), Frequency(name="t", source="colour"),
        GroupMean(name="t", source="size", by="colour"),
    ],
    ids=lambda column: type(column).__name__,
)  # fmt: skip
def test_a_weight_of_two_counts_like_two_rows_in_fitted_columns(column: Any) -> None:
    schema = replace(SCHEMA, derived=(column,))
    rows, times = generate_rows(Task.REGRESSION, 300), np.arange(300) % 3 + 1
    weighted = _build_problem(Task.REGRESSION, TREE, rows.with_columns(exposure=times * 2), schema)
    repeated = _build_problem(Task.REGRESSION, TREE, rows[np.repeat(np.arange(300), times)], schema)
    tables = [dict(_get_lookup(each).table) for each in (weighted, repeated)]
    assert tables[0] == pytest.approx(tables[1])
    # a fold's own table, too
    [found] = [each.fit_table(weighted.matrix, weighted.target, weighted.weights) for each in weighted.fitted]
    assert found == pytest.approx(list(tables[0].values()))


def test_the_weight_of_a_row_is_multiplied_by_that_of_its_class() -> None:
    rows = generate_rows(Task.BINARY, 300).with_columns(exposure=pl.int_range(300) % 7 + 1)
    given = _build_problem(Task.BINARY, TREE, rows, class_weights={"no": 1, "yes": 5})
    own, weights = read_weights(given.use_case, rows), compute_fit_weights(given, np.arange(300))
    assert own is not None
    assert weights is not None
    assert own.mean() == pytest.approx(1)
    assert weights == pytest.approx(own * np.where(given.truth == 1, 5, 1))
    balanced = _build_problem(Task.BINARY, TREE, rows, class_weights="balanced")
    weights = compute_fit_weights(balanced, np.arange(300))
    assert weights is not None
    assert [weights[balanced.truth == code].sum() for code in (0, 1)] == pytest.approx([150, 150])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "family"),
    [(task, family) for task, families in FAMILIES.items() for family in families],
    ids=str,
)
def test_weights_reach_every_family(task: Task, family: str) -> None:
    """Rows of hardly any weight say the opposite of the others; the fit does not hear them."""
    # a deeper tree has leaves without any heavy row
    fixed = {"max_depth": 3} if family == "decision_tree" else {}
    candidate = Candidate(name="model", family=family, fixed=fixed)
    rows = _make_contrary(task, generate_rows(task, 600))
    seen = generate_rows(task, 300, seed=2)
    weighted, plain = (
        _build_problem(task, candidate, rows),
        _build_problem(task, candidate, rows.drop("exposure")),
    )
    problem = _build_problem(task, candidate, seen)
    quality = [
        np.corrcoef(_compute_scores(each, candidate, problem.matrix)[:, -1], problem.target)[0, 1]
        for each in (weighted, plain)
    ]
    assert quality[0] > 0.7
    assert quality[1] < quality[0] - 0.3


def _make_contrary(task: Task, rows: pl.DataFrame) -> pl.DataFrame:
    """Give two of three rows the outcome of the opposite row, and a millionth of the weight."""
    outcome = pl.col("outcome")
    opposite = (
        1 / outcome
        if task is Task.REGRESSION
        else pl.when(outcome == "yes").then(pl.lit("no")).otherwise(pl.lit("yes"))
    )
    is_light = pl.int_range(pl.len()) % 3 != 0
    return rows.with_columns(
        outcome=pl.when(is_light).then(opposite).otherwise(outcome),
        exposure=pl.when(is_light).then(1e-6).otherwise(1.0),
    )


def test_weights_reach_the_blend() -> None:
    """A member that is right on the heavy rows only gets all of the blend."""
    rows = _make_contrary(Task.REGRESSION, generate_rows(Task.REGRESSION, 300))
    problem = _build_problem(Task.REGRESSION, TREE, rows)
    assert problem.weights is not None
    heavy = problem.weights > 1
    good, bad = (
        [(at, (problem.target[at] + 3.0 * wrong[at]).reshape(-1, 1)) for _, at in problem.folds]
        for wrong in (~heavy, heavy)
    )
    assert choose_weights(problem, {"good": good, "bad": bad}) == {"good": 1.0}
    # two of three rows are light
    assert choose_weights(replace(problem, weights=None), {"good": good, "bad": bad})["bad"] > 0.5


@pytest.mark.slow
def test_weights_reach_tuning_calibration_threshold_metrics_and_promotion(tmp_path: Path) -> None:
    """Light rows contradict the heavy ones, so that a step that counts rows finds the opposite."""
    place = TrainingFixture(tmp_path)
    made = place.publish(Task.BINARY, count=900, change=lambda rows: _make_contrary(Task.BINARY, rows))
    lenient = replace(build_use_case().promotion, floor=0.55, max_slice_loss=0.05)
    plain = build_use_case(Task.BINARY, LOGISTIC, schema=WEIGHED, promotion=lenient)
    weighed = replace(plain, sample_weight="exposure")
    [contrary] = place.train(plain, made).table
    assert place.promote(plain, made).decision is PromotionDecision.PROMOTED
    [row] = place.train(weighed, made).table
    trials = place.tracker.find_runs("small", {"step": "trial", "sample_weight": "exposure"})
    assert min(run.metrics["validation_roc_auc"] for run in trials) > 0.9
    assert row["validation"] > 0.9
    assert contrary["validation"] < 0.7
    # scores, threshold and probabilities; a flat calibration has a Brier score of 0.25
    found = row["metrics"]
    assert found["roc_auc"] > 0.9
    assert found["f1"] > 0.85
    assert found["brier"] < 0.12
    assert found["ece"] < 0.1
    decision = place.promote(weighed, made)
    assert decision.decision is PromotionDecision.PROMOTED, decision.reason
    comparison = decision.evidence["comparison"]
    assert comparison["gain"] > 0.5 < min(each["gain"] for each in comparison["slices"])
    assert comparison["interval"][0] > 0.5
    assert decision.evidence["sample_weight"] == "exposure"
    history = ModelHistory(
        place.tracker, place.registry, NoStats(), place.clock, MemoryDecisionLog().hold_champion
    )
    [shown, *_] = map(build_decision_state, history.list_decisions("small").decisions)
    assert shown.evidence is not None
    assert shown.evidence.sample_weight == "exposure"
    candidates = build_candidates_state("small", history.get_candidates("small"))
    assert candidates.sample_weight == "exposure"
    version = place.registry.get_version("small", decision.challenger)
    assert version.tags["sample_weight"] == "exposure"
    with download_artifact(place.registry, "small", version.version) as folder:
        card = (folder / "card.md").read_text()
    assert "- Rows count with the weight in their column `Years`: in the fit" in card


@pytest.mark.slow
@pytest.mark.parametrize("task", Task)
def test_equal_weights_change_nothing(task: Task, tmp_path: Path) -> None:
    train, tests = generate_rows(task, 600), generate_rows(task, 300, seed=1)
    built = []
    for name, change in (("plain", {}), ("weighted", {"exposure": pl.lit(7.0)})):
        problem = _build_problem(task, TREE, train.with_columns(**change))
        holdout = build_holdout(problem.use_case, SCHEMA, tests.with_columns(**change))
        built.append(build_candidate(problem, holdout, TREE, {}, tmp_path / name, "rows"))
    plain, weighted = built
    assert weighted.metrics == pytest.approx(plain.metrics)
    assert weighted.validation == pytest.approx(plain.validation)
    assert weighted.output.threshold == pytest.approx(plain.output.threshold)
    reference = [(tmp_path / name / "reference.json").read_text() for name in ("plain", "weighted")]
    assert reference[0] == reference[1]


@pytest.mark.parametrize(
    ("schema", "change"),
    [
        (WEIGHED, {}),
        (SCHEMA, {"exposure": pl.lit(None, pl.Float64)}),
        (SCHEMA, {"exposure": pl.when(pl.int_range(pl.len()) > 0).then(1.0).otherwise(0.0)}),
        (SCHEMA, None),
    ],
    ids=["a feature", "missing", "zero", "absent"],
)
def test_a_period_that_was_published_without_weights_is_refused(schema: Any, change: Any) -> None:
    rows = generate_rows(Task.BINARY, 200).with_columns(exposure=1.0)
    rows = rows.drop("exposure") if change is None else rows.with_columns(**change)
    use_case = build_use_case(Task.BINARY, TREE, schema=WEIGHED, sample_weight="exposure")
    manifest = build_manifest(schema, train=200, test=200)
    with pytest.raises(
        TrainingError, match="before 'exposure' weighed its rows; run `servicio-ml etl small`"
    ):
        check_training_rows(use_case, manifest, rows, rows)

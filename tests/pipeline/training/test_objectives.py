"""Quantile, Poisson and Tweedie: fitted, exported with their link, measured, refused where they cannot be."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from servicio_ml.domain.search import Candidate, Objective, Poisson, Quantile, Tweedie
from servicio_ml.domain.use_case import Target, Task, UseCase
from servicio_ml.errors import TrainingError, UseCaseError
from servicio_ml.features.artifact import CARD
from servicio_ml.features.encoder import Encoder
from servicio_ml.features.output import OutputTransform
from servicio_ml.pipeline.evaluate import compute_metric
from servicio_ml.pipeline.promotion.judge import get_challenger
from servicio_ml.pipeline.training.calibrate import build_calibrated_output
from servicio_ml.pipeline.training.dataset import build_problem, check_training_rows
from servicio_ml.pipeline.training.export import PARITY_TOLERANCE, export_model
from servicio_ml.pipeline.training.fitting import compute_scores, fit
from servicio_ml.pipeline.training.parameters import check_parameters
from small_use_case import LIGHTGBM, SCHEMA, build_manifest, build_use_case, generate_rows
from training_fixture import TrainingFixture

FAMILIES = ("lightgbm", "xgboost")
COUNT = Target(name="outcome", column="Outcome", minimum=0)
ROWS = 1500
PARAMS = {"n_estimators": 60, "max_depth": 3, "learning_rate": 0.1}


def _build_use_case(objective: Objective | None, *candidates: Candidate, **changes: Any) -> UseCase:
    metric = "pinball" if isinstance(objective, Quantile) else "mae"
    base = build_use_case(Task.REGRESSION)
    given = {
        "objective": objective, "target": COUNT, "metric": metric,
        "promotion": replace(base.promotion, metric=metric), **changes,
    }  # fmt: skip
    return build_use_case(Task.REGRESSION, *(candidates or (_build_candidate("lightgbm"),)), **given)


def _build_candidate(family: str, **changes: Any) -> Candidate:
    return Candidate(name="model", family=family, max_latency_seconds=1.0, **changes)


def _generate_counts(seed: int) -> pl.DataFrame:
    frame = generate_rows(Task.REGRESSION, ROWS, seed)
    counts = np.random.default_rng(seed).poisson(frame["outcome"].to_numpy())
    return frame.with_columns(outcome=pl.Series(counts, dtype=pl.Float64))


@pytest.mark.slow
@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_quantile_is_above_its_share_of_unseen_rows(family: str, *, log: bool) -> None:
    candidate, target = _build_candidate(family), replace(COUNT, minimum=1e-6, log=log)
    shares, losses = {}, {}
    unseen = generate_rows(Task.REGRESSION, ROWS, seed=1)
    truth = unseen["outcome"].to_numpy()
    for level in (0.1, 0.9):
        use_case = _build_use_case(Quantile(level=level), candidate, target=target)
        rows = generate_rows(Task.REGRESSION, ROWS)
        problem = build_problem(use_case, SCHEMA, rows, seed=0, threads=1)
        estimator = fit(problem, candidate, PARAMS, np.arange(ROWS))
        matrix = Encoder(SCHEMA).encode_frame(unseen)
        assert export_model(candidate, estimator, matrix).parity <= PARITY_TOLERANCE
        raw = compute_scores(estimator, matrix)
        output = build_calibrated_output(use_case, truth, raw)
        assert OutputTransform.from_json(output.to_json()) == output
        predictions = output.transform(raw)
        shares[level] = float((truth <= predictions.outcomes).mean())
        losses[level] = [
            compute_metric("pinball", truth, replace(predictions, quantile=q)) for q in (level, 1 - level)
        ]
    assert shares == {0.1: pytest.approx(0.1, abs=0.07), 0.9: pytest.approx(0.9, abs=0.07)}
    assert all(own < other for own, other in losses.values())


@pytest.mark.slow
@pytest.mark.parametrize("objective", [Poisson(), Tweedie(power=1.2)], ids=str)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_mean_with_a_log_link_is_exported_with_the_link(family: str, objective: Objective) -> None:
    candidate = _build_candidate(family)
    use_case = _build_use_case(objective, candidate)
    problem = build_problem(use_case, SCHEMA, _generate_counts(0), seed=0, threads=1)
    estimator = fit(problem, candidate, PARAMS, np.arange(ROWS))
    unseen = _generate_counts(1)
    matrix = Encoder(SCHEMA).encode_frame(unseen)
    exported = export_model(candidate, estimator, matrix)
    assert exported.reason == ""
    scores = compute_scores(estimator, matrix)
    assert scores.min() > 0
    assert scores.mean() == pytest.approx(unseen["outcome"].mean(), rel=0.1)
    # squared errors would give other numbers
    plain = fit(replace(problem, setting=replace(problem.setting, objective=None)), candidate,
                PARAMS, np.arange(ROWS))  # fmt: skip
    assert np.abs(compute_scores(plain, matrix) - scores).max() > 0.01


@pytest.mark.slow
def test_a_quantile_is_tuned_blended_promoted_and_replaced_by_another(tmp_path: Path) -> None:
    xgboost = _build_candidate("xgboost", fixed={"n_estimators": 30, "max_depth": 3})
    blend = Candidate(name="blend", family="blend", max_latency_seconds=1.0)
    place = TrainingFixture(tmp_path)
    made = place.publish(Task.REGRESSION)
    decisions = []
    for level in (0.9, 0.5):
        use_case = _build_use_case(Quantile(level=level), LIGHTGBM, xgboost, blend)
        place.train(use_case, made)
        challenger = get_challenger(use_case, place.decision_context)
        card = place.registry.read(use_case.name, challenger.version, CARD).decode()
        assert f"its {level:g} quantile, a number" in card
        decisions.append(place.promote(use_case, made))
    assert decisions[0].decision == "promoted"
    # the former champion is measured at the new level, at which it is far worse
    comparison = decisions[1].evidence["comparison"]
    assert comparison["challenger"] < comparison["champion"]
    assert decisions[1].decision == "promoted"


WITHOUT_MINIMUM = replace(COUNT, minimum=None)
LOG = replace(COUNT, minimum=1, log=True)


@pytest.mark.parametrize(("metric", "is_mean"), [("r2", True), ("rmse", True), ("mae", False)])
def test_a_logarithm_is_scaled_to_the_mean_for_metrics_of_squared_errors(
    metric: str, *, is_mean: bool
) -> None:
    use_case = build_use_case(Task.REGRESSION, target=LOG, metric=metric)
    raw = np.random.default_rng(0).normal(2, 0.5, size=1000)
    truth = np.exp(raw + np.random.default_rng(1).normal(0, 0.8, size=1000))
    output = build_calibrated_output(use_case, truth, raw)
    assert (output.scale > 1.1) == is_mean
    if is_mean:
        assert output.transform(raw).outcomes.mean() == pytest.approx(truth.mean(), rel=0.02)


@pytest.mark.parametrize(
    ("objective", "changes", "message"),
    [
        (Poisson(), {"target": WITHOUT_MINIMUM}, "Poisson\\(…\\) needs a target of at least 0; give it"),
        (Tweedie(), {"target": replace(COUNT, minimum=-1)}, "Tweedie\\(…\\) needs a target of at least 0"),
        (Poisson(), {"target": LOG}, "Poisson\\(…\\) fits the logarithm of the mean already; leave out log"),
        (Quantile(level=0.9), {"metric": "mae"}, "metric 'mae': 'pinball' and objective=Quantile"),
        (None, {"metric": "pinball"}, "metric 'pinball': 'pinball' and objective=Quantile"),
        ("poisson", {}, "objective is 'poisson'; it must be Quantile"),
    ],
)  # fmt: skip
def test_an_objective_that_does_not_fit_the_use_case_is_refused(
    objective: Any, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UseCaseError, match=message):
        _build_use_case(objective, **changes)


def test_an_objective_that_a_family_cannot_fit_is_refused() -> None:
    with pytest.raises(
        UseCaseError, match="'model': its family 'ridge' does not fit Poisson; these do: blend"
    ):
        _build_use_case(Poisson(), _build_candidate("ridge"))
    with pytest.raises(UseCaseError, match="objective=Poisson\\(…\\) is for a regression; leave it out"):
        build_use_case(Task.BINARY, _build_candidate("lightgbm"), objective=Poisson())
    with pytest.raises(UseCaseError, match="level is 1; it must be above 0 and below 1"):
        Quantile(level=1)
    with pytest.raises(UseCaseError, match="power is 2; it must be above 1 and below 2"):
        Tweedie(power=2)


@pytest.mark.parametrize(
    ("family", "name", "value"), [("lightgbm", "objective", "mae"), ("lightgbm", "loss", "mae"),
                                  ("xgboost", "quantile_alpha", 0.3)],
)  # fmt: skip
def test_a_candidate_cannot_have_another_objective(family: str, name: str, value: object) -> None:
    candidate = _build_candidate(family, fixed={name: value})
    with pytest.raises(UseCaseError, match=f"the use case's objective sets '{name}'; leave it out"):
        check_parameters(_build_use_case(Quantile(level=0.9), candidate))


@pytest.mark.parametrize("numbers", [-1.0, 0.0])
def test_rows_that_a_log_link_does_not_reach_are_refused(numbers: float) -> None:
    """A period that was published by an earlier definition may have them."""
    rows = _generate_counts(0).with_columns(outcome=pl.lit(numbers))
    manifest = build_manifest(train=ROWS, test=ROWS)
    with pytest.raises(
        TrainingError, match="objective=Poisson\\(…\\) needs numbers of at least 0, some above"
    ):
        check_training_rows(_build_use_case(Poisson()), manifest, rows, rows)

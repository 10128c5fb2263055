"""Champion and challenger on the same rows; gates, rollback, history."""

import json
import math
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from fakes.traffic_plans import MemoryTrafficPlans
from servicio_ml.domain.dataset import Manifest
from servicio_ml.domain.fairness.limits import FairnessLimits
from servicio_ml.domain.metric import METRICS
from servicio_ml.domain.policy import PromotionPolicy
from servicio_ml.domain.promotion import (
    PromotionComparison,
    PromotionDecision,
    SliceResult,
    decide,
    evaluate_gates,
)
from servicio_ml.domain.rollout.ramp import Ramp
from servicio_ml.domain.search import Candidate, Integer
from servicio_ml.domain.use_case import DateSplit, Task
from servicio_ml.errors import ArtifactError, NoSuchModelError, TrainingError
from servicio_ml.features.artifact import load_artifact
from servicio_ml.features.output import Predictions
from servicio_ml.lifecycle.admin_actions import rollback
from servicio_ml.lifecycle.decision_history import list_decisions, list_tenures
from servicio_ml.lifecycle.rollout.actions import begin_decided_rollout, list_rollouts
from servicio_ml.pipeline.promotion.compare import compare, compute_paired_interval
from small_use_case import SCHEMA, build_use_case, generate_rows
from training_fixture import TrainingFixture

pytestmark = pytest.mark.slow

TREE = Candidate(
    name="decision_tree", family="decision_tree", space={"max_depth": Integer(low=3, high=5)},
    start={"max_depth": 4}, max_latency_seconds=1.0,
)  # fmt: skip
USE_CASE = build_use_case(Task.BINARY, TREE)
POLICY = PromotionPolicy(metric="roc_auc", floor=0.8, margin=0.01, max_slice_loss=0.05)
GOOD = PromotionComparison(
    rows=1000, challenger=0.9, champion=0.88, gain=0.02, interval=(0.005, 0.03), calibration_error=0.01,
    latency_seconds=0.001, slices=(SliceResult(field="f", level="x", rows=300, gain=-0.01),),
)  # fmt: skip


def change_comparison(**changes: object) -> PromotionComparison:
    return PromotionComparison(
        **{**{name: getattr(GOOD, name) for name in PromotionComparison.__slots__}, **changes}
    )


def test_a_good_challenger_is_promoted() -> None:
    assert decide(evaluate_gates(POLICY, METRICS["roc_auc"], GOOD))[0] is PromotionDecision.PROMOTED


def test_a_good_challenger_is_rolled_out_where_the_policy_says_so() -> None:
    found = evaluate_gates(POLICY, METRICS["roc_auc"], GOOD)
    _, reason = decide(found)
    assert decide(found, by_rollout=True) == (PromotionDecision.ROLLOUT_STARTED, reason)
    bad = evaluate_gates(POLICY, METRICS["roc_auc"], change_comparison(challenger=0.79))
    assert decide(bad, by_rollout=True)[0] is PromotionDecision.REJECTED


@pytest.mark.parametrize(
    ("changes", "gate"),
    [
        ({"challenger": 0.79}, "floor"),
        ({"challenger": math.nan}, "floor"),
        ({"gain": -0.001}, "not worse"),
        ({"gain": math.nan}, "not worse"),
        ({"interval": (-0.02, 0.05)}, "not worse"),
        ({"interval": (math.nan, math.nan)}, "not worse"),
        ({"interval": None}, "not worse"),
        ({"gain": None}, "not worse"),
        ({"calibration_error": 0.06}, "calibration"),
        ({"calibration_error": math.nan}, "calibration"),
        ({"latency_seconds": 0.1}, "latency"),
        ({"latency_seconds": math.nan}, "latency"),
        ({"slices": (SliceResult(field="f", level="x", rows=300, gain=-0.06),)}, "slices"),
        (
            {
                "slices": (
                    SliceResult(field="f", level="x", rows=9, gain=0.1),
                    SliceResult(field="f", level="y", rows=9, gain=math.nan),
                )
            },
            "slices",
        ),
    ],
    ids=str,
)  # fmt: skip
def test_each_gate_rejects_by_itself(changes: dict[str, object], gate: str) -> None:
    decision, reason = decide(evaluate_gates(POLICY, METRICS["roc_auc"], change_comparison(**changes)))
    assert decision is PromotionDecision.REJECTED
    assert gate in reason
    assert ";" not in reason


def test_an_error_is_judged_the_other_way_round() -> None:
    policy = PromotionPolicy(metric="mae", floor=10.0)
    better = change_comparison(
        challenger=9.0, champion=10.0, gain=METRICS["mae"].compute_gain(9.0, 10.0), calibration_error=None
    )
    assert better.gain == pytest.approx(0.1)
    assert decide(evaluate_gates(policy, METRICS["mae"], better))[0] is PromotionDecision.PROMOTED
    worse = change_comparison(challenger=11.0, champion=None, calibration_error=None)
    assert "floor" in decide(evaluate_gates(policy, METRICS["mae"], worse))[1]


def _score(truth: np.ndarray, noise: float, seed: int) -> Predictions:
    random = np.random.default_rng(seed)
    p = 1 / (1 + np.exp(-(2 * truth - 1 + random.normal(scale=noise, size=len(truth)))))
    return Predictions(outcomes=(p > 0.5).astype(float), probabilities=np.column_stack([1 - p, p]))


def test_the_interval_holds_zero_for_equals_and_not_for_a_better_one() -> None:
    truth = (np.random.default_rng(0).random(1500) < 0.4).astype(float)
    good, equal, bad = _score(truth, 1, 1), _score(truth, 1, 2), _score(truth, 3, 3)
    low, high = compute_paired_interval(METRICS["roc_auc"], truth, good, equal)
    assert low < 0 < high
    low, high = compute_paired_interval(METRICS["roc_auc"], truth, good, bad)
    assert 0 < low < high
    assert compute_paired_interval(METRICS["roc_auc"], truth, good, good) == (0, 0)


def test_one_class_only_has_no_interval() -> None:
    truth = np.ones(50)
    low, high = compute_paired_interval(METRICS["roc_auc"], truth, _score(truth, 1, 1), _score(truth, 1, 2))
    assert math.isnan(low)
    assert math.isnan(high)


def test_the_first_challenger_becomes_champion_and_a_worse_one_does_not(tmp_path: Path) -> None:
    place = TrainingFixture(tmp_path)
    made = place.publish(Task.BINARY, count=600)
    place.train(USE_CASE, made)
    first = place.promote(USE_CASE, made)
    assert (first.decision, first.challenger, first.champion) == (PromotionDecision.PROMOTED, 1, None)
    assert _read_champion(place) == 1

    shuffled = generate_rows(Task.BINARY, 600, 9).with_columns(pl.col("outcome").shuffle(seed=1))
    worse = place.publish(Task.BINARY, seed=9, period="2020-02", count=600, train_rows=shuffled)
    place.train(USE_CASE, worse)
    second = place.promote(USE_CASE, worse)
    assert (second.decision, second.challenger, second.champion) == (PromotionDecision.REJECTED, 2, 1)
    assert _read_champion(place) == 1
    assert second.evidence["comparison"]["rows"] == 600
    (run, _) = place.tracker.find_runs("small", {"step": "promotion"})
    record = json.loads(place.tracker.read_artifact(run.id, "decision.json"))
    assert record["evidence"]["data_digest"] == worse.digest
    assert {gate["name"] for gate in record["evidence"]["gates"]} >= {
        "floor",
        "slices",
        "calibration",
        "latency",
    }


def test_a_policy_with_a_ramp_rolls_out_against_a_champion_only(tmp_path: Path) -> None:
    place, plans = TrainingFixture(tmp_path), MemoryTrafficPlans()
    ramp = Ramp(min_rows=7)
    gradual = replace(USE_CASE, promotion=replace(USE_CASE.promotion, rollout=ramp))
    noisy = generate_rows(Task.BINARY, 600, 9).with_columns(pl.col("outcome").shuffle(seed=1))
    made = place.publish(Task.BINARY, seed=9, count=600, train_rows=noisy)
    lenient = replace(gradual, promotion=replace(gradual.promotion, floor=0, max_calibration_error=1))
    place.train(lenient, made)
    context = replace(
        place.decision_context,
        begin_rollout=lambda record: begin_decided_rollout(plans, record, record.at),
    )
    first = place.promote(lenient, made, context)
    assert (first.decision, plans.load("small")) == (PromotionDecision.PROMOTED, [])

    better = place.publish(Task.BINARY, period="2020-02", count=600)
    place.train(gradual, better)
    second = place.promote(gradual, better, context)
    assert (second.decision, second.challenger, second.champion) == (PromotionDecision.ROLLOUT_STARTED, 2, 1)
    assert second.reason.startswith("floor: ")
    assert _read_champion(place) == 1
    [rollout] = list_rollouts(plans, "small", 9)
    assert (rollout.champion, rollout.challenger, rollout.ramp) == (1, 2, ramp)


def test_a_champion_with_another_schema_is_judged_on_the_same_rows(tmp_path: Path) -> None:
    place = TrainingFixture(tmp_path)
    made = place.publish(Task.BINARY, schema=SCHEMA.drop_fields(["colour"]))
    place.train(USE_CASE, made)
    place.promote(USE_CASE, made)
    wider = place.publish(Task.BINARY, period="2020-02", seed=2)
    place.train(USE_CASE, wider)
    record = place.promote(USE_CASE, wider)
    assert record.champion == 1
    assert record.evidence["comparison"]["rows"] == 400


def test_history_and_rollback(tmp_path: Path) -> None:
    place = TrainingFixture(tmp_path)
    made = place.publish(Task.BINARY)
    for force in (False, True):
        place.train(USE_CASE, made, force=force)
        version = place.registry.resolve("small", "challenger")
        assert version is not None
        if not force:
            place.promote(USE_CASE, made)
    rollback("small", 2, place.decision_context)
    assert _read_champion(place) == 2
    back = rollback("small", None, place.decision_context)
    assert (back.challenger, back.champion) == (1, 2)
    assert _read_champion(place) == 1
    tenures = list_tenures("small", place.tracker)
    assert [each.version for each in tenures] == [1, 2, 1]
    assert tenures[0].until is None
    assert [each.until for each in tenures[1:]] == [each.since for each in tenures[:-1]]
    assert all(each.by == "tester" for each in tenures)
    assert [each.decision for each in list_decisions("small", place.tracker)] == [
        PromotionDecision.ROLLED_BACK, PromotionDecision.ROLLED_BACK, PromotionDecision.PROMOTED,
    ]  # fmt: skip


def test_what_cannot_be_decided_is_said(tmp_path: Path) -> None:
    place = TrainingFixture(tmp_path)
    made = place.publish(Task.BINARY)
    with pytest.raises(NoSuchModelError, match="servicio-ml train small"):
        place.promote(USE_CASE, made)
    with pytest.raises(NoSuchModelError, match="champion"):
        rollback("small", None, place.decision_context)
    place.train(USE_CASE, made)
    place.promote(USE_CASE, made)
    with pytest.raises(TrainingError, match="champion already"):
        place.promote(USE_CASE, made)
    with pytest.raises(NoSuchModelError, match="earlier champion"):
        rollback("small", None, place.decision_context)
    with pytest.raises(NoSuchModelError, match="version 9"):
        rollback("small", 9, place.decision_context)
    with pytest.raises(TrainingError, match="champion already"):
        rollback("small", 1, place.decision_context)


def test_a_decision_that_was_not_carried_out_is_no_history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = TrainingFixture(tmp_path)
    made = place.publish(Task.BINARY)
    place.train(USE_CASE, made)

    def refuse(*_: object) -> None:
        raise OSError("the registry is gone")

    with monkeypatch.context() as patch:
        patch.setattr(place.registry, "set_alias", refuse)
        with pytest.raises(OSError, match="gone"):
            place.promote(USE_CASE, made)
    assert list_tenures("small", place.tracker) == []
    assert place.promote(USE_CASE, made).decision is PromotionDecision.PROMOTED


def test_a_challenger_that_no_longer_answers_its_golden_rows_is_refused(tmp_path: Path) -> None:
    place = TrainingFixture(tmp_path)
    made = place.publish(Task.BINARY)
    place.train(USE_CASE, made)
    golden = next((tmp_path / "models").rglob("golden.json"))
    document = json.loads(golden.read_text())
    document["answers"][0]["probabilities"] = [0.5, 0.5]
    golden.write_text(json.dumps(document))
    with pytest.raises(ArtifactError, match="golden row 0"):
        place.promote(USE_CASE, made)
    assert place.registry.resolve("small", "champion") is None


def test_small_slices_and_slices_of_one_class_are_not_judged(tmp_path: Path) -> None:
    place = TrainingFixture(tmp_path)
    made = place.publish(Task.BINARY)
    place.train(USE_CASE, made)
    model = load_artifact(place.registry.download("small", 1))
    frame = generate_rows(Task.BINARY, 300, 4)
    truth = (frame["outcome"] == "yes").to_numpy().astype(float)
    one_class = np.where(frame["colour"].fill_null("") == "red", 1.0, truth)
    comparison = compare(USE_CASE, frame, one_class, model, model)
    assert {each.level for each in comparison.slices} == {"green", "blue"}
    assert all(each.gain == 0 and each.rows >= 20 for each in comparison.slices)


def test_a_version_beyond_a_limit_of_fairness_is_refused_and_its_rates_are_in_the_record(
    tmp_path: Path,
) -> None:
    place = TrainingFixture(tmp_path)
    limits = FairnessLimits(max_selection_rate_difference=0.0, min_rows=5)
    strict = replace(USE_CASE.promotion, fairness=limits)
    watched = replace(USE_CASE, protected=("colour",), promotion=strict)
    made = place.publish(Task.BINARY)
    place.train(watched, made)
    record = place.promote(watched, made)
    assert record.decision is PromotionDecision.REJECTED
    assert "fairness: not selection rate difference of colour" in record.reason
    groups = {each["group"]: each for each in record.evidence["comparison"]["fairness"]}
    assert {"red", "green", "blue", "missing"} <= groups.keys()
    assert sum(each["rows"] for each in groups.values()) == record.evidence["comparison"]["rows"]
    assert "## Fairness" in place.registry.read("small", 1, "card.md").decode()


def _read_champion(place: TrainingFixture) -> int | None:
    found = place.registry.resolve("small", "champion")
    return found.version if found else None


DATED = build_use_case(Task.BINARY, TREE, split=DateSplit(field="day", folds=2), event_date="day")


def _generate_daily_rows(first: date, days: int, seed: int) -> pl.DataFrame:
    """Rows of as many days, two a day."""
    each = [first + timedelta(days=number // 2) for number in range(2 * days)]
    return generate_rows(Task.BINARY, 2 * days, seed).with_columns(pl.Series("day", each))


def _publish_dated(place: TrainingFixture, period: str, first: date, days: int) -> Manifest:
    made = place.publish(
        Task.BINARY, period=period, seed=days, train_rows=_generate_daily_rows(first, days, 1)
    )
    tests = _generate_daily_rows(first + timedelta(days=days), 100, 2)
    path = place.folder / "later.parquet"
    tests.write_parquet(path)
    place.store.put(made.files["test"], path)
    return made


def test_rows_that_the_champion_was_trained_on_do_not_judge_its_challenger(tmp_path: Path) -> None:
    place = TrainingFixture(tmp_path)
    late = _publish_dated(place, "2020-12", date(2020, 1, 1), 300)
    place.train(DATED, late)
    place.promote(DATED, late)
    champion = place.registry.resolve("small", "champion")
    assert champion is not None
    assert champion.tags["trained_until"] == "2020-10-26"

    # its test rows run from day 250 to day 349, of which the champion has seen those before day 300
    early = _publish_dated(place, "2020-09", date(2020, 1, 1), 250)
    place.train(DATED, early)
    assert place.promote(DATED, early).evidence["comparison"]["rows"] == 100

    # all of its test rows are before day 300
    first = _publish_dated(place, "2020-05", date(2020, 1, 1), 150)
    place.train(DATED, first)
    with pytest.raises(TrainingError, match="200 test rows of 2020-05, 0 are later"):
        place.promote(DATED, first)

"""Champion and challenger on the same rows; gates, rollback, history."""

import json
import math
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from problems import SCHEMA, rows, small
from servicio_ml.domain.dataset import Manifest
from servicio_ml.domain.metric import METRICS
from servicio_ml.domain.policy import PromotionPolicy
from servicio_ml.domain.promotion import Comparison, Decision, Slice, gates, verdict
from servicio_ml.domain.search import Candidate, Integer
from servicio_ml.domain.succession import decisions, history, rollback
from servicio_ml.domain.use_case import DateSplit, Task
from servicio_ml.errors import ArtifactError, NoSuchModelError, TrainingError
from servicio_ml.features.artifact import load_artifact
from servicio_ml.features.output import Predictions
from servicio_ml.pipeline.compare import compare, paired_interval
from servicio_ml.pipeline.promote import promote
from worlds import Place

TREE = Candidate(
    name="decision_tree", family="decision_tree", space={"max_depth": Integer(low=3, high=5)},
    start={"max_depth": 4}, max_latency_seconds=1.0,
)  # fmt: skip
USE_CASE = small(Task.BINARY, TREE)
POLICY = PromotionPolicy(metric="roc_auc", floor=0.8, margin=0.01, max_slice_loss=0.05)
GOOD = Comparison(
    rows=1000, challenger=0.9, champion=0.88, gain=0.02, interval=(0.005, 0.03), calibration_error=0.01,
    latency_seconds=0.001, slices=(Slice(field="f", level="x", rows=300, gain=-0.01),),
)  # fmt: skip


def changed(**parts: object) -> Comparison:
    return Comparison(**{**{name: getattr(GOOD, name) for name in Comparison.__slots__}, **parts})


def test_a_good_challenger_is_promoted() -> None:
    assert verdict(gates(POLICY, METRICS["roc_auc"], GOOD))[0] is Decision.PROMOTED


@pytest.mark.parametrize(
    ("parts", "gate"),
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
        ({"slices": (Slice(field="f", level="x", rows=300, gain=-0.06),)}, "slices"),
        (
            {
                "slices": (
                    Slice(field="f", level="x", rows=9, gain=0.1),
                    Slice(field="f", level="y", rows=9, gain=math.nan),
                )
            },
            "slices",
        ),
    ],
    ids=str,
)  # fmt: skip
def test_each_gate_rejects_by_itself(parts: dict[str, object], gate: str) -> None:
    decision, reason = verdict(gates(POLICY, METRICS["roc_auc"], changed(**parts)))
    assert decision is Decision.REJECTED
    assert gate in reason
    assert ";" not in reason


def test_an_error_is_judged_the_other_way_round() -> None:
    policy = PromotionPolicy(metric="mae", floor=10.0)
    better = changed(
        challenger=9.0, champion=10.0, gain=METRICS["mae"].gain(9.0, 10.0), calibration_error=None
    )
    assert better.gain == pytest.approx(0.1)
    assert verdict(gates(policy, METRICS["mae"], better))[0] is Decision.PROMOTED
    worse = changed(challenger=11.0, champion=None, calibration_error=None)
    assert "floor" in verdict(gates(policy, METRICS["mae"], worse))[1]


def _scored(truth: np.ndarray, noise: float, seed: int) -> Predictions:
    random = np.random.default_rng(seed)
    p = 1 / (1 + np.exp(-(2 * truth - 1 + random.normal(scale=noise, size=len(truth)))))
    return Predictions(outcomes=(p > 0.5).astype(float), probabilities=np.column_stack([1 - p, p]))


def test_the_interval_holds_zero_for_equals_and_not_for_a_better_one() -> None:
    truth = (np.random.default_rng(0).random(1500) < 0.4).astype(float)
    good, equal, bad = _scored(truth, 1, 1), _scored(truth, 1, 2), _scored(truth, 3, 3)
    low, high = paired_interval(METRICS["roc_auc"], truth, good, equal)
    assert low < 0 < high
    low, high = paired_interval(METRICS["roc_auc"], truth, good, bad)
    assert 0 < low < high
    assert paired_interval(METRICS["roc_auc"], truth, good, good) == (0, 0)


def test_one_class_only_has_no_interval() -> None:
    truth = np.ones(50)
    low, high = paired_interval(METRICS["roc_auc"], truth, _scored(truth, 1, 1), _scored(truth, 1, 2))
    assert math.isnan(low)
    assert math.isnan(high)


def test_the_first_challenger_becomes_champion_and_a_worse_one_does_not(tmp_path: Path) -> None:
    place = Place(tmp_path)
    made = place.publish(Task.BINARY, count=600)
    place.train(USE_CASE, made)
    first = promote(USE_CASE, made, place.store, place.court)
    assert (first.decision, first.challenger, first.champion) == (Decision.PROMOTED, 1, None)
    assert _champion(place) == 1

    shuffled = rows(Task.BINARY, 600, 9).with_columns(pl.col("outcome").shuffle(seed=1))
    worse = place.publish(Task.BINARY, seed=9, period="2020-02", count=600, train_rows=shuffled)
    place.train(USE_CASE, worse)
    second = promote(USE_CASE, worse, place.store, place.court)
    assert (second.decision, second.challenger, second.champion) == (Decision.REJECTED, 2, 1)
    assert _champion(place) == 1
    assert second.evidence["comparison"]["rows"] == 600
    (run, _) = place.tracker.runs("small", {"step": "promotion"})
    dossier = json.loads(place.tracker.artifact(run.id, "dossier.json").read_text())
    assert dossier["evidence"]["data_digest"] == worse.digest
    assert {gate["name"] for gate in dossier["evidence"]["gates"]} >= {
        "floor",
        "slices",
        "calibration",
        "latency",
    }


def test_a_champion_with_another_schema_is_judged_on_the_same_rows(tmp_path: Path) -> None:
    place = Place(tmp_path)
    made = place.publish(Task.BINARY, schema=SCHEMA.without(["colour"]))
    place.train(USE_CASE, made)
    promote(USE_CASE, made, place.store, place.court)
    wider = place.publish(Task.BINARY, period="2020-02", seed=2)
    place.train(USE_CASE, wider)
    dossier = promote(USE_CASE, wider, place.store, place.court)
    assert dossier.champion == 1
    assert dossier.evidence["comparison"]["rows"] == 400


def test_history_and_rollback(tmp_path: Path) -> None:
    place = Place(tmp_path)
    made = place.publish(Task.BINARY)
    for force in (False, True):
        place.train(USE_CASE, made, force=force)
        version = place.registry.resolve("small", "challenger")
        assert version is not None
        if not force:
            promote(USE_CASE, made, place.store, place.court)
    rollback("small", 2, place.court)
    assert _champion(place) == 2
    back = rollback("small", None, place.court)
    assert (back.challenger, back.champion) == (1, 2)
    assert _champion(place) == 1
    reigns = history("small", place.tracker)
    assert [each.version for each in reigns] == [1, 2, 1]
    assert reigns[0].until is None
    assert [each.until for each in reigns[1:]] == [each.since for each in reigns[:-1]]
    assert all(each.by == "tester" for each in reigns)
    assert [each.decision for each in decisions("small", place.tracker)] == [
        Decision.ROLLED_BACK, Decision.ROLLED_BACK, Decision.PROMOTED,
    ]  # fmt: skip


def test_what_cannot_be_decided_is_said(tmp_path: Path) -> None:
    place = Place(tmp_path)
    made = place.publish(Task.BINARY)
    with pytest.raises(NoSuchModelError, match="servicio-ml train small"):
        promote(USE_CASE, made, place.store, place.court)
    with pytest.raises(NoSuchModelError, match="champion"):
        rollback("small", None, place.court)
    place.train(USE_CASE, made)
    promote(USE_CASE, made, place.store, place.court)
    with pytest.raises(TrainingError, match="champion already"):
        promote(USE_CASE, made, place.store, place.court)
    with pytest.raises(NoSuchModelError, match="earlier champion"):
        rollback("small", None, place.court)
    with pytest.raises(NoSuchModelError, match="version 9"):
        rollback("small", 9, place.court)
    with pytest.raises(TrainingError, match="champion already"):
        rollback("small", 1, place.court)


def test_a_decision_that_was_not_carried_out_is_no_history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(tmp_path)
    made = place.publish(Task.BINARY)
    place.train(USE_CASE, made)

    def refused(*_: object) -> None:
        raise OSError("the registry is gone")

    with monkeypatch.context() as patch:
        patch.setattr(place.registry, "point", refused)
        with pytest.raises(OSError, match="gone"):
            promote(USE_CASE, made, place.store, place.court)
    assert history("small", place.tracker) == []
    assert promote(USE_CASE, made, place.store, place.court).decision is Decision.PROMOTED


def test_a_challenger_that_no_longer_answers_its_golden_rows_is_refused(tmp_path: Path) -> None:
    place = Place(tmp_path)
    made = place.publish(Task.BINARY)
    place.train(USE_CASE, made)
    golden = next((tmp_path / "models").rglob("golden.json"))
    document = json.loads(golden.read_text())
    document["answers"][0]["probabilities"] = [0.5, 0.5]
    golden.write_text(json.dumps(document))
    with pytest.raises(ArtifactError, match="golden row 0"):
        promote(USE_CASE, made, place.store, place.court)
    assert place.registry.resolve("small", "champion") is None


def test_small_slices_and_slices_of_one_class_are_not_judged(tmp_path: Path) -> None:
    place = Place(tmp_path)
    made = place.publish(Task.BINARY)
    place.train(USE_CASE, made)
    model = load_artifact(place.registry.download("small", 1))
    frame = rows(Task.BINARY, 300, 4)
    truth = (frame["outcome"] == "yes").to_numpy().astype(float)
    one_class = np.where(frame["colour"].fill_null("") == "red", 1.0, truth)
    comparison = compare(USE_CASE, frame, one_class, model, model)
    assert {each.level for each in comparison.slices} == {"green", "blue"}
    assert all(each.gain == 0 and each.rows >= 20 for each in comparison.slices)


def _champion(place: Place) -> int | None:
    found = place.registry.resolve("small", "champion")
    return found.version if found else None


DATED = small(Task.BINARY, TREE, split=DateSplit(field="day", folds=2), event_date="day")


def _by_day(first: date, days: int, seed: int) -> pl.DataFrame:
    """Rows of as many days, two a day."""
    each = [first + timedelta(days=number // 2) for number in range(2 * days)]
    return rows(Task.BINARY, 2 * days, seed).with_columns(pl.Series("day", each))


def _publish_dated(place: Place, period: str, first: date, days: int) -> Manifest:
    made = place.publish(Task.BINARY, period=period, seed=days, train_rows=_by_day(first, days, 1))
    tests = _by_day(first + timedelta(days=days), 100, 2)
    path = place.folder / "later.parquet"
    tests.write_parquet(path)
    place.store.put(made.files["test"], path)
    return made


def test_rows_that_the_champion_learnt_from_do_not_judge_its_challenger(tmp_path: Path) -> None:
    place = Place(tmp_path)
    late = _publish_dated(place, "2020-12", date(2020, 1, 1), 300)
    place.train(DATED, late)
    promote(DATED, late, place.store, place.court)
    champion = place.registry.resolve("small", "champion")
    assert champion is not None
    assert champion.tags["trained_until"] == "2020-10-26"

    # its test rows run from day 250 to day 349, of which the champion has seen those before day 300
    early = _publish_dated(place, "2020-09", date(2020, 1, 1), 250)
    place.train(DATED, early)
    assert promote(DATED, early, place.store, place.court).evidence["comparison"]["rows"] == 100

    # all of its test rows are before day 300
    first = _publish_dated(place, "2020-05", date(2020, 1, 1), 150)
    place.train(DATED, first)
    with pytest.raises(TrainingError, match="200 test rows of 2020-05, 0 are later"):
        promote(DATED, first, place.store, place.court)

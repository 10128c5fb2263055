"""Metrics against values worked out by hand or by scikit-learn."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicio_ml.domain.metric import METRICS
from servicio_ml.domain.use_case import Task
from servicio_ml.features.output import OutputTransform, Predictions
from servicio_ml.pipeline.evaluate import (
    compute_calibration_curve,
    compute_class_metrics,
    compute_metric,
    compute_metrics,
)
from servicio_ml.pipeline.training.calibrate import build_monotone_table, find_best_f1_threshold

TRUTH = np.array([0.0, 0, 1, 1])
PROBABILITY = np.array([0.1, 0.6, 0.4, 0.9])
BINARY = Predictions(
    outcomes=(PROBABILITY >= 0.5).astype(float), probabilities=np.column_stack([1 - PROBABILITY, PROBABILITY])
)
THREE = Predictions(
    outcomes=np.array([0.0, 1, 1]),
    probabilities=np.array([[0.8, 0.1, 0.1], [0.2, 0.6, 0.2], [0.1, 0.5, 0.4]]),
)
NUMBERS = Predictions(outcomes=np.array([1.0, 3.0, 5.0]))


@pytest.mark.parametrize(("level", "expected"), [(0.9, (0.9 + 0.1 + 0.5) / 3), (None, (0.5 + 0.5 + 2.5) / 3)])
def test_the_pinball_loss_weighs_errors_by_the_level(level: float | None, expected: float) -> None:
    """One number is 1 too low, one 1 too high, one 5 too high."""
    numbers = Predictions(outcomes=NUMBERS.outcomes, quantile=level)
    truth = np.array([2.0, 2.0, 0.0])
    assert compute_metric("pinball", truth, numbers) == pytest.approx(expected)
    rows = np.array([2, 0])
    assert compute_metric("pinball", truth[rows], numbers.select(rows)) != pytest.approx(expected)
    assert numbers.select(rows).quantile == level


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("accuracy", 0.5), ("precision", 0.5), ("recall", 0.5), ("f1", 0.5), ("f1_macro", 0.5),
        ("roc_auc", 0.75), ("pr_auc", (1 + 2 / 3) / 2), ("brier", (0.01 + 0.36 + 0.36 + 0.01) / 4),
        ("log_loss", -(math.log(0.9) * 2 + math.log(0.4) * 2) / 4), ("ece", (0.1 + 0.6 + 0.6 + 0.1) / 4),
    ],
)  # fmt: skip
def test_binary_metrics(metric: str, expected: float) -> None:
    assert compute_metric(metric, TRUTH, BINARY) == pytest.approx(expected)


def test_several_classes() -> None:
    truth = np.array([0.0, 1, 2])
    assert compute_metric("accuracy", truth, THREE) == pytest.approx(2 / 3)
    assert compute_metric("f1_macro", truth, THREE) == pytest.approx((1 + 2 / 3 + 0) / 3)
    assert compute_metric("precision_macro", truth, THREE) == pytest.approx((1 + 1 / 2 + 0) / 3)
    assert compute_metric("recall_macro", truth, THREE) == pytest.approx((1 + 1 + 0) / 3)
    assert compute_metric("roc_auc", truth, THREE) == pytest.approx(1.0)


def test_each_class() -> None:
    # the last class has no row and is never predicted
    found = compute_class_metrics(["a", "b", "c", "d"], np.array([0.0, 1, 2]), THREE.outcomes)
    assert [(each.label, each.precision, each.recall, each.f1, each.rows) for each in found] == [
        ("a", 1.0, 1.0, 1.0, 1),
        ("b", 0.5, 1.0, pytest.approx(2 / 3), 1),
        ("c", 0.0, 0.0, 0.0, 1),
        ("d", 0.0, 0.0, 0.0, 0),
    ]


@pytest.mark.parametrize(
    ("metric", "expected"),
    [("mae", 7 / 3), ("rmse", math.sqrt(27 / 3)), ("mape", 0.5), ("r2", 1 - 27 / (8 / 3))],
)
def test_numbers(metric: str, expected: float) -> None:
    assert compute_metric(metric, np.array([2.0, 2.0, 0.0]), NUMBERS) == pytest.approx(expected)


@pytest.mark.parametrize("task", Task)
def test_every_metric_of_a_task_is_there(task: Task) -> None:
    three = np.array([0.0, 1, 2])
    cases = {Task.BINARY: (TRUTH, BINARY), Task.MULTICLASS: (three, THREE), Task.REGRESSION: (three, NUMBERS)}
    assert set(compute_metrics(task, *cases[task])) == {
        name for name, metric in METRICS.items() if task in metric.tasks
    }


@pytest.mark.parametrize("metric", METRICS)
def test_a_weight_of_two_counts_like_two_rows(metric: str) -> None:
    truth, numbers = np.array([0.0, 1, 2, 1, 0]), np.array([0.5, 1.5, 1.0, 2.0, 0.0])
    p = np.array([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.1, 0.2, 0.7], [0.5, 0.4, 0.1], [0.3, 0.6, 0.1]])
    three = Predictions(outcomes=p.argmax(axis=1).astype(float), probabilities=p)
    two = Predictions(
        outcomes=np.array([0.0, 1, 1, 0, 1]), probabilities=np.column_stack([1 - p[:, 1], p[:, 1]])
    )
    cases = {"binary": (np.minimum(truth, 1), two), "multiclass": (truth, three)}
    for task in METRICS[metric].tasks:
        labels, predictions = cases.get(task, (truth, Predictions(outcomes=numbers, quantile=0.8)))
        # twice the weights of 1, 2, 3, 1 and 1 row
        times = np.array([1, 2, 3, 1, 1])
        rows = np.repeat(np.arange(5), times)
        weighted = compute_metric(metric, labels, predictions, 2.0 * times)
        assert weighted == pytest.approx(compute_metric(metric, labels[rows], predictions.select(rows)))
        assert weighted != pytest.approx(compute_metric(metric, labels, predictions), rel=1e-3)


def test_a_weight_of_two_counts_like_two_rows_for_classes_threshold_and_calibration() -> None:
    random = np.random.default_rng(5)
    truth = (random.random(6000) < 0.4).astype(float)
    score = np.clip(0.3 * truth + random.random(6000) * 0.7, 0, 1)
    times = np.where(random.random(6000) < 0.8 - 0.6 * truth, 4, 1)
    rows = np.repeat(np.arange(6000), times)
    assert find_best_f1_threshold(truth, score, times * 0.5) == find_best_f1_threshold(
        truth[rows], score[rows]
    )
    assert find_best_f1_threshold(truth, score, times * 0.5) != find_best_f1_threshold(truth, score)
    weighted = compute_class_metrics(["no", "yes"], truth, (score > 0.5).astype(float), times * 0.5)
    repeated = compute_class_metrics(["no", "yes"], truth[rows], (score[rows] > 0.5).astype(float))
    for one, other in zip(weighted, repeated, strict=True):
        assert (one.precision, one.recall, one.f1) == pytest.approx((other.precision, other.recall, other.f1))
    assert [each.rows for each in weighted] == [int((truth == code).sum()) for code in (0, 1)]
    # the bins of repeated rows have other ends, so that only the mean is about the same
    share = truth[rows].mean()
    weighted_table, plain_table = (
        build_monotone_table(score, truth == 1, each) for each in (times * 0.5, None)
    )
    assert weighted_table(score[rows]).mean() == pytest.approx(share, abs=0.02)
    assert plain_table(score[rows]).mean() > share + 0.05


def test_equal_weights_change_no_calibration() -> None:
    random = np.random.default_rng(6)
    score = random.random(1200)
    positive = random.random(1200) < score
    plain, weighted = (
        build_monotone_table(score, positive),
        build_monotone_table(score, positive, np.full(1200, 7)),
    )
    assert weighted.scores == pytest.approx(plain.scores)
    assert weighted.probabilities == pytest.approx(plain.probabilities)


def test_one_heavy_row_makes_no_certain_probability() -> None:
    """Its bin has hardly more than one row, however much it weighs."""
    score = np.linspace(0, 1, 400)
    weights = np.where(score == score[200], 1000.0, 1.0)
    table = build_monotone_table(score, score == score[200], weights)
    assert 0.3 < max(table(score[190:210])) <= 0.76


def test_a_ranking_of_one_class_is_not_defined() -> None:
    assert math.isnan(compute_metric("roc_auc", np.ones(4), BINARY))
    assert math.isnan(compute_metric("accuracy", np.empty(0), BINARY))


def test_a_certain_error_is_not_infinite() -> None:
    sure = Predictions(outcomes=np.array([0.0]), probabilities=np.array([[1.0, 0.0]]))
    assert compute_metric("log_loss", np.array([1.0]), sure) == pytest.approx(-math.log(1e-7))


@given(st.integers(0, 2**32 - 1), st.floats(0.2, 5))
def test_calibration_is_monotone_and_makes_wrong_probabilities_right(seed: int, power: float) -> None:
    random = np.random.default_rng(seed)
    right = random.uniform(size=4000)
    positive = random.uniform(size=4000) < right
    wrong = right**power
    table = build_monotone_table(wrong, positive)
    assert list(table.scores) == sorted(set(table.scores))
    assert list(table.probabilities) == sorted(set(table.probabilities))
    assert 0 < table.probabilities[0] < table.probabilities[-1] < 1
    error = sum(
        abs(mean - share) * count for mean, share, count in compute_calibration_curve(positive, table(wrong))
    )
    assert error / 4000 < 0.04


def test_calibration_keeps_the_ranking_between_its_ends() -> None:
    random = np.random.default_rng(3)
    raw = random.uniform(size=2000)
    table = build_monotone_table(raw, random.uniform(size=2000) < raw)
    order = np.argsort(raw)
    assert (np.diff(table(raw[order])) > 0).all()


def test_the_threshold_is_the_one_of_the_best_f1() -> None:
    random = np.random.default_rng(4)
    truth = (random.uniform(size=500) < 0.3).astype(float)
    probability = np.clip(0.3 * truth + random.uniform(size=500) * 0.6, 0, 1)
    best = find_best_f1_threshold(truth, probability)
    output = OutputTransform(task="binary", labels=("no", "yes"))

    def compute_f1(threshold: float) -> float:
        cut = OutputTransform(task=output.task, labels=output.labels, threshold=threshold)
        return compute_metric("f1", truth, cut.transform(np.column_stack([1 - probability, probability])))

    assert compute_f1(best) == pytest.approx(max(compute_f1(each) for each in np.unique(probability)))

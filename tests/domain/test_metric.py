"""Metrics: which way is better, and that NaN never passes a gate."""

import math

import pytest

from servicio_ml.domain.metric import METRICS
from servicio_ml.use_cases.catalogue import load_catalogue


def test_a_gain_of_a_score_is_in_its_unit() -> None:
    assert METRICS["roc_auc"].compute_gain(challenger=0.9, champion=0.85) == pytest.approx(0.05)


def test_a_gain_of_an_error_is_a_share_of_the_champions() -> None:
    assert METRICS["mae"].compute_gain(challenger=90.0, champion=100.0) == pytest.approx(0.1)
    assert METRICS["mae"].compute_gain(challenger=110.0, champion=100.0) == pytest.approx(-0.1)


def test_a_gain_over_a_perfect_champion_is_unknown() -> None:
    assert math.isnan(METRICS["mae"].compute_gain(challenger=1.0, champion=0.0))


@pytest.mark.parametrize(
    ("metric", "value", "reached"),
    [
        ("roc_auc", 0.8, True),
        ("roc_auc", 0.79, False),
        ("roc_auc", math.nan, False),
        ("brier", 0.8, True),
        ("brier", 0.81, False),
        ("brier", math.nan, False),
    ],
)
def test_a_floor_is_reached_from_the_better_side_and_never_by_nan(
    metric: str, value: float, *, reached: bool
) -> None:
    assert METRICS[metric].has_reached(value, floor=0.8) is reached


@pytest.mark.parametrize("name", load_catalogue())
def test_every_task_has_metrics_that_read_decisions(name: str) -> None:
    task = load_catalogue()[name].task
    assert any(task in metric.tasks and not metric.ranking for metric in METRICS.values())

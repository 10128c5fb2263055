"""Thompson sampling: probabilities of being the best, and the shares that follow."""

import math
from dataclasses import replace
from random import Random

import pytest

from servicio_ml.domain.experiments.design import Bandit, ExperimentDesign, ExperimentMetric
from servicio_ml.domain.experiments.outcome_sums import OutcomeSums
from servicio_ml.domain.experiments.thompson import (
    compute_bandit_shares,
    compute_best_probabilities,
    needs_change,
)

DESIGN = ExperimentDesign(
    shares={4: 0.3, 5: 0.3}, metric=ExperimentMetric.TRUTH, greater_is_better=True, minimum_effect=0.01,
    bandit=Bandit.THOMPSON, min_share=0.1,
)  # fmt: skip
LOSS = replace(DESIGN, metric=ExperimentMetric.LOSS, greater_is_better=None)


def create_random(seed: int) -> Random:
    return Random(seed)  # noqa: S311  no secret


def count_hits(rows: int, hits: int) -> OutcomeSums:
    return OutcomeSums(rows=rows, total=hits, squares=hits)


def describe_normal(rows: int, mean: float, variance: float) -> OutcomeSums:
    return OutcomeSums(rows=rows, total=rows * mean, squares=rows * mean**2 + (rows - 1) * variance)


def compute_normal_probability(low: float, deviation: float) -> float:
    return 0.5 * (1 + math.erf(low / deviation / math.sqrt(2)))


def test_shares_have_beta_posteriors() -> None:
    """P(p4 > p3) of Beta(9, 3) and Beta(5, 7): .95, by the sum of Miller (2015)."""
    a, b, c, d = 5, 7, 9, 3

    def log_beta(x: float, y: float) -> float:
        return math.lgamma(x) + math.lgamma(y) - math.lgamma(x + y)

    exact = sum(
        math.exp(log_beta(a + i, b + d) - math.log(d + i) - log_beta(1 + i, d) - log_beta(a, b))
        for i in range(c)
    )
    sums = {3: count_hits(10, 4), 4: count_hits(10, 8)}
    found = compute_best_probabilities(DESIGN, sums, create_random(1), is_share=True)
    assert found[4] == pytest.approx(exact, abs=0.01)
    assert sum(found.values()) == pytest.approx(1)


def test_means_have_normal_posteriors_and_the_direction_counts() -> None:
    sums = {3: describe_normal(400, 1.0, 4.0), 4: describe_normal(400, 1.2, 4.0)}
    expected = compute_normal_probability(0.2, math.sqrt(2 * 4 / 400))
    more = compute_best_probabilities(DESIGN, sums, create_random(2), is_share=False)
    less = compute_best_probabilities(LOSS, sums, create_random(2), is_share=False)
    assert more[4] == pytest.approx(expected, abs=0.015)
    assert less[3] == pytest.approx(expected, abs=0.015)


def test_alike_rows_count_less() -> None:
    sums = {3: count_hits(1000, 400), 4: count_hits(1000, 440)}
    alone, alike = (
        compute_best_probabilities(
            replace(DESIGN, design_effect=effect), sums, create_random(3), is_share=True
        )[4]
        for effect in (1.0, 10.0)
    )
    assert 0.5 < alike < alone - 0.1


def test_each_version_keeps_its_minimum_and_the_best_gets_the_rest() -> None:
    sums = {3: count_hits(5000, 1000), 4: count_hits(5000, 3000), 5: count_hits(5000, 1000)}
    assert compute_bandit_shares(DESIGN, 3, sums, create_random(4), is_share=True) == {4: 0.8, 5: 0.1}
    assert compute_bandit_shares(LOSS, 4, sums, create_random(4), is_share=True) == pytest.approx(
        {3: 0.45, 5: 0.45}, abs=0.1
    )


def test_the_shares_wait_for_rows_of_all_versions() -> None:
    sums = {3: count_hits(5000, 1000), 4: count_hits(29, 20), 5: count_hits(500, 100)}
    assert compute_bandit_shares(DESIGN, 3, sums, create_random(5), is_share=True) is None


def test_equal_values_leave_chance() -> None:
    sums = {version: OutcomeSums(rows=50, total=100.0, squares=200.0) for version in (3, 4)}
    found = compute_best_probabilities(DESIGN, sums, create_random(6), is_share=False)
    assert found[3] == pytest.approx(0.5, abs=0.05)


def test_a_small_change_moves_nobody() -> None:
    assert not needs_change({4: 0.3, 5: 0.3}, {4: 0.315, 5: 0.285})
    assert needs_change({4: 0.3, 5: 0.3}, {4: 0.3, 5: 0.27})

"""The benchmark of experiments: populations have the effects that it names, and the bandit finds the best."""

import numpy as np
import pytest
from benchmarks.experiments import (
    BATCH_ROWS,
    BATCHES,
    CHAMPION,
    CURVE,
    DESIGNS,
    POPULATIONS,
    OutcomePopulation,
    build_rates,
    measure_coverage,
    measure_regret,
    run_batches,
)

ROWS = 400_000


@pytest.mark.parametrize("population", POPULATIONS, ids=lambda each: each.name)
def test_the_means_differ_by_the_effects(population: OutcomePopulation) -> None:
    rng = np.random.default_rng(1)
    champion = population.draw(rng, CHAMPION, ROWS, 0.5).mean
    for version, effect in population.effects.items():
        assert population.draw(rng, version, ROWS, 0.5).mean - champion == pytest.approx(effect, abs=0.006)


def test_each_row_is_in_one_batch_and_one_phase() -> None:
    population = build_rates(0.1, {2: 0.1, 3: 0.0})
    states = list(run_batches(population, DESIGNS["Thompson"], 3, draws=50))
    assert [sum(each.rows.values()) for each in states] == [BATCH_ROWS] * BATCHES
    assert states[-1].outcomes.rows == BATCHES * BATCH_ROWS
    assert len(states[-1].outcomes.phases) > 1
    equal = list(run_batches(population, DESIGNS["equal"], 3))
    assert len(equal[-1].outcomes.phases) == 1
    for version in (1, 2, 3):
        assert equal[-1].outcomes.sum_version(version).rows == sum(each.rows[version] for each in equal)


def test_an_interval_that_is_looked_at_often_must_be_made_for_it() -> None:
    found = measure_coverage(POPULATIONS[2], DESIGNS["equal"], 30)
    assert found.ours <= 0.1
    assert found.ordinary > 0.2


def test_a_bandit_loses_less_than_equal_shares() -> None:
    equal, bandit = (measure_regret(0.05, DESIGNS[name], 3) for name in ("equal", "Thompson"))
    for share, regret in zip(CURVE, equal.regrets, strict=True):
        assert regret == pytest.approx(0.05 * 2 / 3 * BATCHES * BATCH_ROWS * share, rel=0.05)
    assert bandit.regrets[-1] < 0.4 * equal.regrets[-1]
    assert bandit.best_share > 0.8
    assert (equal.decided, bandit.decided) == (1, 1)

"""Effects: values by hand, phases, ratios, and verdicts."""

import math
from dataclasses import replace
from random import Random

import pytest

from servicio_ml.domain.experiments.design import ExperimentDesign, ExperimentMetric
from servicio_ml.domain.experiments.effects import (
    ArmVerdict,
    compute_improvement_bounds,
    judge_arms,
    weigh_means,
)
from servicio_ml.domain.experiments.outcome_sums import OutcomeSums, OutcomeTable
from servicio_ml.domain.rollout.sequential import compute_half_width

DESIGN = ExperimentDesign(shares={4: 0.5}, metric=ExperimentMetric.LOSS, minimum_effect=0.1)
TRUTH = replace(DESIGN, metric=ExperimentMetric.TRUTH, greater_is_better=True)


def create_random(seed: int) -> Random:
    return Random(seed)  # noqa: S311  no secret


def sum_values(values: list[float]) -> OutcomeSums:
    sums = OutcomeSums()
    for each in values:
        sums.add(each)
    return sums


def draw_sums(random: Random, mean: float, rows: int, deviation: float = 1.0) -> OutcomeSums:
    return sum_values([random.gauss(mean, deviation) for _ in range(rows)])


def test_one_phase_gives_the_difference_and_the_variance_of_two_means() -> None:
    random = create_random(1)
    arm, control = draw_sums(random, 1.3, 1000, 2.0), draw_sums(random, 1.0, 3000)
    found = weigh_means([arm], [control], is_share=False)
    variances = [sums.deviations / (sums.rows - 1) / sums.rows for sums in (arm, control)]
    assert found.mean - found.champion == pytest.approx(arm.mean - control.mean)
    assert (found.variance + found.champion_variance) / found.weight == pytest.approx(sum(variances))
    low, high = compute_improvement_bounds(TRUTH, found)
    half = compute_half_width(750, 0.025) * math.sqrt(750 * sum(variances))
    assert (low, high) == pytest.approx((arm.mean - control.mean - half, arm.mean - control.mean + half))
    # a smaller loss is better
    assert compute_improvement_bounds(DESIGN, found) == pytest.approx((-high, -low))


def test_more_versions_and_alike_rows_make_intervals_wider() -> None:
    random = create_random(2)
    found = weigh_means([draw_sums(random, 1, 2000)], [draw_sums(random, 1, 2000)], is_share=False)
    designs = [
        TRUTH,
        replace(TRUTH, shares={4: 0.3, 5: 0.3}),
        replace(TRUTH, shares={4: 0.3, 5: 0.3}, design_effect=2.0),
    ]
    bounds = [compute_improvement_bounds(each, found) for each in designs]
    widths = [high - low for low, high in bounds]
    assert widths == sorted(set(widths))


def test_a_trend_while_the_shares_change_is_no_effect() -> None:
    """Values grow by 5 while the shares of the arm fall: pooled means would differ by 3, each phase by .2."""
    random = create_random(3)
    arm = [draw_sums(random, 0.2, 8000), draw_sums(random, 5.2, 2000)]
    control = [draw_sums(random, 0.0, 2000), draw_sums(random, 5.0, 8000)]
    table = OutcomeTable(phases=[{3: b, 4: a} for a, b in zip(arm, control, strict=True)])
    [_, finding] = judge_arms(TRUTH, 3, table, is_share=False)
    pooled = table.sum_version(4).mean - table.sum_version(3).mean
    assert pooled < -2.5
    assert finding.improvement == pytest.approx(0.2, abs=0.05)
    assert finding.low is not None
    assert finding.high is not None
    assert finding.low < 0.2 < finding.high
    assert finding.high - finding.low < 0.2


@pytest.mark.parametrize("scale", [1.0, 1e6])
def test_a_growth_is_bounded_where_the_test_of_its_ratio_is(scale: float) -> None:
    random = create_random(4)
    arm, control = draw_sums(random, 1.2, 4000, 0.5), draw_sums(random, 1.0, 4000, 0.5)
    for sums in (arm, control):
        sums.total, sums.squares = sums.total * scale, sums.squares * scale * scale
    found = weigh_means([arm], [control], is_share=False)
    low, high = compute_improvement_bounds(replace(TRUTH, relative=True), found)
    assert low < arm.mean / control.mean - 1 < high
    width = compute_half_width(found.weight, 0.025)
    for ratio in (1 + low, 1 + high):
        deviation = math.sqrt(found.variance + ratio * ratio * found.champion_variance)
        assert abs(found.mean - ratio * found.champion) == pytest.approx(width * deviation)


def test_a_growth_from_nothing_has_no_bounds() -> None:
    random = create_random(5)
    relative = replace(TRUTH, relative=True)
    table = OutcomeTable(phases=[{3: draw_sums(random, 0, 1000), 4: draw_sums(random, 1, 1000)}])
    [_, finding] = judge_arms(relative, 3, table, is_share=False)
    assert (finding.low, finding.high, finding.verdict) == (None, None, ArmVerdict.OPEN)


def test_shares_without_a_hit_have_an_interval_all_the_same() -> None:
    table = OutcomeTable(phases=[{3: OutcomeSums(rows=500), 4: OutcomeSums(rows=500)}])
    [_, finding] = judge_arms(TRUTH, 3, table, is_share=True)
    assert finding.high is not None
    assert 0.004 < finding.high < 0.02


@pytest.mark.parametrize(
    ("mean", "verdict"),
    [
        (1.3, ArmVerdict.BETTER),
        (1.0, ArmVerdict.WITHIN),
        (0.8, ArmVerdict.WORSE),
        (1.1, ArmVerdict.OPEN),
    ],
)
def test_verdicts(mean: float, verdict: ArmVerdict) -> None:
    random = create_random(6)
    sums = {3: draw_sums(random, 1.0, 40_000), 4: draw_sums(random, mean, 40_000)}
    [champion, finding] = judge_arms(TRUTH, 3, OutcomeTable(phases=[sums]), is_share=False)
    assert finding.verdict is verdict
    assert champion.verdict is None
    assert champion.rows == 40_000


def test_too_few_rows_leave_everything_open() -> None:
    [champion, finding] = judge_arms(TRUTH, 3, OutcomeTable(), is_share=False)
    assert (champion.mean, finding.mean, finding.improvement) == (None, None, None)
    assert finding.verdict is ArmVerdict.OPEN
    random = create_random(7)
    table = OutcomeTable(phases=[{3: draw_sums(random, 0, 10_000), 4: draw_sums(random, 9, 199)}])
    [_, finding] = judge_arms(TRUTH, 3, table, is_share=False)
    assert finding.improvement == pytest.approx(9, abs=0.3)
    assert finding.low is None
    assert finding.verdict is ArmVerdict.OPEN

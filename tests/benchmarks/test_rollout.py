"""Simulated rollouts: what is planted, what a stream sums, and how runs end."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from benchmarks.rollout.__main__ import describe_outcomes
from benchmarks.rollout.contenders import (
    Array,
    Version,
    add_auc_loss,
    build_class_version,
    build_number_version,
)
from benchmarks.rollout.runs import (
    Outcome,
    Setting,
    Traffic,
    build_columns,
    build_sums,
    draw_sums,
    run_rollout,
)
from sklearn.metrics import roc_auc_score

from servicio_ml.domain.rollout.paired_sums import sum_pairs
from servicio_ml.domain.rollout.ramp import Ramp, Undecided
from servicio_ml.domain.rollout.rollout import RolloutState

TRAFFIC = Traffic(rows_per_hour=1000, batch=250, label_hours=24, in_order=True)
ROWS = 4000


def build_truth(rng: np.random.Generator) -> tuple[Array, Array]:
    scores = rng.random(ROWS)
    return scores, (rng.random(ROWS) < scores).astype(float)


def build_numbers(noise: float) -> Version:
    """Answers whose mean absolute error is about 0.8 of the noise."""
    rng = np.random.default_rng(1)
    truth = rng.normal(size=ROWS)
    scores = truth + noise * np.random.default_rng(int(1000 * noise)).normal(size=ROWS)
    return build_number_version(scores, truth, np.full(ROWS, noise))


def build_setting(challenger: Version, champion: Version) -> Setting:
    return Setting(
        pairs=[(challenger, champion)], ramp=Ramp(), traffic=TRAFFIC, design_effect=1.0, failure_rate=0.0,
        slower_rate=0.0,
    )  # fmt: skip


def run(setting: Setting) -> Outcome:
    return run_rollout(setting, [build_columns(*each) for each in setting.pairs], 3)


def test_a_stream_sums_what_both_versions_have_scored() -> None:
    challenger, champion = build_numbers(0.2), build_numbers(0.1)
    columns = build_columns(challenger, champion)
    every_row = islice(draw_sums(np.random.default_rng(2), columns, TRAFFIC, 1.0), ROWS // 250)
    loss, expected, scores = build_sums(list(every_row)[-1])
    for found, name in ((loss, "losses"), (expected, "expected"), (scores, "scores")):
        whole = sum_pairs(zip(getattr(challenger, name), getattr(champion, name), strict=True))
        assert found.rows == ROWS
        assert found.first == pytest.approx(whole.first)
        assert found.products == pytest.approx(whole.products)
    numbers = [
        values[0] for values in islice(draw_sums(np.random.default_rng(2), columns, TRAFFIC, 0.2), 100)
    ]
    assert numbers == sorted(numbers)
    assert numbers[-1] == pytest.approx(100 * 250 * 0.2, rel=0.05)


def test_noise_lowers_the_auc_as_planned() -> None:
    rng = np.random.default_rng(3)
    scores, truth = build_truth(rng)
    planted = add_auc_loss(build_class_version(scores, truth), truth, 0.05, rng)
    assert roc_auc_score(truth, scores) - roc_auc_score(truth, planted.scores) == pytest.approx(
        0.05, abs=1e-3
    )
    # calibrated: what it expects of itself is what comes
    assert planted.expected.mean() == pytest.approx(planted.losses.mean(), rel=0.01)


def test_a_better_version_arrives_and_a_worse_one_is_rolled_back() -> None:
    good, bad = build_numbers(0.1), build_numbers(0.15)
    arrived = run(build_setting(good, bad))
    assert (arrived.state, arrived.has_switched) == (RolloutState.FINISHED, True)
    # no label comes within the first day
    assert 24 < arrived.hours < 72
    worse = replace(build_setting(bad, good), ramp=Ramp(max_expected_loss_growth=1.0))
    back = run(worse)
    assert (back.state, back.breaches, back.has_switched) == (RolloutState.ROLLED_BACK, ("loss",), False)
    assert 24 < back.hours < 72


def test_failures_and_slow_answers_are_rolled_back_before_any_label() -> None:
    setting = build_setting(build_numbers(0.1), build_numbers(0.1))
    failing, slow = replace(setting, failure_rate=0.02), replace(setting, slower_rate=0.95)
    for each, guardrail in ((failing, "failures"), (slow, "latency")):
        back = run(each)
        assert (back.state, back.breaches) == (RolloutState.ROLLED_BACK, (guardrail,))
        assert back.hours < 24


def test_what_is_undecided_ends_or_goes_on() -> None:
    slow = replace(TRAFFIC, rows_per_hour=2.0, batch=2)
    setting = replace(build_setting(build_numbers(0.1), build_numbers(0.1)), traffic=slow)
    assert run(setting).state is RolloutState.ABORTED
    ramp = Ramp(undecided=Undecided.ADVANCE, max_hours=24.0)
    assert run(replace(setting, ramp=ramp)).state is RolloutState.FINISHED


def test_the_cells_of_a_scenario_are_shares_and_medians() -> None:
    states = [RolloutState.FINISHED] * 2 + [RolloutState.ROLLED_BACK, RolloutState.ABORTED]
    outcomes = [
        Outcome(
            state=state, has_switched=state is not RolloutState.ABORTED, hours=float(i), rows=1000 * i,
            breaches=("loss",) if state is RolloutState.ROLLED_BACK else (),
        )
        for i, state in enumerate(states)
    ]  # fmt: skip
    good = describe_outcomes(outcomes, is_good=True)
    assert good == ["4", "25.0%", "25.0%", "50.0%", "25.0%", "0", "500", "loss"]
    assert describe_outcomes(outcomes, is_good=False)[-3:] == ["2", "2,000", "loss"]
    assert describe_outcomes(outcomes[:1], is_good=False)[-3:] == ["–", "–", "–"]

"""Guardrails: what the evidence shows of each, and how it is put to people."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicio_ml.domain.rollout.guardrails import (
    ArmCounts,
    Guardrail,
    GuardrailFinding,
    Verdict,
    judge_guardrails,
)
from servicio_ml.domain.rollout.paired_sums import PairedSums, sum_pairs
from servicio_ml.domain.rollout.ramp import Ramp

RAMP = Ramp(max_loss_growth=0.05)
NUMBER = st.integers(min_value=0, max_value=1000)


def draw_pairs(rows: int, growth: float = 0.0, shift: float = 0.0) -> PairedSums:
    """Draw values of mean 1 and deviation 0.3, the challenger's close to the champion's."""
    rng = np.random.default_rng(8)
    second = rng.normal(1, 0.3, size=rows)
    first = second * (1 + growth) + 0.3 * shift + rng.normal(0, 0.03, size=rows)
    return sum_pairs(zip(first, second, strict=True))


def find(
    guardrail: Guardrail, counts: ArmCounts | None = None, loss: PairedSums | None = None, effect: float = 1.0
) -> GuardrailFinding:
    findings = judge_guardrails(RAMP, loss or PairedSums(), counts or ArmCounts(), effect)
    return next(each for each in findings if each.guardrail is guardrail)


def count_failures(rows: int, failed: int) -> ArmCounts:
    return ArmCounts(rows=rows, failed=failed)


def count_slower(timed: int, slower: int) -> ArmCounts:
    return ArmCounts(timed=timed, slower=slower)


def test_without_rows_everything_is_open() -> None:
    findings = judge_guardrails(RAMP, PairedSums(), ArmCounts())
    assert [each.guardrail for each in findings] == list(Guardrail)
    assert {each.verdict for each in findings} == {Verdict.OPEN}
    assert {each.value for each in findings} == {None}
    assert str(findings[0]) == "loss: nothing measured yet (limit +5.0%)"
    assert str(findings[4]) == "latency: nothing measured yet (limit 50%)"


@pytest.mark.parametrize(
    ("growth", "rows", "verdict"),
    [
        (0.3, 3000, Verdict.BREACHED),
        (0.0, 3000, Verdict.HOLDS),
        (-0.3, 3000, Verdict.HOLDS),
        (0.05, 3000, Verdict.OPEN),
        (0.3, 199, Verdict.OPEN),
        (0.0, 199, Verdict.OPEN),
    ],
)
def test_the_growth_of_a_loss_is_compared_with_its_limit(growth: float, rows: int, verdict: Verdict) -> None:
    assert find(Guardrail.LOSS, loss=draw_pairs(rows, growth)).verdict is verdict


def test_the_expected_loss_has_a_limit_of_its_own() -> None:
    counts = ArmCounts(expected_loss=draw_pairs(3000, 0.07))
    assert find(Guardrail.EXPECTED_LOSS, counts).verdict is Verdict.HOLDS
    assert find(Guardrail.LOSS, loss=draw_pairs(3000, 0.07)).verdict is Verdict.BREACHED
    assert find(Guardrail.EXPECTED_LOSS, ArmCounts(expected_loss=draw_pairs(3000, 0.2))).verdict is (
        Verdict.BREACHED
    )


@pytest.mark.parametrize(
    ("shift", "verdict"),
    [(0.0, Verdict.HOLDS), (0.2, Verdict.BREACHED), (-0.2, Verdict.BREACHED), (0.1, Verdict.OPEN)],
)
def test_a_score_may_shift_to_neither_side(shift: float, verdict: Verdict) -> None:
    finding = find(Guardrail.SHIFT, ArmCounts(scores=(draw_pairs(3000, shift=shift),)))
    assert finding.verdict is verdict
    assert finding.value == pytest.approx(shift, abs=0.01)


def test_the_worst_of_several_scores_counts() -> None:
    steady, moved = draw_pairs(3000), draw_pairs(3000, shift=-0.3)
    finding = find(Guardrail.SHIFT, ArmCounts(scores=(steady, moved, steady)))
    assert finding.verdict is Verdict.BREACHED
    assert finding.value == pytest.approx(-0.3, abs=0.01)
    one_row = ArmCounts(scores=(steady, sum_pairs([(1.0, 1.0)])))
    assert find(Guardrail.SHIFT, one_row).verdict is Verdict.OPEN


def test_a_champion_of_one_score_can_be_replaced() -> None:
    """Its own deviation is 0, and no mean equals another exactly."""
    rng = np.random.default_rng(9)
    scores = sum_pairs((value, 0.3) for value in rng.normal(0.301, 0.1, size=5000))
    assert find(Guardrail.SHIFT, ArmCounts(scores=(scores,))).verdict is Verdict.HOLDS
    equal = sum_pairs([(0.3, 0.3)] * 5000)
    assert find(Guardrail.SHIFT, ArmCounts(scores=(equal,))).verdict is Verdict.HOLDS
    other = sum_pairs([(0.4, 0.3)] * 5000)
    assert find(Guardrail.SHIFT, ArmCounts(scores=(other,))).verdict is Verdict.BREACHED
    nothing = sum_pairs([(0.0, 0.0)] * 5000)
    finding = find(Guardrail.SHIFT, ArmCounts(scores=(nothing,)))
    assert (finding.verdict, finding.value) == (Verdict.HOLDS, None)


@pytest.mark.parametrize(
    ("count", "guardrail", "trials", "hits", "verdict"),
    [
        (count_failures, Guardrail.FAILURES, 1000, 0, Verdict.HOLDS),
        (count_failures, Guardrail.FAILURES, 500, 0, Verdict.OPEN),
        (count_failures, Guardrail.FAILURES, 1000, 20, Verdict.BREACHED),
        (count_failures, Guardrail.FAILURES, 1000, 5, Verdict.OPEN),
        (count_failures, Guardrail.FAILURES, 5, 5, Verdict.BREACHED),
        (count_slower, Guardrail.LATENCY, 10, 0, Verdict.HOLDS),
        (count_slower, Guardrail.LATENCY, 20, 20, Verdict.BREACHED),
        (count_slower, Guardrail.LATENCY, 100, 50, Verdict.OPEN),
        (count_slower, Guardrail.LATENCY, 3, 3, Verdict.OPEN),
    ],
)
def test_rates_are_compared_with_their_limits(
    count: Callable[[int, int], ArmCounts], guardrail: Guardrail, trials: int, hits: int, verdict: Verdict
) -> None:
    finding = find(guardrail, count(trials, hits))
    assert (finding.verdict, finding.rows) == (verdict, trials)
    assert finding.value == pytest.approx(hits / trials)


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_a_challenger_that_answers_no_number_is_in_breach(broken: float) -> None:
    sums = sum_pairs([(0.5, 0.5)] * 300 + [(broken, 0.5)])
    findings = judge_guardrails(RAMP, sums, ArmCounts(expected_loss=sums, scores=(sums,)))
    assert [(each.verdict, each.value) for each in findings[:3]] == [(Verdict.BREACHED, None)] * 3
    assert str(findings[0]) == "loss: no finite value (limit +5.0%) on 301 rows"


def test_scores_without_a_finite_deviation_are_open() -> None:
    huge = sum_pairs([(1e200, 1.0)] * 500)
    beside_nothing = PairedSums(rows=500, first=1.0, second=math.nan, second_squares=math.nan)
    for sums in (huge, beside_nothing):
        finding = find(Guardrail.SHIFT, ArmCounts(scores=(sums,)))
        assert finding.verdict is Verdict.OPEN


def test_correlated_rows_are_weaker_evidence() -> None:
    breach = draw_pairs(600, 0.1)
    assert find(Guardrail.LOSS, loss=breach).verdict is Verdict.BREACHED
    assert find(Guardrail.LOSS, loss=breach, effect=150.0).verdict is Verdict.OPEN


def test_the_error_rate_is_divided_among_the_guardrails_for_a_breach_only() -> None:
    """A loss that one test alone would call a breach is open among five; to hold, all five must."""
    loss = next(
        each
        for growth in np.arange(0.05, 0.08, 0.0002)
        if (each := draw_pairs(2000, float(growth))).compute_bounds(1.05, 0.05, 0.05)[0] > 0
    )
    assert find(Guardrail.LOSS, loss=loss).verdict is Verdict.OPEN
    holding = next(
        each
        for growth in np.arange(0.05, 0.02, -0.0002)
        if (each := draw_pairs(2000, float(growth))).compute_bounds(1.05, 0.05, 0.05)[1] <= 0
    )
    assert find(Guardrail.LOSS, loss=holding).verdict is Verdict.HOLDS


@pytest.mark.parametrize(
    ("finding", "text"),
    [
        ((Guardrail.LOSS, 12_345, 0.0712, 0.05), "loss: +7.1% (limit +5.0%) on 12,345 rows"),
        ((Guardrail.EXPECTED_LOSS, 900, -0.2, 0.1), "expected loss: -20.0% (limit +10.0%) on 900 rows"),
        (
            (Guardrail.SHIFT, 900, -0.25, 0.1),
            "shift: -0.250 standard deviations (limit +0.100) on 900 rows",
        ),
        ((Guardrail.FAILURES, 900, 0.0211, 0.005), "failures: 2.11% (limit 0.50%) on 900 rows"),
        (
            (Guardrail.LATENCY, 1200, 0.75, 0.5),
            "latency: slower than its limit in 75% of 1,200 timed trials (limit 50%)",
        ),
    ],
    ids=[each.value for each in Guardrail],
)
def test_a_finding_is_one_sentence(finding: tuple[Guardrail, int, float, float], text: str) -> None:
    guardrail, rows, value, limit = finding
    shown = GuardrailFinding(
        guardrail=guardrail, verdict=Verdict.BREACHED, rows=rows, value=value, limit=limit
    )
    assert str(shown) == text


@given(st.lists(st.tuples(NUMBER, NUMBER, NUMBER, NUMBER, st.integers(0, 3)), min_size=1, max_size=5))
def test_the_counts_of_servers_are_added(parts: list[tuple[int, int, int, int, int]]) -> None:
    counts = [
        ArmCounts(
            rows=a, failed=b, timed=c, slower=d, expected_loss=PairedSums(rows=a),
            scores=tuple(PairedSums(rows=a, first=float(i)) for i in range(number)),
        )
        for a, b, c, d, number in parts
    ]  # fmt: skip
    total = sum(counts, start=ArmCounts())
    assert total == sum(reversed(counts), start=ArmCounts())
    assert total.rows == total.expected_loss.rows == sum(each.rows for each in counts)
    assert (total.failed, total.timed) == (sum(p[1] for p in parts), sum(p[2] for p in parts))
    assert len(total.scores) == max(p[4] for p in parts)


def test_a_tighter_error_rate_needs_more_evidence() -> None:
    loss = draw_pairs(600, 0.06)
    strict = replace(RAMP, error_rate=1e-30)
    assert judge_guardrails(RAMP, loss, ArmCounts())[0].verdict is Verdict.BREACHED
    assert judge_guardrails(strict, loss, ArmCounts())[0].verdict is Verdict.OPEN

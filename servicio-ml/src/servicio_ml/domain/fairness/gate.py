"""The gate of a promotion on the rates of groups."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from servicio_ml.domain.fairness.group_rates import GroupRates, compute_difference, compute_rate_ratio
from servicio_ml.domain.fairness.limits import CALIBRATION, FairnessLimits

MIN_GROUPS = 2
NAMES = {"selection_rate": "selection rate", "tpr": "true positive rate", "fpr": "false positive rate"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FairnessFinding:
    """One judged figure of a protected attribute."""

    passed: bool
    detail: str


def judge_fairness(limits: FairnessLimits, rates: Sequence[GroupRates]) -> tuple[bool, str]:
    """Judge the rates of all protected attributes; a rate of NaN fails.

    Args:
        limits: Limits, at least one of them.
        rates: Rates of all groups, those of an attribute together.

    Returns:
        Whether every figure is within its limit, and the figures: all of them, or those that are not.
    """
    found = [
        finding
        for _, groups in groupby(rates, lambda each: each.field)
        for finding in _judge_attribute(limits, list(groups))
    ]
    failed = [each for each in found if not each.passed]
    return not failed, "; ".join(each.detail for each in failed or found)


def _judge_attribute(limits: FairnessLimits, groups: Sequence[GroupRates]) -> Iterator[FairnessFinding]:
    for rate, limit in limits.differences.items():
        yield _judge_rate(limits, groups, rate, limit, is_ratio=False)
    for rate, limit in limits.ratios.items():
        yield _judge_rate(limits, groups, rate, limit, is_ratio=True)
    if limits.max_calibration_error is not None:
        yield from _judge_calibration(limits, limits.max_calibration_error, groups)


def _judge_rate(
    limits: FairnessLimits, groups: Sequence[GroupRates], rate: str, limit: float, *, is_ratio: bool
) -> FairnessFinding:
    large, left_out = _split_by_rows(limits, groups, rate)
    name = f"{NAMES[rate]} {'ratio' if is_ratio else 'difference'} of {groups[0].field}"
    if len(large) < MIN_GROUPS:
        return FairnessFinding(passed=True, detail=f"{name} not judged{left_out}")
    low, high = (
        f"{each.group} {each.get_rate(rate):.3f}"
        for each in sorted(large, key=lambda each: each.get_rate(rate))[:: len(large) - 1]
    )
    if is_ratio:
        value, sign = compute_rate_ratio(rate, large), ">="
        passed = value >= limit
    else:
        value, sign = compute_difference(rate, large), "<="
        passed = value <= limit
    detail = f"{name} {value:.3f} {sign} {limit:g} ({low}, {high}){left_out}"
    return FairnessFinding(passed=passed, detail=detail)


def _judge_calibration(
    limits: FairnessLimits, limit: float, groups: Sequence[GroupRates]
) -> Iterator[FairnessFinding]:
    large, left_out = _split_by_rows(limits, groups, CALIBRATION)
    name = f"calibration error of {groups[0].field}"
    if not large:
        yield FairnessFinding(passed=True, detail=f"{name} not judged{left_out}")
        return
    # NaN first, so that an undefined error is the worst
    worst = max(
        large, key=lambda each: (each.calibration_error != each.calibration_error, each.calibration_error)
    )
    yield FairnessFinding(
        passed=worst.calibration_error <= limit,
        detail=f"{name} {worst.calibration_error:.3f} <= {limit:g} ({worst.group}){left_out}",
    )


def _split_by_rows(
    limits: FairnessLimits, groups: Sequence[GroupRates], rate: str
) -> tuple[list[GroupRates], str]:
    """Split off the groups that are large enough for a rate, and describe the others that have rows."""
    large = [each for each in groups if each.count_rows(rate) >= limits.min_rows]
    small = [f"{each.group} {each.count_rows(rate)}" for each in groups if each.rows and each not in large]
    return large, f", too few rows of {', '.join(small)}" if small else ""

"""The gate on the rates of groups: limits, groups with few rows, undefined rates."""

import math
from dataclasses import replace

import pytest

from servicio_ml.domain.fairness.gate import judge_fairness
from servicio_ml.domain.fairness.group_rates import GroupRates
from servicio_ml.domain.fairness.limits import FairnessLimits
from servicio_ml.domain.metric import METRICS
from servicio_ml.domain.policy import PromotionPolicy
from servicio_ml.domain.promotion import PromotionComparison, PromotionDecision, decide, evaluate_gates
from servicio_ml.errors import UseCaseError

FEMALE = GroupRates(
    field="sex", group="female", rows=500, positives=200, selection_rate=0.3, tpr=0.8, fpr=0.1,
    calibration_error=0.02,
)  # fmt: skip
MALE = replace(FEMALE, group="male", selection_rate=0.5, tpr=0.85, fpr=0.2, calibration_error=0.05)
FEW = replace(FEMALE, group="other", rows=20, positives=5, selection_rate=1.0, tpr=1.0, fpr=1.0)
GROUPS = (FEMALE, MALE, FEW)


@pytest.mark.parametrize(
    ("limits", "passed", "detail"),
    [
        (
            {"max_selection_rate_difference": 0.15},
            False,
            "selection rate difference of sex 0.200 <= 0.15 (female 0.300, male 0.500), too few rows",
        ),
        ({"max_selection_rate_difference": 0.2001}, True, "selection rate difference of sex 0.200 <= 0.2001"),
        ({"min_selection_rate_ratio": 0.8}, False, "selection rate ratio of sex 0.600 >= 0.8 (female 0.300"),
        ({"max_tpr_difference": 0.1}, True, "true positive rate difference of sex 0.050 <= 0.1"),
        ({"min_tpr_ratio": 0.95}, False, "true positive rate ratio of sex 0.941 >= 0.95"),
        ({"max_fpr_difference": 0.05}, False, "false positive rate difference of sex 0.100 <= 0.05"),
        ({"min_fpr_ratio": 0.5}, True, "false positive rate ratio of sex 0.500 >= 0.5"),
        ({"max_calibration_error": 0.04}, False, "calibration error of sex 0.050 <= 0.04 (male)"),
        (
            {"max_tpr_difference": 0.01, "min_rows": 300},
            True,
            "true positive rate difference of sex not judged, too few rows of female 200, male 200, other 5",
        ),
    ],
)
def test_each_limit_is_judged_on_the_groups_with_enough_rows(
    limits: dict[str, float],
    passed: bool,  # noqa: FBT001  a parameter of the test
    detail: str,
) -> None:
    found, text = judge_fairness(FairnessLimits(**limits), GROUPS)  # type: ignore[arg-type]  # by name
    assert found is passed
    assert text.startswith(detail)


@pytest.mark.parametrize("limit", ["max_tpr_difference", "min_tpr_ratio", "max_calibration_error"])
def test_an_undefined_rate_fails(limit: str) -> None:
    undefined = replace(MALE, tpr=math.nan, calibration_error=math.nan)
    for groups in ((FEMALE, undefined), (undefined, FEMALE)):
        passed, _ = judge_fairness(FairnessLimits(**{limit: 0.5}), groups)  # type: ignore[arg-type]  # by name
        assert not passed


def test_rates_of_zero_everywhere_have_a_ratio_of_one() -> None:
    never = replace(MALE, fpr=0.0)
    assert judge_fairness(FairnessLimits(min_fpr_ratio=1.0), (never, replace(never, group="x")))[0]


def test_a_refusal_names_the_group_the_figure_and_the_limit() -> None:
    policy = PromotionPolicy(
        metric="roc_auc", floor=0.5, fairness=FairnessLimits(max_selection_rate_difference=0.1)
    )
    comparison = PromotionComparison(rows=1000, challenger=0.9, latency_seconds=0.001, fairness=GROUPS)
    decision, reason = decide(evaluate_gates(policy, METRICS["roc_auc"], comparison))
    assert decision is PromotionDecision.REJECTED
    assert reason == (
        "fairness: not selection rate difference of sex 0.200 <= 0.1 (female 0.300, male 0.500), "
        "too few rows of other 20"
    )
    without = replace(policy, fairness=None)
    assert decide(evaluate_gates(without, METRICS["roc_auc"], comparison))[0] is PromotionDecision.PROMOTED


def test_a_version_that_is_older_than_the_attribute_is_refused() -> None:
    policy = PromotionPolicy(metric="roc_auc", floor=0.5, fairness=FairnessLimits(max_tpr_difference=0.1))
    comparison = PromotionComparison(rows=9, challenger=0.9, latency_seconds=0.001, unmeasured=("sex",))
    decision, reason = decide(evaluate_gates(policy, METRICS["roc_auc"], comparison))
    assert decision is PromotionDecision.REJECTED
    assert "fairness: not measured for sex, which is newer than the version; train" in reason


def test_a_limit_is_a_share() -> None:
    with pytest.raises(UseCaseError, match=r"max_tpr_difference is 1\.5"):
        FairnessLimits(max_tpr_difference=1.5)

"""Rates of groups at promotion: equal to fairlearn's on the same rows, also weighted."""

from typing import Any

import numpy as np
import pytest
from fairlearn.metrics import MetricFrame, false_positive_rate, selection_rate, true_positive_rate

from servicio_ml.domain.fairness.group_rates import compute_difference, compute_rate_ratio
from servicio_ml.domain.fairness.limits import RATES
from servicio_ml.features.output import Predictions
from servicio_ml.features.performance.group_rates import compute_group_rates
from servicio_ml.features.performance.segments import SegmentProfile

ROWS = 4000
VALUES = ("female", "male", "other", "missing")
SEX = SegmentProfile(field="sex", column=0, values=VALUES, codes=(0, 1), cells=True)
AGE = SegmentProfile(field="age", column=1, values=("< 40", "40 to 60", ">= 60", "missing"), edges=(40, 60))
METRICS = {"selection_rate": selection_rate, "tpr": true_positive_rate, "fpr": false_positive_rate}


@pytest.fixture(scope="module")
def rows() -> dict[str, Any]:
    """Rows of two attributes, with gaps and another level, whose answers depend on both."""
    random = np.random.default_rng(3)
    sex, age = random.choice([0.0, 1.0, 2.0], ROWS, p=[0.3, 0.6, 0.1]), random.normal(50, 12, ROWS)
    matrix = np.column_stack([sex, age]).astype(np.float32)
    matrix[random.random(matrix.shape) < 0.05] = np.nan
    truth = (random.random(ROWS) < 0.3 + 0.2 * (sex == 1)).astype(float)
    positive = np.clip(0.3 * truth + 0.1 * (sex == 1) + 0.5 * random.random(ROWS), 0, 1)
    answers = Predictions(
        outcomes=(positive > 0.45).astype(float), probabilities=np.column_stack([1 - positive, positive])
    )
    return {"matrix": matrix, "truth": truth, "answers": answers, "weights": random.random(ROWS) + 0.5}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("profile", [SEX, AGE], ids=["levels", "ranges"])
def test_rates_differences_and_ratios_are_those_of_fairlearn(
    rows: dict[str, Any],
    profile: SegmentProfile,
    weighted: bool,  # noqa: FBT001  a parameter of the test
) -> None:
    weights = rows["weights"] if weighted else None
    found = compute_group_rates([profile], rows["matrix"], rows["truth"], rows["answers"], weights)
    groups = np.array(profile.values)[profile.assign(rows["matrix"])]
    frame = MetricFrame(
        metrics=METRICS, y_true=rows["truth"], y_pred=rows["answers"].outcomes, sensitive_features=groups,
        sample_params={name: {"sample_weight": weights} for name in METRICS} if weighted else None,
    )  # fmt: skip
    assert {each.group for each in found} == {*groups}
    for rate in RATES:
        mine = {each.group: each.get_rate(rate) for each in found}
        assert mine == pytest.approx(frame.by_group[rate].to_dict())
        assert compute_difference(rate, found) == pytest.approx(frame.difference()[rate])
        assert compute_rate_ratio(rate, found) == pytest.approx(frame.ratio()[rate])


def test_rows_positives_and_the_calibration_of_a_group(rows: dict[str, Any]) -> None:
    found = compute_group_rates([SEX], rows["matrix"], rows["truth"], rows["answers"], None)
    mask = rows["matrix"][:, 0] == 1
    [male] = [each for each in found if each.group == "male"]
    assert (male.rows, male.positives) == (mask.sum(), (rows["truth"][mask] == 1).sum())
    expected = rows["answers"].probabilities[mask, 1].mean() - rows["truth"][mask].mean()
    assert male.calibration_error == pytest.approx(abs(expected))


def test_a_group_without_rows_is_left_out_and_one_without_positives_has_no_rate() -> None:
    matrix, answers = np.array([[0.0], [0.0]]), np.array([0.0, 1.0])
    given = Predictions(outcomes=answers, probabilities=np.column_stack([1 - answers, answers]))
    [female] = compute_group_rates([SEX], matrix, np.zeros(2), given, None)
    assert (female.group, female.selection_rate, female.fpr) == ("female", 0.5, 0.5)
    assert np.isnan(female.tpr)

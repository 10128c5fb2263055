"""Rules of a draft that depend on the number of rows: the test's share and the conditions of a promotion."""

from math import sqrt

from servicio_ml.domain.metric import METRICS
from servicio_ml.domain.policy import PromotionPolicy

TEST_SHARE, TEST_ROWS = 0.2, 60
"""Usual share of the test rows, and their minimum number: twice what a comparison of models needs."""
MARGIN, CALIBRATION_ERROR = 0.005, 0.05


def choose_test_share(rows: float) -> float:
    return max(TEST_SHARE, min(0.5, round(TEST_ROWS / rows, 2)))


def build_promotion(metric: str, dummy: float, quick: float, test_rows: float) -> PromotionPolicy:
    """Build a promotion policy whose floor is halfway between a guess and a quick model.

    Args:
        metric: Metric of the use case.
        dummy: Its value for a guess without any column.
        quick: Its value for a quick model.
        test_rows: Expected number of test rows: with few of them, limits are as wide as chance is.
    """
    floor = round(dummy + max(0.0, quick - dummy) / 2, 2)
    has_probabilities = "regression" not in METRICS[metric].tasks
    calibration_error = min(0.3, round(2 / sqrt(test_rows), 2)) if has_probabilities else CALIBRATION_ERROR
    return PromotionPolicy(
        metric=metric,
        floor=floor,
        margin=max(MARGIN, round(0.25 / sqrt(test_rows), 3)),
        max_calibration_error=max(CALIBRATION_ERROR, calibration_error),
    )

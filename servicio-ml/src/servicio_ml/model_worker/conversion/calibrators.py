"""Isotonic calibration of a classifier of two classes, which skl2onnx writes as steps instead of lines."""

from typing import Any

import numpy as np

from ..errors import UnconvertibleError
from .graph import Graph

LOGISTIC = {
    "LogisticRegression", "GradientBoostingClassifier", "HistGradientBoostingClassifier", "LGBMClassifier",
}  # fmt: skip
"""Classifiers whose probability is the logistic function of their decision."""


def calibrate_isotonic(calibrator: Any, estimator: Any, scores: str, graph: Graph) -> str:
    """Add an isotonic calibration; return the tensor of both probabilities.

    Args:
        calibrator: Fitted `IsotonicRegression`.
        estimator: The classifier that it calibrates.
        scores: Its probabilities in float64, `[n, 2]`.
        graph: Graph to add it to.
    """
    value = graph.select_columns(scores, [1])
    if hasattr(estimator, "decision_function"):
        if type(estimator).__name__ not in LOGISTIC:
            raise UnconvertibleError(
                f"the decision of a {type(estimator).__name__} is not in its probability"
            )
        # the calibration was fitted on the decision: the logarithm of the odds
        value = graph.add("Log", graph.add("Div", value, graph.select_columns(scores, [0])))
    positive = _add_lines(value, calibrator.X_thresholds_, calibrator.y_thresholds_, graph)
    one = graph.add_constant(np.float64(1))
    return graph.join([graph.add("Sub", one, positive), positive])


def _add_lines(value: str, points: Any, levels: Any, graph: Graph) -> str:
    """Add a piecewise linear function of `[n, 1]`, constant beyond its outer points."""
    points, levels = np.asarray(points, dtype=np.float64), np.asarray(levels, dtype=np.float64)
    bounded = graph.add("Clip", value, graph.add_constant(points[0]), graph.add_constant(points[-1]))
    count = graph.count_reached(bounded, points)
    # the last point belongs to the last line
    last = graph.add_constant(np.float64(max(len(points) - 2, 0)))
    line = graph.add("Min", graph.add("Sub", count, graph.add_constant(np.float64(1))), last)
    ends = np.minimum(np.arange(len(points)) + 1, len(points) - 1)
    widths = points[ends] - points
    slopes = np.divide(levels[ends] - levels, widths, out=np.zeros_like(widths), where=widths > 0)
    start, level, slope = (
        graph.take_rows(line, column.reshape(-1, 1), nullable=False) for column in (points, levels, slopes)
    )
    return graph.add("Add", level, graph.add("Mul", slope, graph.add("Sub", bounded, start)))

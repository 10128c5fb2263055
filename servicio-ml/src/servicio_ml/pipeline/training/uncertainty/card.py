"""The lines of a model card about the uncertainty of the model's answers."""

import numpy as np

from servicio_ml.features.output import Predictions
from servicio_ml.features.uncertainty.levels import DEFAULT_LEVEL, MAX_LEVEL
from servicio_ml.features.uncertainty.uncertainty import (
    LABEL_SET,
    LOWER,
    UPPER,
    UncertaintyColumns,
    mark_covered,
)
from servicio_ml.pipeline.training.dataset import Holdout
from servicio_ml.pipeline.training.uncertainty.build import MIN_ROWS
from servicio_ml.pipeline.training.uncertainty.built import BuiltUncertainty

UNCERTAINTY_HEADING = "Uncertainty of its answers"
"""Heading of the section in a model card."""
NOT_CALIBRATED = (
    "Not calibrated, so that requests for an interval are refused: that takes a model which is no process of"
    f" its own, and {MIN_ROWS} rows with a truth that it had not seen."
)


def describe_uncertainty(
    built: BuiltUncertainty | None,
    test: Holdout | None,
    predictions: Predictions | None,
    rows: str = "rows that the calibrated models had not seen",
) -> list[str]:
    """Describe how the intervals or sets of a model were calibrated, and how they do on the holdout.

    Args:
        built: The uncertainty; None where it was not calibrated.
        test: The holdout; None without ground truth.
        predictions: Answers to it; None without one.
        rows: What the calibration rows are.
    """
    if built is None:
        return [NOT_CALIBRATED]
    table, groups = built.uncertainty.table, built.uncertainty.groups
    parts = f", by the level of `{groups.field}`" if groups.field else ""
    lines = [f"- Calibrated on {built.rows} {rows}{parts}."]
    if table.max_level < MAX_LEVEL:
        lines.append(f"- Levels above {table.max_level:g} are refused: there are too few rows for them.")
    if test is None or predictions is None or table.max_level < DEFAULT_LEVEL:
        return lines
    columns = built.uncertainty.compute_columns(test.matrix, predictions, DEFAULT_LEVEL)
    share = float(np.mean(mark_covered(columns, test.truth)))
    covered = f"{share:.1%} of the holdout's truths are covered, {_describe_size(columns)}"
    return [*lines, f"- At a level of {DEFAULT_LEVEL:.0%}, {covered}."]


def _describe_size(columns: UncertaintyColumns) -> str:
    if LOWER in columns:
        return f"mean width {float(np.mean(columns[UPPER] - columns[LOWER])):.4g}"
    return f"{float(columns[LABEL_SET].sum(axis=1).mean()):.2f} labels in a set on average"

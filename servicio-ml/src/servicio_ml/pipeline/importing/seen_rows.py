"""Whether an imported model has seen the rows that its uncertainty is calibrated on."""

from math import sqrt

import numpy as np

from servicio_ml.domain.policy import MIN_DEVIATIONS
from servicio_ml.features.output import Predictions
from servicio_ml.features.uncertainty.levels import DEFAULT_LEVEL
from servicio_ml.features.uncertainty.uncertainty import mark_covered
from servicio_ml.pipeline.training.dataset import Holdout
from servicio_ml.pipeline.training.uncertainty.built import BuiltUncertainty

MIN_DIFFERENCE = 0.02
"""Minimum difference of both coverages; a smaller one changes nothing for anybody."""


def describe_seen_rows(
    built: BuiltUncertainty, test: Holdout, predictions: Predictions, design_effect: float
) -> str:
    """Describe why the calibration rows are no unseen ones; empty where nothing speaks against them.

    A model knows its training rows, so that its errors on them promise too much: intervals that hold the
    truth of 90 % of these rows hold it of fewer rows of the holdout. A model that has seen both cannot be
    recognised.

    Args:
        built: Uncertainty that was calibrated on the training rows of the import.
        test: The holdout.
        predictions: Answers to it.
        design_effect: Variance of a share, relative to independent rows.
    """
    uncertainty = built.uncertainty
    if uncertainty.table.max_level < DEFAULT_LEVEL:
        return ""
    columns = uncertainty.compute_columns(test.matrix, predictions, DEFAULT_LEVEL)
    share, expected = float(np.mean(mark_covered(columns, test.truth))), uncertainty.coverage
    variance = design_effect * expected * (1 - expected) * (1 / built.rows + 1 / len(test.truth))
    if expected - share <= max(MIN_DIFFERENCE, MIN_DEVIATIONS * sqrt(variance)):
        return ""
    return (
        "Not calibrated, so that requests for an interval are refused: intervals or sets that hold"
        f" {expected:.1%} of the truths of the training rows of the import hold {share:.1%} of those of its"
        " holdout, so the model has probably been trained on the former. Give rows that it has not seen."
    )

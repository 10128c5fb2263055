"""The lines of a model card about outliers."""

import numpy as np

from servicio_ml.features.encoder import Matrix
from servicio_ml.pipeline.training.outliers.build import MIN_ROWS, USUAL_SHARE, BuiltOutlierModel

OUTLIERS_HEADING = "Outliers"
"""Heading of the section in a model card."""
NOT_SCORED = (
    f"Rows have no outlier score, so that requests for it are refused: that takes {MIN_ROWS} training rows."
)


def describe_outliers(built: BuiltOutlierModel | None, test: Matrix | None) -> list[str]:
    """Describe the outlier score of a version, and its holdout.

    Args:
        built: The outlier model; None for a version without.
        test: Rows of the holdout, `[n, features]`; None without one.
    """
    if built is None:
        return [NOT_SCORED]
    model = built.model
    text = (
        f"- A row is an outlier with a score above {model.limit:.3f}, as {1 - USUAL_SHARE:.0%} of"
        f" {model.rows} training rows have by an isolation forest that has not seen them."
    )
    if test is None or not len(test):
        return [text]
    share = float(np.mean(model.compute_scores(test) > model.limit))
    return [text, f"- {share:.1%} of the holdout's rows are outliers."]

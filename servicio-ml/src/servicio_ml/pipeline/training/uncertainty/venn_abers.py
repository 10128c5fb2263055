"""Bounds of a probability from calibration rows, by isotonic regressions with one row more."""

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.isotonic import isotonic_regression

from servicio_ml.features.uncertainty.probability_bounds import ProbabilityBounds
from servicio_ml.pipeline.evaluate import split_into_bins

Floats = npt.NDArray[np.floating[Any]]
ROWS_PER_BIN, MAX_BINS = 10, 200


def build_probability_bounds(
    probabilities: Floats, positive: npt.NDArray[np.bool_], weights: Floats
) -> ProbabilityBounds:
    """Build the inductive Venn-Abers predictor of probabilities that are rounded to bins of equal mass.

    A new row of a bin is added to the calibration rows once as negative and once as positive; the isotonic
    regressions of both give the bin its bounds (Vovk and Petej, "Venn-Abers predictors", 2014, section 4).
    Rounding the score leaves them valid, as any score may be calibrated.

    Args:
        probabilities: Answered probabilities of rows that the model has not seen, `[n]`.
        positive: Whether they are of the positive class, `[n]`.
        weights: Weights of the rows, `[n]`.
    """
    count = int(np.clip(len(probabilities) // ROWS_PER_BIN, 1, MAX_BINS))
    bins = split_into_bins(np.argsort(probabilities, kind="stable"), count, weights)
    # equal probabilities share a bin
    starts = sorted({float(probabilities[rows].min()) for rows in bins if len(rows)})
    places = np.searchsorted(starts[1:], probabilities, side="right")
    masses, hits = (
        np.bincount(places, weights=each, minlength=len(starts)).astype(np.float64)
        for each in (weights, weights * positive)
    )
    both = [_compute_bin_bounds(each, masses, hits) for each in range(len(starts))]
    return ProbabilityBounds(
        edges=tuple(starts[1:]),
        lower=tuple(lower for lower, _ in both),
        upper=tuple(upper for _, upper in both),
    )


def _compute_bin_bounds(place: int, masses: Floats, hits: Floats) -> tuple[float, float]:
    found = []
    for outcome in (0.0, 1.0):
        more_masses, more_hits = masses.copy(), hits.copy()
        more_masses[place] += 1
        more_hits[place] += outcome
        shares = more_hits / np.where(more_masses > 0, more_masses, 1)
        level = isotonic_regression(shares, sample_weight=more_masses, increasing=True)
        found.append(float(level[place]))
    return found[0], found[1]

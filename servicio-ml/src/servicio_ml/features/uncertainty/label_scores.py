"""Conformity scores of labels, and the number of a row that decides between equal ones."""

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from servicio_ml.features.encoder import Matrix

Floats = npt.NDArray[np.floating[Any]]
Words = npt.NDArray[np.uint64]
# the constants and the mixing of SplitMix64: Steele, Lea and Flood, "Fast splittable pseudorandom number
# generators" (2014)
STEP, FIRST_FACTOR, SECOND_FACTOR = (
    np.uint64(each) for each in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
)

TIE = 1e-9
"""Difference of scores up to which the number of the row decides."""


def compute_doubt(probabilities: Floats) -> Floats:
    """Compute the difficulty of a row of a classifier, `[n]`: one minus its greatest probability."""
    return np.asarray(1 - probabilities.max(axis=1))


def compute_label_scores(probabilities: Floats, outcomes: Floats, numbers: Floats) -> Floats:
    """Compute the conformity score of each label, `[n, classes]`: a set holds those up to a quantile.

    One minus the probability of the label, as in Sadinle, Lei and Wasserman, "Least ambiguous set-valued
    classifiers with bounded error levels" (2019). The answered label conforms best, from -1 to 0 by the
    number of its row. A quantile between them leaves out the answers of some rows, so that exactly the level
    is covered also where answers are right more often, or probabilities are equal: a smoothed conformal
    predictor (Vovk, Gammerman and Shafer's book of 2005, section 2.2).

    Args:
        probabilities: `[n, classes]`.
        outcomes: Indices of the answered labels, `[n]`.
        numbers: As of `draw_row_numbers`, `[n]`.
    """
    ranks = numbers - 1
    scores = 1 - probabilities + TIE * ranks[:, None]
    scores[np.arange(len(scores)), outcomes.astype(np.intp)] = ranks
    return np.asarray(scores)


def draw_row_numbers(values: Matrix) -> Floats:
    """Draw a number from 0 to 1 for each row, `[n]`, uniform and the same whenever a row comes again.

    Args:
        values: Values of the fields, `[n, fields]`.
    """
    # adding 0 makes minus zero zero; a missing value may have several bit patterns
    bits = np.where(np.isnan(values), np.float32(np.nan), values + np.float32(0)).view(np.uint32)
    # unsigned integers wrap around
    mixed = _apply_mixing((bits * _compute_factors(values.shape[1])).sum(axis=1, dtype=np.uint64))
    return np.asarray((mixed >> np.uint64(11)) * 2.0**-53)


@lru_cache
def _compute_factors(width: int) -> Words:
    """Compute an odd factor of each column, so that no two columns can be swapped unseen."""
    return _apply_mixing(np.arange(1, width + 1, dtype=np.uint64) * STEP) | np.uint64(1)


def _apply_mixing(words: Words) -> Words:
    words = (words ^ (words >> np.uint64(30))) * FIRST_FACTOR
    words = (words ^ (words >> np.uint64(27))) * SECOND_FACTOR
    return np.asarray(words ^ (words >> np.uint64(31)))

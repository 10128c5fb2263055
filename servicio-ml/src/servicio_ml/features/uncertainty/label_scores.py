"""Conformity scores of labels, and the number of a row that decides between equal ones."""

from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

from servicio_ml.features.encoder import Matrix

Floats = npt.NDArray[np.floating[Any]]
DIGEST_BYTES = 8
LOWEST, ZERO = np.float32(-np.inf), np.float32(0)
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
        values: Values of the fields, `[n, fields]`, float32.
    """
    # a missing value may have several bit patterns, and zero has two
    canonical = np.fmax(values, LOWEST) + ZERO
    data, width = canonical.tobytes(), canonical.itemsize * canonical.shape[1]
    digests = [
        blake2b(data[start : start + width], digest_size=DIGEST_BYTES).digest()
        for start in range(0, len(data), width)
    ]
    return np.frombuffer(b"".join(digests), "<u8") / 2.0 ** (8 * DIGEST_BYTES)

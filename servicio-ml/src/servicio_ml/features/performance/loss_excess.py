"""Excess of the mean loss of rows over that of unseen rows, in standard errors, as alerts compute it."""

from dataclasses import dataclass

import numpy as np

from servicio_ml.features.bins import Numbers

MIN_SHARE = 1e-6
"""Distance that shares keep from 0 and 1, and ratios from 0, whose logarithms are infinite."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LossReference:
    """Losses of unseen rows, arrays of any shape or numbers.

    Attributes:
        rows: Number of rows.
        loss: Mean loss.
        variance: Variance of the absolute error of a row; None of error rates.
        design_effect: Variance of a mean relative to that of independent rows.
    """

    rows: Numbers
    loss: Numbers
    variance: Numbers | None
    design_effect: float = 1.0


def compute_loss_excess(rows: Numbers, loss: Numbers, squares: Numbers, reference: LossReference) -> Numbers:
    """Compute the excess of losses in standard errors, negative where they are smaller.

    It is the signed root of the likelihood ratio, ±√(2 n K), whose tail is close to the normal one also for
    few rows and rare errors (Barndorff-Nielsen and Cox, "Inference and Asymptotics" (1994), section 5). K is
    Kullback and Leibler's divergence per row: of Bernoulli distributions for error rates, of gamma
    distributions of the same shape for absolute errors. The shape is the smaller one of these rows and the
    reference's, so that heavy tails do not alarm. The rows n are the effective ones: fewer by the design
    effect, and by the error of the reference.

    Args:
        rows: Number of rows.
        loss: Their mean loss.
        squares: Their mean squared loss; not used for error rates.
        reference: Losses of unseen rows.
    """
    effective = 1 / ((1 / rows + 1 / reference.rows) * reference.design_effect)
    if reference.variance is None:
        divergence = _compare_shares(loss, reference.loss)
    else:
        divergence = _compare_means(loss, squares - loss**2, reference.loss, reference.variance)
    # rounding may make a divergence of zero negative
    size = np.sqrt(2 * effective * np.maximum(divergence, 0.0))
    return np.asarray(np.sign(loss - reference.loss) * size)


def _compare_shares(share: Numbers, reference: Numbers) -> Numbers:
    inner = np.clip(share, MIN_SHARE, 1 - MIN_SHARE)
    right = (1 - inner) * np.log((1 - inner) / (1 - reference))
    return np.asarray(inner * np.log(inner / reference) + right)


def _compare_means(loss: Numbers, variance: Numbers, reference: Numbers, known: Numbers) -> Numbers:
    # rows with equal errors have no variance of their own: the reference's shape is the smaller one
    with np.errstate(divide="ignore", invalid="ignore"):
        own = np.where(variance > 0, loss**2 / variance, np.inf)
    ratio = np.maximum(loss / reference, MIN_SHARE)
    return np.asarray(np.minimum(own, reference**2 / known) * (ratio - 1 - np.log(ratio)))

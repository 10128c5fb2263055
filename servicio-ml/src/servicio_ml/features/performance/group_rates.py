"""Rates of the groups of protected attributes on labelled rows."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from servicio_ml.domain.fairness.group_rates import GroupRates
from servicio_ml.features.encoder import Matrix
from servicio_ml.features.output import POSITIVE, Predictions
from servicio_ml.features.performance.segments import SegmentProfile

Floats = npt.NDArray[np.floating[Any]]
Mask = npt.NDArray[np.bool_]


def compute_group_rates(
    profiles: Sequence[SegmentProfile],
    matrix: Matrix,
    truth: Floats,
    answers: Predictions,
    weights: Floats | None,
) -> list[GroupRates]:
    """Compute the rates of each group with rows; weighted where rows have weights.

    Args:
        profiles: Protected attributes of the version.
        matrix: Rows `[n, features]`.
        truth: Codes of their labels, `[n]`.
        answers: Predictions of two classes for them.
        weights: Weights of the rows, `[n]`; None where all count the same.
    """
    mass = np.ones(len(truth)) if weights is None else weights
    return [
        _compute_rates(profile.field, group, places == index, truth == POSITIVE, answers, mass)
        for profile in profiles
        for places in [profile.assign(matrix)]
        for index, group in enumerate(profile.values)
        if (places == index).any()
    ]


def _compute_rates(
    field: str, group: str, rows: Mask, positive: Mask, answers: Predictions, mass: Floats
) -> GroupRates:
    if answers.probabilities is None:
        raise TypeError("a regression has no rates of groups")
    selected, shares = answers.outcomes == POSITIVE, answers.probabilities[:, POSITIVE]
    expected, found = _average(shares, rows, mass), _average(positive, rows, mass)
    return GroupRates(
        field=field, group=group, rows=int(rows.sum()), positives=int((rows & positive).sum()),
        selection_rate=_average(selected, rows, mass),
        tpr=_average(selected, rows & positive, mass),
        fpr=_average(selected, rows & ~positive, mass),
        calibration_error=abs(expected - found),
    )  # fmt: skip


def _average(values: npt.NDArray[Any], rows: Mask, mass: Floats) -> float:
    return float(np.average(values[rows], weights=mass[rows])) if mass[rows].sum() > 0 else float("nan")

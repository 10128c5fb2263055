"""Intervals and bounds beside those that other libraries compute on the same numbers.

Expected values: crepes 0.9.1 (`ConformalRegressor.fit(residuals, sigmas, bins)` and `predict_int`) and
venn-abers 1.5.4 (`VennAbers.fit` and `predict_proba`).
"""

import numpy as np
import pytest

from servicio_ml.features.uncertainty.conformity import compute_quantiles
from servicio_ml.features.uncertainty.row_groups import RowGroups
from servicio_ml.pipeline.training.uncertainty.groups import build_table
from servicio_ml.pipeline.training.uncertainty.venn_abers import build_probability_bounds

ROWS = np.arange(40)
RESIDUALS = np.round(np.sin(ROWS * 1.7) * (1 + ROWS / 20), 4)
DIFFICULTY = np.round(0.5 + (ROWS % 7) / 5, 2)
SCORES = np.abs(RESIDUALS) / DIFFICULTY
ANSWERS, DOUBT = np.array([10.0, 20.0, 30.0]), np.array([0.5, 1.0, 2.0])
CREPES = {
    0.8: [[9.069111, 10.930889], [18.138222, 21.861778], [26.276444, 33.723556]],
    0.9: [[8.560929, 11.439071], [17.121857, 22.878143], [24.243714, 35.756286]],
    0.95: [[8.1352, 11.8648], [16.2704, 23.7296], [22.5408, 37.4592]],
}
MONDRIAN = [[8.3479, 11.6521], [17.121857, 22.878143], [23.3916, 36.6084]]
"""At 0.9, of the calibration rows with an even and with an odd number; the answers are even, odd, even."""
VENN_ABERS = {
    0.1: (0.153846, 0.230769),
    0.3: (0.333333, 0.4),
    0.4: (0.36, 0.428571),
    0.7: (0.636364, 0.727273),
    0.9: (0.866667, 0.933333),
}


@pytest.mark.parametrize("level", CREPES)
def test_normalised_intervals_are_those_of_crepes(level: float) -> None:
    table = build_table(RowGroups(), np.zeros(40, dtype=np.intp), SCORES, np.ones(40))
    half = table.get_quantiles(level)[0] * DOUBT
    assert np.column_stack([ANSWERS - half, ANSWERS + half]) == pytest.approx(
        np.array(CREPES[level]), abs=1e-5
    )


def test_intervals_by_group_are_those_of_crepes() -> None:
    quantiles = [compute_quantiles(SCORES[group == ROWS % 2], np.ones(20), [0.9])[0] for group in (0, 1)]
    half = np.array(quantiles)[[0, 1, 0]] * DOUBT
    assert np.column_stack([ANSWERS - half, ANSWERS + half]) == pytest.approx(np.array(MONDRIAN), abs=1e-5)


def test_bounds_of_a_probability_are_those_of_venn_abers() -> None:
    probabilities = np.repeat([*VENN_ABERS], [12, 11, 13, 10, 14])
    positive = (np.arange(60) * 7919) % 100 < probabilities * 100
    bounds = build_probability_bounds(probabilities, positive, np.ones(60))
    assert [*zip(bounds.lower, bounds.upper, strict=True)] == [
        pytest.approx(each, abs=1e-6) for each in VENN_ABERS.values()
    ]

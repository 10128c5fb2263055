"""Bounds of probabilities, beside the definition: two isotonic regressions for each new row."""

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression

from servicio_ml.pipeline.training.uncertainty.venn_abers import ROWS_PER_BIN, build_probability_bounds

VALUES = (0.1, 0.3, 0.4, 0.7, 0.9)


@pytest.fixture(name="rows")
def _rows() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    probabilities = np.repeat(VALUES, 5 * ROWS_PER_BIN)
    return probabilities, random.random(len(probabilities)) < probabilities**2


def test_bounds_are_those_of_the_definition(rows: tuple[np.ndarray, np.ndarray]) -> None:
    """A score of few values is not rounded, so that the table is the predictor itself."""
    probabilities, positive = rows
    bounds = build_probability_bounds(probabilities, positive, np.ones(len(positive)))
    assert len(bounds.lower) == len(VALUES)
    for value, lower, upper in zip(VALUES, bounds.lower, bounds.upper, strict=True):
        expected = [
            IsotonicRegression()
            .fit(np.append(probabilities, value), np.append(positive, outcome))
            .predict([value])[0]
            for outcome in (0.0, 1.0)
        ]
        assert [lower, upper] == pytest.approx(expected)
        assert lower < upper


def test_many_values_become_bins_of_equal_mass() -> None:
    random = np.random.default_rng(1)
    probabilities = random.random(50_000)
    positive = random.random(50_000) < probabilities
    bounds = build_probability_bounds(probabilities, positive, np.ones(50_000))
    assert len(bounds.lower) == len(bounds.edges) + 1 == 200
    lower, upper = bounds.compute(np.array([0.2, 0.8]))
    assert lower == pytest.approx([0.2, 0.8], abs=0.05)
    assert (upper >= lower).all()
    assert (np.diff(bounds.lower) >= 0).all()
    assert (np.diff(bounds.upper) >= 0).all()

"""Quantiles of conformity scores."""

import json
import math

import numpy as np
import pytest

from servicio_ml.errors import RequestError
from servicio_ml.features.uncertainty.conformity import ConformityTable, compute_quantiles
from servicio_ml.features.uncertainty.levels import LEVELS

SCORES = np.random.default_rng(0).permutation(np.arange(1.0, 100.0))
"""1 to 99, in no order."""


def _build_table(rows: int) -> ConformityTable:
    scores = np.arange(1.0, rows + 1)
    return ConformityTable(
        rows=float(rows),
        quantiles=(compute_quantiles(SCORES, np.ones(99)), compute_quantiles(scores, np.ones(rows))),
    )


def test_the_quantile_has_the_rank_of_finite_samples() -> None:
    """⌈100 * level⌉: the 90th of 99 scores covers 90 % of new ones, and the 99th 99 %."""
    assert compute_quantiles(SCORES, np.ones(99), [0.5, 0.9, 0.905, 0.99]) == (50, 90, 91, 99)
    assert compute_quantiles(SCORES[SCORES != 99], np.ones(98), [0.98, 0.99]) == (98, math.inf)


def test_weights_count_as_rows() -> None:
    weights = np.where(SCORES <= 9, 0.0, 1.0)
    assert compute_quantiles(SCORES, weights, [0.5, 0.9]) == compute_quantiles(
        SCORES[SCORES > 9], np.ones(90), [0.5, 0.9]
    )


def test_a_level_between_two_gets_the_next() -> None:
    table = _build_table(99)
    assert table.get_quantiles(0.9).tolist() == [90, 90]
    assert table.get_quantiles(0.9001).tolist() == [91, 91]


def test_a_level_without_rows_is_refused() -> None:
    table = _build_table(30)
    assert table.max_level == 0.965
    problem = r"interval 0\.99 needs 99 calibration rows, and the model has 30; ask for at most 0\.965"
    with pytest.raises(RequestError, match=problem):
        table.get_quantiles(0.99)


def test_it_survives_json() -> None:
    table = _build_table(30)
    assert ConformityTable.from_json(json.loads(json.dumps(table.to_json(), allow_nan=False))) == table
    assert len(table.quantiles[0]) == len(LEVELS)

"""From an answer to its interval or set of labels."""

import json
from typing import Any

import numpy as np
import pytest

from servicio_ml.features.output import Predictions
from servicio_ml.features.runtimes.scorer import Runtime
from servicio_ml.features.uncertainty.conformity import ConformityTable
from servicio_ml.features.uncertainty.error_model import ErrorModel
from servicio_ml.features.uncertainty.label_scores import compute_label_scores, draw_row_numbers
from servicio_ml.features.uncertainty.levels import LEVELS
from servicio_ml.features.uncertainty.probability_bounds import ProbabilityBounds
from servicio_ml.features.uncertainty.row_groups import RowGroups
from servicio_ml.features.uncertainty.uncertainty import Uncertainty, mark_covered

NAN = float("nan")


class _Scorer:
    """Estimates a share of 0.1 of each answer, which is the last column."""

    runtime, row_seconds = Runtime.ONNX, None

    def score(self, matrix: Any) -> Any:
        assert matrix.dtype == np.float32
        return np.full((len(matrix), 1), 0.1, dtype=np.float32)


def _build_table(*quantiles: float) -> ConformityTable:
    return ConformityTable(rows=500.0, quantiles=tuple((each,) * len(LEVELS) for each in quantiles))


def _build_regression(**changes: Any) -> Uncertainty:
    model = ErrorModel(
        scorer=_Scorer(), is_relative=True, ratio=2.0, squared_ratio=1.5, floor=0.5, damping=1.0
    )
    return Uncertainty(
        groups=RowGroups(), table=_build_table(3.0), error_model=model, value_columns=1, **changes
    )


MATRIX = np.array([[0.0], [1.0], [NAN]], dtype=np.float32)
ANSWERS = Predictions(outcomes=np.array([10.0, 100.0, 1.0]))


def test_an_interval_is_as_wide_as_the_expected_error() -> None:
    """Errors of 0.1 * 2 of the answer, at least 0.5, three of them on each side, within the limits."""
    built = _build_regression(minimum=0.0, maximum=150.0)
    assert built.estimate_errors(MATRIX, ANSWERS).round(5).tolist() == [2, 20, 0.2]
    assert built.error_model is not None
    sums = built.error_model.sum_errors(MATRIX, ANSWERS.outcomes)
    assert (sums.rows, round(sums.absolute, 4), round(sums.squared, 4)) == (3, 22.2, 606.06)
    columns = built.compute_columns(MATRIX, ANSWERS, 0.9)
    assert columns["lower"].round(4).tolist() == [4, 40, 0]
    assert columns["upper"].round(4).tolist() == [16, 150, 2.5]
    assert mark_covered(columns, np.array([16.0, 39.0, 0.0])).tolist() == [True, False, True]


def test_damping_brings_widths_together() -> None:
    model = ErrorModel(
        scorer=_Scorer(), is_relative=True, ratio=2.0, squared_ratio=1.5, floor=0.5, damping=0.5
    )
    assert model.compute_difficulty(np.array([4.0, 16.0, 0.0])).round(4).tolist() == [2, 4, 0.7071]


def test_a_group_has_its_own_quantile_and_other_rows_share_one() -> None:
    groups = RowGroups(field="colour", column=0, codes=(0,))
    built = Uncertainty(
        groups=groups, table=_build_table(1.0, 2.0), error_model=_build_regression().error_model,
        value_columns=1,
    )  # fmt: skip
    widths = np.ptp([*built.compute_columns(MATRIX, ANSWERS, 0.9).values()], axis=0)
    assert widths.round(4).tolist() == [2 * 2, 2 * 2 * 20, 2 * 2 * 0.5]


PROBABILITIES = np.array([[0.9, 0.1], [0.55, 0.45], [0.35, 0.65]])
# the second answer has a threshold below one half
CLASSES = Predictions(outcomes=np.array([0.0, 1.0, 1.0]), probabilities=PROBABILITIES)


def test_a_set_holds_the_answer_and_what_is_as_likely_as_its_range_asks() -> None:
    groups = RowGroups(edges=(0.3,))
    bounds = ProbabilityBounds(edges=(0.5,), lower=(0.2, 0.6), upper=(0.3, 0.7))
    built = Uncertainty(groups=groups, table=_build_table(0.0, 0.6), bounds=bounds, value_columns=1)
    columns = built.compute_columns(MATRIX, CLASSES, 0.9)
    assert columns["label_set"].tolist() == [[True, False], [True, True], [False, True]]
    assert columns["probability_lower"].tolist() == [0.1, 0.2, 0.6]
    assert columns["probability_upper"].tolist() == [0.3, 0.45, 0.7]
    assert mark_covered(columns, np.array([1.0, 0.0, 1.0])).tolist() == [False, True, True]
    # an older version may have had other labels
    assert mark_covered(columns, np.array([2.0, -1.0, 1.0])).tolist() == [False, False, True]


def test_a_quantile_below_zero_leaves_out_the_answers_of_some_rows() -> None:
    """Sets hold the answer in 80 of 100 sure rows, which ones is the rows' own; no doubtful set is empty."""
    matrix = np.arange(4000, dtype=np.float32)[:, None]
    doubtful = np.arange(4000) % 2 > 0
    probabilities = np.where(doubtful[:, None], [0.6, 0.4], [0.9, 0.1])
    predictions = Predictions(outcomes=np.zeros(4000), probabilities=probabilities)
    built = Uncertainty(groups=RowGroups(edges=(0.3,)), table=_build_table(-0.2, 0.1), value_columns=1)
    members = built.compute_columns(matrix, predictions, 0.9)["label_set"]
    assert members[doubtful, 0].all()
    assert members[~doubtful, 0].mean() == pytest.approx(0.8, abs=0.03)
    assert not members[:, 1].any()
    some = slice(100, 200)
    alone = built.compute_columns(matrix[some], predictions.select(some), 0.9)["label_set"]
    assert alone.tolist() == members[some].tolist()


def test_the_answered_label_conforms_best() -> None:
    scores = compute_label_scores(PROBABILITIES, CLASSES.outcomes, np.array([0.0, 0.25, 1.0]))
    assert scores.round(4).tolist() == [[-1, 0.9], [0.45, -0.75], [0.65, 0]]
    assert PROBABILITIES[0, 0] == 0.9


def test_numbers_of_rows_are_uniform_and_each_value_counts() -> None:
    rows = np.random.default_rng(0).normal(size=(5000, 3)).astype(np.float32)
    # few values, as of categories, and rows that differ in one of them
    rows[:, 1] = np.arange(5000) % 4
    numbers = draw_row_numbers(rows)
    assert np.histogram(numbers, bins=10, range=(0, 1))[0] == pytest.approx(np.full(10, 500), abs=100)
    changed = rows.copy()
    changed[:, 1] += 1
    assert abs(np.corrcoef(numbers, draw_row_numbers(changed))[0, 1]) < 0.05
    assert not np.isin(draw_row_numbers(rows[:, ::-1]), numbers).any()


def test_equal_values_have_equal_numbers_whatever_their_bits() -> None:
    """A missing value is one, with either sign; so is zero."""
    rows = np.array([[NAN, 0.0, 2.0], [-NAN, -0.0, 2.0]], dtype=np.float32)
    assert rows[0].tobytes() != rows[1].tobytes()
    first, second = draw_row_numbers(rows)
    assert first == second == draw_row_numbers(rows[1:])[0]


def test_documents_survive_json() -> None:
    bounds = ProbabilityBounds(edges=(0.5,), lower=(0.2, 0.6), upper=(0.3, 0.7))
    classes = Uncertainty(
        groups=RowGroups(edges=(0.3,)), table=_build_table(0.0, 0.6), bounds=bounds, value_columns=1
    )
    for built in (classes, _build_regression(minimum=0.0, maximum=150.0)):
        document = json.loads(json.dumps(built.to_json(), allow_nan=False))
        scorer = None if built.error_model is None else built.error_model.scorer
        assert Uncertainty.from_json(document, scorer) == built

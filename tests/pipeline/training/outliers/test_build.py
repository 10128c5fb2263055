"""Outlier models: parity with scikit-learn, the limit on rows that a forest has not seen, planted faults."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import IsolationForest

from servicio_ml.domain.schema import FeatureSchema, Field, Kind
from servicio_ml.features.encoder import Matrix
from servicio_ml.features.outliers.outlier_model import OUTLIER, OUTLIER_MODEL, OutlierModel
from servicio_ml.features.runtimes.open_model import open_model
from servicio_ml.features.runtimes.scorer import OnnxScorer
from servicio_ml.features.runtimes.tree_scorer import TreeScorer
from servicio_ml.pipeline.training.outliers.build import MIN_ROWS, build_outlier_model, select_columns
from servicio_ml.pipeline.training.outliers.card import NOT_SCORED, describe_outliers
from servicio_ml.pipeline.training.outliers.forest_graph import build_forest_graph, round_down

FIELDS = tuple(
    Field(name=name, kind=kind, description=name, example=example, **limits)
    for name, kind, example, limits in (
        ("day", Kind.DATE, "2020-01-01", {}),
        ("size", Kind.NUMBER, 1.0, {"minimum": -1e6, "maximum": 1e6}),
        ("weight", Kind.NUMBER, 1.0, {"minimum": -1e6, "maximum": 1e6}),
        ("count", Kind.INTEGER, 1, {"minimum": -1000, "maximum": 1000}),
        ("empty", Kind.NUMBER, 1.0, {"minimum": -1e6, "maximum": 1e6}),
    )
)
SCHEMA = FeatureSchema(fields=FIELDS)


def _generate(rows: int, seed: int) -> Matrix:
    """Correlated numbers with gaps, a count with ties, days that go on, and a column without any value."""
    random = np.random.default_rng(seed)
    matrix = random.normal(size=(rows, len(FIELDS))).astype(np.float32)
    matrix[:, 0] = 18_000 + 1000 * seed + np.arange(rows)
    matrix[:, 2] = matrix[:, 1] + 0.3 * matrix[:, 2]
    matrix[:, 3] = np.round(2 * matrix[:, 3])
    matrix[random.random(matrix.shape) < 0.1] = np.nan
    matrix[:, 4] = np.nan
    return matrix


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> OutlierModel:
    built, folder = build_outlier_model(SCHEMA, _generate(3000, 0)), tmp_path_factory.mktemp("outliers")
    assert built is not None
    built.write(folder, _generate(3000, 0))
    return OutlierModel.from_json(built.model.to_json(), open_model(folder / OUTLIER_MODEL))


def test_the_onnx_model_and_its_table_give_the_scores_of_scikit_learn(model: OutlierModel) -> None:
    """Also for gaps, for values at thresholds, and for ties."""
    rows, columns = _generate(2000, 1), [1, 2, 3]
    forest = IsolationForest(n_estimators=30, max_samples=128, random_state=3).fit(rows[:, columns])
    onnx = build_forest_graph(forest, columns, rows.shape[1])
    split = forest.estimators_[0].tree_
    at = rows[: split.node_count].copy()
    at[:, 1] = round_down(split.threshold)
    every = np.concatenate([rows, at])
    scores = OnnxScorer(onnx).score(every).reshape(-1)
    assert scores == pytest.approx(-forest.score_samples(every[:, columns]), abs=1e-6)
    assert isinstance(model.scorer, TreeScorer)


def test_thresholds_part_the_same_float32_values() -> None:
    thresholds = np.random.default_rng(0).normal(size=10_000)
    rounded = round_down(thresholds)
    assert (rounded.astype(float) <= thresholds).all()
    assert (np.nextafter(rounded, np.float32(np.inf)).astype(float) > thresholds).all()


@pytest.mark.parametrize("rows", [150, 1000, 10_000])
def test_one_of_a_hundred_fresh_rows_is_above_the_limit(rows: int) -> None:
    built = build_outlier_model(SCHEMA, _generate(rows, 0))
    assert built is not None
    share = built.model.count_outliers(_generate(20_000, 1)) / 20_000
    # the share above a quantile of n rows deviates by sqrt(.01 / n)
    assert share == pytest.approx(0.01, abs=0.002 + 3 * np.sqrt(0.01 / rows))
    assert built.model.expected_share == pytest.approx(0.01, abs=1.5 / rows)


def test_unusual_rows_are_outliers_and_later_days_are_not(model: OutlierModel) -> None:
    rows = _generate(1000, 0)
    far, broken = rows.copy(), rows.copy()
    far[:, 1] = far[:, 2] = 8
    # each value alone is usual
    broken[:, 1], broken[:, 2], broken[:, 3] = 2.5, -2.5, -6
    later = rows.copy()
    later[:, 0] += 10_000
    assert model.count_outliers(far) > 900
    assert model.count_outliers(broken) > 800
    assert (model.compute_scores(later) == model.compute_scores(rows)).all()


def test_a_score_is_between_0_and_1_whatever_the_row(model: OutlierModel) -> None:
    rows = np.array([[np.nan] * 5, [np.inf] * 5, [-np.inf] * 5, [3e38] * 5, [0] * 5], dtype=np.float32)
    scores = model.compute_scores(rows)
    assert ((scores > 0) & (scores < 1)).all()


def test_few_rows_have_no_outlier_model_and_the_card_says_so() -> None:
    assert build_outlier_model(SCHEMA, _generate(MIN_ROWS, 0)) is not None
    assert build_outlier_model(SCHEMA, _generate(MIN_ROWS - 1, 0)) is None
    assert build_outlier_model(FeatureSchema(fields=FIELDS[:1]), _generate(500, 0)[:, :1]) is None
    assert describe_outliers(None, None) == [NOT_SCORED]


def test_dates_and_empty_columns_are_left_out() -> None:
    assert select_columns(SCHEMA, _generate(100, 0)) == [1, 2, 3]


def test_the_card_has_the_share_of_the_holdout(tmp_path: Path) -> None:
    built = build_outlier_model(SCHEMA, _generate(500, 0))
    assert built is not None
    built.write(tmp_path, _generate(500, 0))
    assert {each.name for each in tmp_path.iterdir()} == {OUTLIER, OUTLIER_MODEL, "outlier.trees.npz"}
    lines = "\n".join(describe_outliers(built, _generate(1000, 1)))
    assert f"above {built.model.limit:.3f}" in lines
    assert "% of the holdout's rows are outliers" in lines

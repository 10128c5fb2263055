"""Steps of a pipeline that read arrays give what they give with data frames, bit for bit."""

import warnings
from typing import Any

import lightgbm
import numpy as np
import pyarrow as pa
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from imported_models import (
    BINARY,
    CONVERTIBLE,
    INCONVERTIBLE,
    MULTICLASS,
    NUMBER,
    NUMBERS,
    TEXTS,
    AddRatio,
    make_rows,
    make_targets,
)
from servicio_ml.model_worker.loading.estimators import describe_estimator
from servicio_ml.model_worker.tables import build_frame

ROWS, TRAINING_ROWS = 300, 200
CASES = {**CONVERTIBLE, **INCONVERTIBLE}
DIRECT = {"logistic regression", "LightGBM in a pipeline", "transformer of the user's own", "neural network"}
"""Some of the pipelines whose first steps read arrays."""


def _score_both(estimator: Any, table: pa.Table) -> tuple[Any, Any]:
    model = describe_estimator(estimator)
    assert model.direct is not None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return model.direct(table), model.score(build_frame(table))


def _make_table(columns: list[str], rows: int = ROWS) -> pa.Table:
    return pa.Table.from_pandas(make_rows(rows, seed=5)[columns], preserve_index=False)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:Features .* are constant")
@pytest.mark.filterwarnings("ignore:invalid value encountered in divide")
@pytest.mark.parametrize("name", CASES)
def test_scores_are_those_of_the_library(name: str) -> None:
    case = CASES[name]
    fitted = case.fit(make_rows(TRAINING_ROWS))
    model = describe_estimator(fitted)
    assert (model.direct is not None) or name not in DIRECT
    if model.direct is None:
        return
    table = pa.Table.from_pandas(case.select(make_rows(ROWS, seed=5)), preserve_index=False)
    for part in (table, *(table.slice(row, 1) for row in range(20))):
        assert np.array_equal(model.direct(part), model.score(build_frame(part)))


@pytest.mark.parametrize("target", [BINARY, MULTICLASS, NUMBER])
def test_boosted_trees_are_read_without_the_checks_of_their_estimator(target: str) -> None:
    kind = lightgbm.LGBMRegressor if target == NUMBER else lightgbm.LGBMClassifier
    rows, table = make_rows(TRAINING_ROWS), _make_table(NUMBERS, rows=20)
    trees: Any = kind(n_estimators=4, verbose=-1)
    pipeline = make_pipeline(StandardScaler(), trees).fit(rows[NUMBERS], make_targets(rows)[target])
    expected = describe_estimator(pipeline).score(build_frame(table))
    # the estimator is not asked
    trees.predict = trees.predict_proba = None
    direct = describe_estimator(pipeline).direct
    assert direct is not None
    assert np.array_equal(direct(table), expected)


def _prepare(**options: Any) -> ColumnTransformer:
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2)
    return ColumnTransformer(
        [
            ("numbers", AddRatio(), ["size", "rate"]),
            ("texts", codes, TEXTS),
            ("rooms", StandardScaler(), ["rooms"]),
        ],
        **options,
    )


@pytest.mark.parametrize(
    ("estimator", "target"),
    [
        (make_pipeline(_prepare(), GaussianNB()), BINARY),
        (make_pipeline(_prepare(), "passthrough", Ridge()), NUMBER),
        (make_pipeline(_prepare(remainder="drop"), StandardScaler(), Ridge()), NUMBER),
        (make_pipeline(Pipeline([("inner", _prepare())]), Ridge()), NUMBER),
    ],
    ids=["classes", "a number", "a later step", "a pipeline in a pipeline"],
)
def test_a_custom_step_gets_its_data_frame(estimator: Any, target: str) -> None:
    rows = make_rows(TRAINING_ROWS)
    fitted = estimator.fit(rows, make_targets(rows)[target])
    mine, theirs = _score_both(fitted, _make_table([*rows.columns]))
    assert np.array_equal(mine, theirs)


def test_a_value_that_the_library_refuses_is_refused() -> None:
    rows = make_rows(TRAINING_ROWS)
    known = ColumnTransformer([("towns", OneHotEncoder(), ["town"])])
    model = describe_estimator(make_pipeline(known, Ridge()).fit(rows, rows["rooms"]))
    table = _make_table([*rows.columns], 1).set_column(4, "town", pa.array(["elsewhere"]))
    assert model.direct is not None
    with pytest.raises(ValueError, match="elsewhere"):
        model.direct(table)


@pytest.mark.parametrize(
    "prepare",
    [
        ColumnTransformer([("rate", StandardScaler(), ["rate"])], transformer_weights={"rate": 2.0}),
        ColumnTransformer([("rate", StandardScaler(), ["rate"])]).set_output(transform="pandas"),
        ColumnTransformer([("places", StandardScaler(), [0, 1])]),
        AddRatio(),
    ],
    ids=["weights", "frames between steps", "places", "a custom first step"],
)
def test_other_pipelines_keep_their_data_frames(prepare: Any) -> None:
    rows = make_rows(TRAINING_ROWS)[["size", "rate"]]
    assert describe_estimator(make_pipeline(prepare, Ridge()).fit(rows, rows["size"])).direct is None


def test_an_estimator_alone_keeps_its_data_frame() -> None:
    rows = make_rows(TRAINING_ROWS)[["size", "rate"]]
    assert describe_estimator(Ridge().fit(rows, rows["size"])).direct is None

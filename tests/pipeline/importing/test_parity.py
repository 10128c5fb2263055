"""Comparison of a converted model with its library: broken conversions are found, with a row for each."""

from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pandas as pd
import pytest

from imported_models import CONVERTIBLE, ModelCase, build_columns, encode_rows, make_rows
from servicio_ml.model_worker.conversion.convert import convert_model
from servicio_ml.model_worker.loading.estimators import describe_estimator
from servicio_ml.pipeline.importing.classes import sort_scores
from servicio_ml.pipeline.importing.parity import (
    Parity,
    build_boundary_rows,
    build_gap_rows,
    compare_scores,
    select_rows,
)

ROWS = make_rows(600)
CASE = CONVERTIBLE["LightGBM with gaps"]
COLUMNS = build_columns(list(CASE.columns))


def compare(model: Any, converted: bytes, rows: pd.DataFrame, case: ModelCase = CASE) -> Parity:
    full = rows.reindex(columns=ROWS.columns)
    (mine,) = ort.InferenceSession(converted).run(["scores"], {"features": encode_rows(full)})
    return compare_scores(rows, mine, model.score(case.select(rows)))


@pytest.fixture(name="model", scope="module")
def fit_model() -> Any:
    return describe_estimator(CASE.fit(ROWS))


@pytest.fixture(name="converted", scope="module")
def convert(model: Any) -> bytes:
    return convert_model(model, COLUMNS, ROWS.shape[1])


def test_thresholds_and_gaps_are_among_the_rows(model: Any, converted: bytes) -> None:
    chosen = ROWS[list(CASE.columns)]
    boundaries, gaps = build_boundary_rows(chosen, COLUMNS, converted), build_gap_rows(chosen, ["age"])
    thresholds = model.native.booster_.trees_to_dataframe().dropna(subset="threshold")
    rates = thresholds[thresholds["split_feature"] == "rate"]["threshold"].to_numpy(dtype=np.float32)
    # one float32 step beside a threshold on either side
    found = boundaries["rate"].to_numpy(dtype=np.float32)
    assert np.isin(np.nextafter(rates[0], np.float32(1)), found)
    assert np.isin(np.nextafter(rates[0], np.float32(0)), found)
    assert gaps["age"].isna().sum() == 2
    rows = pd.concat([chosen, boundaries, gaps], ignore_index=True)
    assert len(rows) > 1_000
    assert compare(model, converted, rows).holds


def change_thresholds(converted: bytes, change: Any) -> bytes:
    found = onnx.load_model_from_string(converted)
    for node in found.graph.node:
        for attribute in node.attribute:
            if attribute.name == "nodes_values_as_tensor":
                values = [change(value) for value in onnx.numpy_helper.to_array(attribute.t)]
                attribute.t.CopyFrom(onnx.numpy_helper.from_array(np.array(values), attribute.t.name))
    return bytes(found.SerializeToString())


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda value: float(np.round(value, 2)), id="rounded"),
        pytest.param(
            lambda value: float(np.nextafter(np.float32(value), np.float32(np.inf))), id="a step above"
        ),
    ],
)
def test_wrong_thresholds_are_found(model: Any, converted: bytes, change: Any) -> None:
    broken = change_thresholds(converted, change)
    rows = build_boundary_rows(ROWS[list(CASE.columns)], COLUMNS, converted)
    found = compare(model, broken, rows)
    assert not found.holds
    assert "rows differ, such as size " in found.example
    assert "its library gives [" in found.example


def test_swapped_classes_are_found(model: Any, converted: bytes) -> None:
    assert not compare(model, sort_scores(converted, [1, 0]), ROWS[list(CASE.columns)]).holds


def test_a_score_that_is_no_number_is_found() -> None:
    rows = pd.DataFrame({"size": [1.0, 2.0]})
    found = compare_scores(rows, np.array([[0.5], [np.nan]]), np.array([[0.5], [0.5]]))
    assert found.difference == np.inf
    assert found.example == (
        "1 of 2 rows differ, such as size 2.0: its library gives [0.5], the conversion [nan]"
    )


def test_rows_are_selected_over_the_whole_file() -> None:
    chosen = select_rows(pd.DataFrame({"place": np.arange(25_000)}))
    assert (len(chosen), chosen["place"].iloc[0], chosen["place"].iloc[-1]) == (10_000, 0, 24_999)

"""Boosted trees get a table that scores as their ONNX model does; other models get none."""

from typing import Any

import numpy as np
import onnx
import pytest
from lightgbm import LGBMRegressor

from servicio_ml.domain.search import Candidate
from servicio_ml.domain.use_case import Task
from servicio_ml.features.encoder import Encoder, Matrix
from servicio_ml.features.runtimes.scorer import OnnxScorer
from servicio_ml.features.runtimes.tree_scorer import TreeScorer
from servicio_ml.features.runtimes.tree_table import Link
from servicio_ml.pipeline.training.dataset import build_problem
from servicio_ml.pipeline.training.export import convert_estimator, export_model
from servicio_ml.pipeline.training.fitting import fit
from servicio_ml.pipeline.tree_table import TOLERANCE, build_tree_table
from small_use_case import SCHEMA, build_use_case, generate_rows

PARAMS: dict[str, dict[str, Any]] = {
    "lightgbm": {"n_estimators": 50, "num_leaves": 15},
    "xgboost": {"n_estimators": 50, "max_depth": 4},
    "random_forest": {"n_estimators": 5},
    "decision_tree": {"max_depth": 4},
}
BOOSTED = ("lightgbm", "xgboost")
UNSEEN = Encoder(SCHEMA).encode_frame(generate_rows(Task.BINARY, 3000, seed=1))


def convert(task: Task, family: str) -> bytes:
    """Fit a small model and convert it."""
    candidate = Candidate(name=family, family=family)
    made = build_problem(build_use_case(task, candidate), SCHEMA, generate_rows(task, 400), seed=0, threads=1)
    estimator = fit(made, candidate, PARAMS[family], np.arange(400))
    exported = export_model(candidate, estimator, made.matrix)
    assert exported.onnx is not None
    return exported.onnx


def build_threshold_rows(model: bytes) -> Matrix:
    """Build rows with a value at each threshold of a model, and one step about it."""
    [node] = [each for each in onnx.load_model_from_string(model).graph.node if "Tree" in each.op_type]
    attributes = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
    splits = [
        (column, np.float32(value))
        for column, value, mode in zip(
            attributes["nodes_featureids"], attributes["nodes_values"], attributes["nodes_modes"], strict=True
        )
        if mode != b"LEAF"
    ]
    rows = np.repeat(UNSEEN[: len(splits)], 3, axis=0)[: 3 * len(splits)]
    for row, (column, value) in zip(range(0, len(rows), 3), splits, strict=False):
        for step, end in enumerate((value, np.float32(-np.inf), np.float32(np.inf))):
            rows[row + step, column] = np.nextafter(value, end)
    return rows


@pytest.mark.parametrize("family", BOOSTED)
@pytest.mark.parametrize("task", Task)
def test_a_table_scores_as_its_model(task: Task, family: str) -> None:
    model = convert(task, family)
    table = build_tree_table(model, UNSEEN[:200])
    assert table is not None
    rows = np.concatenate([UNSEEN, build_threshold_rows(model), np.full_like(UNSEEN[:1], np.nan)])
    theirs = OnnxScorer(model).score(rows).reshape(len(rows), -1)
    np.testing.assert_allclose(TreeScorer(table).score(rows), theirs, rtol=TOLERANCE, atol=TOLERANCE)


def test_a_table_of_a_logarithmic_link_scores_as_its_model() -> None:
    truth = 1 + np.abs(np.nan_to_num(UNSEEN[:, SCHEMA.names.index("weight")]))
    estimator = LGBMRegressor(objective="gamma", n_estimators=20, verbose=-1).fit(UNSEEN, truth)
    model = convert_estimator("lightgbm", estimator, UNSEEN.shape[1])
    table = build_tree_table(model, UNSEEN[:200])
    assert table is not None
    assert table.link is Link.EXPONENTIAL
    np.testing.assert_allclose(
        TreeScorer(table).score(UNSEEN), OnnxScorer(model).score(UNSEEN), rtol=TOLERANCE
    )


@pytest.mark.parametrize("family", sorted(PARAMS.keys() - BOOSTED))
def test_trees_that_read_other_columns_have_none(family: str) -> None:
    assert build_tree_table(convert(Task.REGRESSION, family), UNSEEN) is None


def change_attribute(model: bytes, name: str, change: Any) -> bytes:
    proto = onnx.load_model_from_string(model)
    [node] = [each for each in proto.graph.node if "Tree" in each.op_type]
    [found] = [each for each in node.attribute if each.name == name]
    changed = onnx.helper.make_attribute(name, change(onnx.helper.get_attribute_value(found)))
    node.attribute.remove(found)
    node.attribute.append(changed)
    return bytes(proto.SerializeToString())


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("nodes_modes", lambda modes: ["BRANCH_EQ" if mode == b"BRANCH_LEQ" else mode for mode in modes]),
        ("post_transform", lambda _: "PROBIT"),
        ("class_ids", lambda ids: [*ids[:-1], 1 - ids[-1]]),
    ],
)
def test_trees_of_another_kind_have_none(name: str, change: Any) -> None:
    model = convert(Task.BINARY, "lightgbm")
    assert build_tree_table(change_attribute(model, name, change), UNSEEN) is None


def test_a_table_that_scores_otherwise_is_dropped() -> None:
    proto = onnx.load_model_from_string(convert(Task.REGRESSION, "lightgbm"))
    scores = proto.graph.output[0].name
    for node in proto.graph.node:
        node.output[:] = ["half" if name == scores else name for name in node.output]
    proto.graph.node.append(onnx.helper.make_node("Neg", ["half"], [scores]))
    assert build_tree_table(bytes(proto.SerializeToString()), UNSEEN) is None

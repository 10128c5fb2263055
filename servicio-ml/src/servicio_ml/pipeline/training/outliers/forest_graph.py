"""From a fitted isolation forest to an ONNX model of its score."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, helper
from sklearn.ensemble import IsolationForest

from servicio_ml.features.runtimes.scorer import INPUT_NAME, SCORES_NAME
from servicio_ml.pipeline.training.blending.graph import IR_VERSION
from servicio_ml.pipeline.training.estimators import OPSET

NODE, DEPTHS = "TreeEnsembleRegressor", "depths"
ML_DOMAIN, ML_OPSET = "ai.onnx.ml", 3
EULER = 0.5772156649015329
PAIR = 2


def build_forest_graph(forest: IsolationForest, columns: Sequence[int], width: int) -> bytes:
    """Build the ONNX model of exp(-ln 2 · mean depth / usual depth), `[n, 1]`.

    The converter of skl2onnx has no missing values, and answers with the depth in several operators, which
    no table of trees can hold.

    Args:
        forest: Fitted on some columns.
        columns: Column in the matrix of each column that it was fitted on.
        width: Number of columns of the matrix.
    """
    unit = -np.log(2) / (len(forest.estimators_) * compute_usual_depth(np.array([forest.max_samples_]))[0])
    nodes: dict[str, Any] = {}
    for tree, each in enumerate(forest.estimators_):
        _add_tree(nodes, tree, each.tree_, columns, float(unit))
    return _build_model(nodes, width)


def _build_model(nodes: dict[str, Any], width: int) -> bytes:
    """Build the model of one operator of trees and an exponential."""
    trees = helper.make_node(
        NODE, [INPUT_NAME], [DEPTHS], domain=ML_DOMAIN, n_targets=1, post_transform="NONE", **nodes
    )
    graph = helper.make_graph(
        [trees, helper.make_node("Exp", [DEPTHS], [SCORES_NAME])],
        "isolation_forest",
        [helper.make_tensor_value_info(INPUT_NAME, TensorProto.FLOAT, [None, width])],
        [helper.make_tensor_value_info(SCORES_NAME, TensorProto.FLOAT, [None, 1])],
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(ML_DOMAIN, ML_OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
    return bytes(model.SerializeToString())


def compute_usual_depth(rows: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Compute the mean depth of a row in a random tree of each number of rows, `[n]`.

    2 (ln(n - 1) + γ) - 2 (n - 1) / n, the depth of an unsuccessful search in a binary tree (Liu et al. 2008).
    """
    depths = np.where(rows == PAIR, 1.0, 0.0)
    many = rows > PAIR
    number = rows[many].astype(np.float64)
    depths[many] = 2 * (np.log(number - 1) + EULER) - 2 * (number - 1) / number
    return depths


def _add_tree(nodes: dict[str, Any], number: int, tree: Any, columns: Sequence[int], unit: float) -> None:
    """Add the nodes and leaves of a tree: a leaf holds its depth and that of the rows which end in it."""
    is_leaf, count = tree.children_left < 0, tree.node_count
    places = np.arange(count)
    attributes = {
        "nodes_treeids": np.full(count, number),
        "nodes_nodeids": places,
        "nodes_featureids": np.where(is_leaf, 0, np.asarray(columns)[np.maximum(tree.feature, 0)]),
        "nodes_values": np.where(is_leaf, 0.0, round_down(tree.threshold)),
        "nodes_modes": np.where(is_leaf, "LEAF", "BRANCH_LEQ"),
        "nodes_truenodeids": np.where(is_leaf, 0, tree.children_left),
        "nodes_falsenodeids": np.where(is_leaf, 0, tree.children_right),
        "nodes_missing_value_tracks_true": np.where(is_leaf, 0, tree.missing_go_to_left),
    }
    depths = tree.compute_node_depths() - 1 + compute_usual_depth(tree.n_node_samples)
    leaves = {
        "target_treeids": np.full(count, number)[is_leaf],
        "target_nodeids": places[is_leaf],
        "target_ids": np.zeros(int(is_leaf.sum()), dtype=int),
        "target_weights": unit * depths[is_leaf],
    }
    for name, values in {**attributes, **leaves}.items():
        nodes.setdefault(name, []).extend(values.tolist())


def round_down(thresholds: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Round thresholds to the float32 at most as large, which parts the same float32 values."""
    rounded = thresholds.astype(np.float32)
    above = rounded.astype(np.float64) > thresholds
    rounded[above] = np.nextafter(rounded[above], np.float32(-np.inf))
    return rounded

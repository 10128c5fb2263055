"""Thresholds of trees in float64, which converters round to float32.

A scaled value may be as close to a threshold as rounding; only float64 then decides as the library.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from onnx import helper, numpy_helper

VALUES = "nodes_values"
LEAF, AT_MOST = b"LEAF", b"BRANCH_LEQ"


def restore_thresholds(model: Any, estimator: Any) -> None:
    """Write the thresholds of scikit-learn's histogram boosting into its converted model of float64.

    Args:
        model: The converted model, changed in place.
        estimator: A fitted `HistGradientBoostingClassifier` or `HistGradientBoostingRegressor`.
    """
    trees = [tree.nodes for iteration in estimator._predictors for tree in iteration]  # noqa: SLF001  no other way
    node, attributes = _find_trees(model)
    rounded = np.array(attributes[VALUES].floats, dtype=np.float32)
    places = zip(attributes["nodes_treeids"].ints, attributes["nodes_nodeids"].ints, strict=True)
    exact = np.array([trees[tree]["num_threshold"][place] for tree, place in places], dtype=np.float64)
    # leaves have no threshold
    leaf = np.array([mode == LEAF for mode in attributes["nodes_modes"].strings])
    exact = np.where(leaf, 0.0, exact)
    if np.array_equal(exact[~leaf].astype(np.float32), rounded[~leaf]):
        _write_thresholds(node, attributes, exact)
    # else the nodes are numbered in another way by another version of the converter


def restore_lightgbm_thresholds(model: Any, estimator: Any) -> bool:
    """Write the thresholds of LightGBM into its converted model; return whether it reads float64 now.

    Args:
        model: The converted model, changed in place; it stays as it is where a tree has two thresholds of a
            column that are one in float32.
        estimator: A `Booster`, or an estimator that has one.
    """
    node, attributes = _find_trees(model)
    known = _read_lightgbm_thresholds(getattr(estimator, "booster_", estimator).dump_model())
    splits = zip(
        attributes["nodes_treeids"].ints, attributes["nodes_featureids"].ints,
        attributes["nodes_modes"].strings, np.array(attributes[VALUES].floats, dtype=np.float32), strict=True,
    )  # fmt: skip
    # the code of a category is exact
    found = [
        known.get((tree, column, value), set()) if mode == AT_MOST else {float(value)}
        for tree, column, mode, value in splits
    ]
    if any(len(each) != 1 for each in found):
        return False
    _write_thresholds(node, attributes, np.array([min(each) for each in found], dtype=np.float64))
    return True


def _read_lightgbm_thresholds(dump: Mapping[str, Any]) -> dict[tuple[int, int, Any], set[float]]:
    """Read the thresholds of each tree and column, by their value in float32."""
    known: dict[tuple[int, int, Any], set[float]] = {}
    with np.errstate(over="ignore"):
        for tree in dump["tree_info"]:
            for column, threshold in _list_splits(tree["tree_structure"]):
                key = (tree["tree_index"], column, np.float32(threshold))
                known.setdefault(key, set()).add(threshold)
    return known


def _list_splits(root: Mapping[str, Any]) -> Iterator[tuple[int, float]]:
    """List the column and the threshold of each split of a tree of LightGBM by a number."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if "split_feature" not in node:
            continue
        if node["decision_type"] == "<=":
            yield node["split_feature"], node["threshold"]
        waiting += [node["left_child"], node["right_child"]]


def _find_trees(model: Any) -> tuple[Any, dict[str, Any]]:
    node = next(each for each in model.graph.node if each.op_type.startswith("TreeEnsemble"))
    return node, {each.name: each for each in node.attribute}


def _write_thresholds(node: Any, attributes: Mapping[str, Any], exact: Any) -> None:
    node.attribute.remove(attributes[VALUES])
    node.attribute.append(
        helper.make_attribute(f"{VALUES}_as_tensor", numpy_helper.from_array(exact, VALUES))
    )

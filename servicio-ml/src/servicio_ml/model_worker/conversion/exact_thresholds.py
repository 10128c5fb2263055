"""Thresholds of scikit-learn's histogram boosting in float64, which skl2onnx rounds to float32.

A scaled value may be as close to a threshold as rounding; only float64 then decides as the library.
"""

from typing import Any

import numpy as np
from onnx import helper, numpy_helper

VALUES = "nodes_values"


def restore_thresholds(model: Any, estimator: Any) -> None:
    """Write the thresholds of an estimator into its converted model, which reads float64.

    Args:
        model: The converted model, changed in place.
        estimator: A fitted `HistGradientBoostingClassifier` or `HistGradientBoostingRegressor`.
    """
    trees = [tree.nodes for iteration in estimator._predictors for tree in iteration]  # noqa: SLF001  no other way
    node = next(each for each in model.graph.node if each.op_type.startswith("TreeEnsemble"))
    attributes = {each.name: each for each in node.attribute}
    rounded = np.array(attributes[VALUES].floats, dtype=np.float32)
    places = zip(attributes["nodes_treeids"].ints, attributes["nodes_nodeids"].ints, strict=True)
    exact = np.array([trees[tree]["num_threshold"][place] for tree, place in places], dtype=np.float64)
    # leaves have no threshold
    leaf = np.array([mode == b"LEAF" for mode in attributes["nodes_modes"].strings])
    exact = np.where(leaf, 0.0, exact)
    if not np.array_equal(exact[~leaf].astype(np.float32), rounded[~leaf]):
        # numbered in another way by another version of the converter
        return
    node.attribute.remove(attributes[VALUES])
    node.attribute.append(
        helper.make_attribute(f"{VALUES}_as_tensor", numpy_helper.from_array(exact, VALUES))
    )

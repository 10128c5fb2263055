"""Way of missing values in scikit-learn's trees, which skl2onnx loses."""

from typing import Any

TREES_ATTRIBUTE = "nodes_missing_value_tracks_true"


def restore_gaps(model: Any, estimator: Any) -> None:
    """Write into the converted trees of an estimator which way missing values take.

    Args:
        model: The converted model, changed in place.
        estimator: A tree or a forest of scikit-learn; any other estimator is left alone.
    """
    trees = _list_trees(estimator)
    nodes = [each for each in model.graph.node if each.op_type.startswith("TreeEnsemble")]
    if not trees or len(nodes) != 1:
        return
    attributes = {each.name: each for each in nodes[0].attribute}
    ways = [
        int(trees[tree].missing_go_to_left[node])
        for tree, node in zip(attributes["nodes_treeids"].ints, attributes["nodes_nodeids"].ints, strict=True)
    ]
    if TREES_ATTRIBUTE in attributes:
        nodes[0].attribute.remove(attributes[TREES_ATTRIBUTE])
    from onnx import helper

    nodes[0].attribute.append(helper.make_attribute(TREES_ATTRIBUTE, ways))


def _list_trees(estimator: Any) -> list[Any]:
    """List the trees of a tree or a forest; empty for others."""
    found = getattr(estimator, "estimators_", None)
    members = [estimator] if hasattr(estimator, "tree_") else found if isinstance(found, list) else []
    trees = [getattr(each, "tree_", None) for each in members]
    known = all(hasattr(each, "missing_go_to_left") for each in trees)
    return trees if trees and known else []

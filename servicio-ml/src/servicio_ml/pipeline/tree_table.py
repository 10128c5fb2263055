"""From an ONNX model of trees to its table, which is kept where it gives the same scores."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from servicio_ml.features.encoder import Matrix
from servicio_ml.features.runtimes.scorer import INPUT_NAME, OnnxScorer
from servicio_ml.features.runtimes.tree_layout import (
    COLUMN_SHIFT,
    LANES,
    LEAF_BIT,
    MAX_COLUMNS,
    MAX_NODES,
    MISSING_LEFT_BIT,
)
from servicio_ml.features.runtimes.tree_scorer import TreeScorer
from servicio_ml.features.runtimes.tree_table import (
    NODE,
    Link,
    TreeTable,
    get_table_path,
    read_columns,
)

OPERATORS = {"TreeEnsembleClassifier": "class", "TreeEnsembleRegressor": "target"}
"""Prefix of the attributes of the leaves by operator."""
EXPONENTIAL = b"EXP"
"""Name here of what is an operator of its own in the graph."""
LINKS = {
    b"NONE": Link.IDENTITY,
    EXPONENTIAL: Link.EXPONENTIAL,
    b"LOGISTIC": Link.LOGISTIC,
    b"SOFTMAX": Link.SOFTMAX,
}
LEAF, AT_MOST, BELOW = b"LEAF", b"BRANCH_LEQ", b"BRANCH_LT"
CHECKED_ROWS, CHECKED_NODES = 512, 512
TOLERANCE = 1e-5
"""Maximum difference of a score, relative where it is above 1: sums of float32 depend on their order."""
SEED = 1
Attributes = Mapping[str, Any]
Floats = npt.NDArray[np.float64]


def write_tree_table(model: Path, matrix: Matrix) -> None:
    """Write the table of an ONNX file beside it; none where the model is something else or isolated.

    Args:
        model: The file.
        matrix: Rows `[n, features]` on which both are compared.
    """
    table = build_tree_table(model.read_bytes(), matrix) if model.exists() else None
    if table is not None:
        table.write(get_table_path(model))


def build_tree_table(model: bytes, matrix: Matrix) -> TreeTable | None:
    """Build the table of a model; None where the model is something else, or the table scores otherwise.

    Args:
        model: ONNX model.
        matrix: Rows `[n, features]` on which both are compared, as they are and at thresholds of the model.
    """
    try:
        table = _build_table(*_read_ensemble(model), matrix.shape[1])
    except _UnknownTreesError:
        return None
    rows = _select_rows(matrix, table)
    theirs, mine = OnnxScorer(model).score(rows).reshape(len(rows), -1), TreeScorer(table).score(rows)
    if mine.shape != theirs.shape:
        return None
    return table if np.all(np.abs(mine - theirs) <= TOLERANCE * np.maximum(1, np.abs(theirs))) else None


def _read_ensemble(model: bytes) -> tuple[Attributes, str]:
    """Read the only operator with trees: its attributes, and the prefix of those of its leaves."""
    graph = onnx.load_model_from_string(model).graph
    nodes = [each for each in graph.node if each.op_type in OPERATORS]
    # trees that read what other operators have made of the matrix have other columns
    if len(nodes) != 1 or nodes[0].input[0] != INPUT_NAME:
        raise _UnknownTreesError
    attributes = {each.name: onnx.helper.get_attribute_value(each) for each in nodes[0].attribute}
    if any(each.op_type == "Exp" for each in graph.node):
        attributes["post_transform"] = EXPONENTIAL
    return attributes, OPERATORS[nodes[0].op_type]


class _UnknownTreesError(Exception):
    """The trees have something that a table cannot hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tree:
    """A tree whose nodes are in the table: its root, its depth, and the sum that its leaves are added to."""

    root: int
    depth: int
    output: int


def _build_table(attributes: Attributes, prefix: str, columns: int) -> TreeTable:
    link = _read_link(attributes, columns)
    nodes, trees = _place_trees(attributes, _read_leaves(attributes, prefix))
    outputs = sorted({tree.output for tree in trees})
    # the only sum of two classes may have the id of either
    if link is Link.LOGISTIC and len(outputs) == 1:
        trees, outputs = [replace(tree, output=0) for tree in trees], [0]
    if outputs != list(range(len(outputs))) or (link is Link.LOGISTIC and len(outputs) > 1):
        raise _UnknownTreesError
    base = np.zeros(len(outputs))
    base += attributes.get("base_values") or 0.0
    return _group(nodes, trees, base, link, columns)


def _read_link(attributes: Attributes, columns: int) -> Link:
    """Read the function from the sums to the scores of trees that a table can hold."""
    modes = attributes["nodes_modes"]
    link = LINKS.get(attributes.get("post_transform", b"NONE"))
    is_known = not set(modes) - {LEAF, AT_MOST, BELOW} and len(modes) < MAX_NODES and columns <= MAX_COLUMNS
    if link is None or not is_known or attributes.get("aggregate_function", b"SUM") != b"SUM":
        raise _UnknownTreesError
    return link


def _read_leaves(attributes: Attributes, prefix: str) -> dict[tuple[int, int], tuple[int, float]]:
    """Read the sum and the value of each leaf by tree and node."""
    names = ("treeids", "nodeids", "ids", "weights")
    columns = (attributes[f"{prefix}_{name}"] for name in names)
    leaves = {(tree, node): (output, value) for tree, node, output, value in zip(*columns, strict=True)}
    if len(leaves) != len(attributes[f"{prefix}_weights"]):
        raise _UnknownTreesError  # several values a leaf, as in forests of more than one class
    return leaves


def _place_trees(
    attributes: Attributes, leaves: Mapping[tuple[int, int], tuple[int, float]]
) -> tuple[list[tuple[float, int]], list[_Tree]]:
    """Lay out the nodes of each tree level by level, children side by side; a last node is a leaf of zero."""
    places = {
        key: place
        for place, key in enumerate(
            zip(attributes["nodes_treeids"], attributes["nodes_nodeids"], strict=True)
        )
    }
    # the first node of a tree is its root; of several values of a key the last one stays
    roots = dict(reversed(places))
    nodes: list[tuple[float, int]] = []
    trees = [
        _place_tree(attributes, leaves, places, (tree, roots[tree]), nodes)
        for tree in dict.fromkeys(attributes["nodes_treeids"])
    ]
    nodes.append((0.0, 1 << LEAF_BIT | len(nodes)))
    return nodes, trees


def _place_tree(
    attributes: Attributes, leaves: Mapping[tuple[int, int], tuple[int, float]],
    places: Mapping[tuple[int, int], int], first: tuple[int, int], nodes: list[tuple[float, int]],
) -> _Tree:  # fmt: skip
    (tree, root_node), root, depth, outputs = first, len(nodes), 0, set[int]()
    nodes.append((0.0, 0))
    waiting = deque([(root_node, root, 0)])
    while waiting:
        node, place, depth = waiting.popleft()
        source = places[tree, node]
        if attributes["nodes_modes"][source] == LEAF:
            output, value = leaves[tree, node]
            outputs.add(output)
            nodes[place] = (value, 1 << LEAF_BIT | place)
            continue
        left = len(nodes)
        nodes[place] = (_read_threshold(attributes, source), _build_link(attributes, source, left))
        nodes += [(0.0, 0)] * 2
        for side, name in enumerate(("nodes_truenodeids", "nodes_falsenodeids")):
            waiting.append((attributes[name][source], left + side, depth + 1))
    if len(outputs) != 1:
        raise _UnknownTreesError
    return _Tree(root=root, depth=depth, output=outputs.pop())


def _read_threshold(attributes: Attributes, place: int) -> float:
    value = np.float32(attributes["nodes_values"][place])
    # below a number is at most the next smaller one
    is_below = attributes["nodes_modes"][place] == BELOW
    return float(np.nextafter(value, np.float32(-np.inf)) if is_below else value)


def _build_link(attributes: Attributes, place: int, left: int) -> int:
    tracks = attributes.get("nodes_missing_value_tracks_true")
    goes_left: int = tracks[place] if tracks else 0
    column: int = attributes["nodes_featureids"][place]
    return goes_left << MISSING_LEFT_BIT | column << COLUMN_SHIFT | left


def _group(
    nodes: Sequence[tuple[float, int]], trees: Sequence[_Tree], base: Floats, link: Link, columns: int
) -> TreeTable:
    """Group trees of one sum and of about the same depth; lanes without a tree get the leaf of zero."""
    roots: list[int] = []
    depths: list[int] = []
    outputs: list[int] = []
    ordered = sorted(trees, key=lambda tree: (tree.output, tree.depth))
    for output, members in groupby(ordered, key=lambda tree: tree.output):
        while group := [*islice(members, LANES)]:
            roots += [tree.root for tree in group] + [len(nodes) - 1] * (LANES - len(group))
            depths.append(group[-1].depth)
            outputs.append(output)
    return TreeTable(
        nodes=np.array(list(nodes), dtype=NODE), roots=np.array(roots, dtype=np.int32),
        depths=np.array(depths, dtype=np.int32), outputs=np.array(outputs, dtype=np.int32),
        base=base, link=link, columns=columns,
    )  # fmt: skip


def _select_rows(matrix: Matrix, table: TreeTable) -> Matrix:
    """Select rows over the matrix, and more with a value at, one step about and missing at a threshold."""
    random = np.random.default_rng(SEED)
    inner = table.nodes[table.nodes["link"] >> LEAF_BIT == 0]
    chosen = inner[random.permutation(len(inner))[:CHECKED_NODES]]
    columns = read_columns(chosen["link"])
    plain = matrix[np.unique(np.linspace(0, len(matrix) - 1, CHECKED_ROWS).astype(np.intp))]
    parts = [plain]
    for value in (
        chosen["value"], np.nextafter(chosen["value"], np.float32(-np.inf)),
        np.nextafter(chosen["value"], np.float32(np.inf)), np.full(len(chosen), np.nan, np.float32),
    ):  # fmt: skip
        rows = plain[random.integers(len(plain), size=len(chosen))]
        rows[np.arange(len(chosen)), columns] = value
        parts.append(rows)
    return np.concatenate(parts)

"""The kernel walks random trees as Python does, and no damaged table gets to it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servicio_ml.errors import ArtifactError
from servicio_ml.features.encoder import Matrix
from servicio_ml.features.runtimes.tree_layout import (
    COLUMN_SHIFT,
    LANES,
    LEAF_BIT,
    MAX_COLUMNS,
    MAX_NODES,
    MISSING_LEFT_BIT,
)
from servicio_ml.features.runtimes.tree_scorer import BLOCK_ROWS, MAX_ROWS_KEEPING, TreeScorer
from servicio_ml.features.runtimes.tree_table import (
    NODE,
    Link,
    TreeTable,
)

COLUMNS = 3
VALUES = (-np.inf, -1.5, -0.0, 0.0, 0.5, 2.0, np.inf, np.nan)
Random = np.random.Generator


def fill_tree(random: Random, nodes: list[tuple[float, int]], place: int, levels: int) -> int:
    """Fill a node of the list with a random tree, and return its depth."""
    if levels == 0 or random.random() < 0.2:
        nodes[place] = (float(random.normal()), 1 << LEAF_BIT | place)
        return 0
    left = len(nodes)
    nodes += [(0.0, 0)] * 2
    column, missing_left = int(random.integers(COLUMNS)), int(random.integers(2))
    threshold = float(random.choice(VALUES[:-1]))
    nodes[place] = (threshold, missing_left << MISSING_LEFT_BIT | column << COLUMN_SHIFT | left)
    return 1 + max(fill_tree(random, nodes, left + side, levels - 1) for side in (0, 1))


def build_table(seed: int, groups: int = 3, outputs: int = 1, link: Link = Link.IDENTITY) -> TreeTable:
    random = np.random.default_rng(seed)
    nodes: list[tuple[float, int]] = []
    roots, depths = [], []
    for _ in range(groups):
        deepest = 0
        for _ in range(LANES):
            roots.append(len(nodes))
            nodes.append((0.0, 0))
            deepest = max(deepest, fill_tree(random, nodes, roots[-1], int(random.integers(6))))
        depths.append(deepest)
    return TreeTable(
        nodes=np.array(nodes, dtype=NODE), roots=np.array(roots, dtype=np.int32),
        depths=np.array(depths, dtype=np.int32), outputs=np.arange(groups, dtype=np.int32) % outputs,
        base=random.normal(size=outputs), link=link, columns=COLUMNS,
    )  # fmt: skip


def add_leaves(table: TreeTable, row: Matrix) -> list[float]:
    """Add the leaves of a row, as the kernel should."""
    sums = table.base.tolist()
    for tree, root in enumerate(table.roots):
        value, link = table.nodes[root]
        while not link >> LEAF_BIT:
            given = row[link >> COLUMN_SHIFT & (MAX_COLUMNS - 1)]
            goes_left = link >> MISSING_LEFT_BIT & 1 if np.isnan(given) else given <= value
            value, link = table.nodes[(link & (MAX_NODES - 1)) + (0 if goes_left else 1)]
        sums[table.outputs[tree // LANES]] += float(value)
    return list(sums)


def draw_matrix(rows: int) -> Matrix:
    drawn = np.random.default_rng(rows).choice(VALUES, size=(rows, COLUMNS))
    return drawn.astype(np.float32)


@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(1, 3))
@settings(max_examples=40)
def test_the_kernel_walks_as_python_does(seed: int, groups: int, outputs: int) -> None:
    table, matrix = build_table(seed, groups, min(groups, outputs)), draw_matrix(20)
    np.testing.assert_allclose(
        TreeScorer(table).score(matrix), [add_leaves(table, row) for row in matrix], atol=1e-12
    )


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    "rows", [0, 1, MAX_ROWS_KEEPING, MAX_ROWS_KEEPING + 1, BLOCK_ROWS, 2 * BLOCK_ROWS + 1]
)
def test_every_number_of_rows(rows: int, threads: int) -> None:
    table, matrix = build_table(1, groups=2, outputs=2), draw_matrix(rows)
    expected = np.array([add_leaves(table, row) for row in matrix]).reshape(rows, 2)
    np.testing.assert_allclose(TreeScorer(table, threads=threads).score(matrix), expected, atol=1e-12)
    # as a column-wise slice, whose rows do not follow each other in memory
    wide = np.asfortranarray(np.hstack([matrix, matrix]))[:, :COLUMNS]
    np.testing.assert_allclose(TreeScorer(table).score(wide), expected, atol=1e-12)


@pytest.mark.parametrize("sums", [[[-1e4, 3.0]], [[1e4, -1e4]], [[0.0, 0.0]]])
def test_links(sums: list[list[float]]) -> None:
    array = np.array(sums)
    table = build_table(2, groups=2, outputs=2, link=Link.SOFTMAX)
    shares = TreeScorer(replace(table, base=array[0])).score(draw_matrix(5))
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    binary = replace(build_table(2, link=Link.LOGISTIC), base=array[0, :1])
    both = TreeScorer(binary).score(draw_matrix(5))
    raw = TreeScorer(replace(binary, link=Link.IDENTITY)).score(draw_matrix(5))
    np.testing.assert_allclose(both[:, 1], 1 / (1 + np.exp(np.minimum(-raw[:, 0], 700))))
    np.testing.assert_allclose(both.sum(axis=1), 1)


def test_a_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    table, matrix = build_table(3), draw_matrix(50)
    table.write(tmp_path / "trees.npz")
    scorer = TreeScorer.open(tmp_path / "trees.npz")
    np.testing.assert_array_equal(scorer.score(matrix), TreeScorer(table).score(matrix))


def test_another_number_of_columns_is_refused() -> None:
    with pytest.raises(ValueError, match="the model reads 3 columns, and the matrix has 2"):
        TreeScorer(build_table(1)).score(draw_matrix(4)[:, :2])


def change_link(table: TreeTable, change: Any) -> TreeTable:
    nodes = table.nodes.copy()
    inner = np.flatnonzero(nodes["link"] >> LEAF_BIT == 0)[0]
    nodes["link"][inner] = change(nodes["link"][inner], len(nodes))
    return replace(table, nodes=nodes)


DAMAGES: Mapping[str, Callable[[TreeTable], TreeTable]] = {
    "child after the end": lambda table: change_link(table, lambda _, size: size),
    "sibling after the end": lambda table: change_link(table, lambda _, size: size - 1),
    "leaf after the end": lambda table: change_link(table, lambda _, size: 1 << LEAF_BIT | size),
    "unknown column": lambda table: change_link(table, lambda link, _: link | COLUMNS << COLUMN_SHIFT),
    "no nodes": lambda table: replace(table, nodes=table.nodes[:0]),
    "other nodes": lambda table: replace(table, nodes=table.nodes["link"].astype(np.float64)),
    "root before the start": lambda table: replace(table, roots=table.roots - 1),
    "root after the end": lambda table: replace(table, roots=table.roots + len(table.nodes)),
    "missing root": lambda table: replace(table, roots=table.roots[:-1]),
    "other integers": lambda table: replace(table, roots=table.roots.astype(np.int64)),
    "negative depth": lambda table: replace(table, depths=table.depths - 100),
    "depth without an end": lambda table: replace(table, depths=table.depths + len(table.nodes)),
    "unknown sum": lambda table: replace(table, outputs=table.outputs + 1),
    "missing sum": lambda table: replace(table, outputs=table.outputs[:-1]),
    "other base": lambda table: replace(table, base=table.base.astype(np.float32)),
    "two sums of two classes": lambda table: replace(table, link=Link.LOGISTIC, base=np.zeros(2)),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_table_is_refused(damage: str) -> None:
    with pytest.raises(ArtifactError, match="export the model again"):
        DAMAGES[damage](build_table(1))

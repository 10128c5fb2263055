"""Scorer of a tree table, in this process."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from servicio_ml.features.encoder import Matrix
from servicio_ml.features.runtimes.scorer import Runtime, Scores
from servicio_ml.features.runtimes.tree_kernel import compile_kernels
from servicio_ml.features.runtimes.tree_table import Link, TreeTable

BLOCK_ROWS = 512
"""Number of rows that a call of the kernel takes at most: their values stay in a cache."""
MAX_ROWS_KEEPING = 64
"""Number of rows above which other threads run meanwhile."""
MAX_EXPONENT = 700.0


class TreeScorer:
    """Scorer of a model whose trees stand in a table beside its ONNX file.

    Args:
        table: The trees.
        threads: Number of threads of a call with many rows.
    """

    runtime = Runtime.ONNX
    row_seconds = None

    def __init__(self, table: TreeTable, *, threads: int = 1) -> None:
        self._table, self._kernels = table, compile_kernels()
        self._pool = ThreadPoolExecutor(threads, "servicio-ml-trees") if threads > 1 else None
        arrays = (table.nodes, table.roots, table.depths, table.outputs)
        # read once: an address costs as much as a row of a small model
        self._addresses = tuple(each.ctypes.data for each in arrays)

    @classmethod
    def open(cls, path: Path, *, threads: int = 1) -> "TreeScorer":
        """Open the table of a file.

        Raises:
            ArtifactError: An index leaves the table.
        """
        return cls(TreeTable.read(path), threads=threads)

    def score(self, matrix: Matrix) -> Scores:
        """Compute raw scores of a matrix `[n, features]`.

        Raises:
            ValueError: The matrix has another number of columns than the model.
        """
        table = self._table
        if matrix.shape[1] != table.columns:
            raise ValueError(f"the model reads {table.columns} columns, and the matrix has {matrix.shape[1]}")
        matrix = np.ascontiguousarray(matrix, dtype=np.float32)
        sums = np.empty((len(matrix), len(table.base)))
        sums[:] = table.base
        if self._pool is None:
            for block in _split(len(matrix)):
                self._add_leaves(matrix[block], sums[block])
        else:
            [*self._pool.map(lambda block: self._add_leaves(matrix[block], sums[block]), _split(len(matrix)))]
        return compute_scores(table.link, sums)

    def _add_leaves(self, matrix: Matrix, sums: Scores) -> None:
        rows, columns = matrix.shape
        kernel = self._kernels.keeping if rows <= MAX_ROWS_KEEPING else self._kernels.releasing
        kernel(
            *self._addresses, len(self._table.depths), matrix.__array_interface__["data"][0], columns, rows,
            sums.__array_interface__["data"][0], sums.shape[1],
        )  # fmt: skip


def compute_scores(link: Link, sums: Scores) -> Scores:
    """Compute the scores of sums `[n, sums]`: `[n, classes]`, or `[n, 1]` of a regression."""
    if link is Link.IDENTITY:
        return sums
    if link is Link.EXPONENTIAL:
        exponentials: Scores = np.exp(sums)
        return exponentials
    if link is Link.SOFTMAX:
        # less the maximum, so that no exponential overflows
        shares: Scores = np.exp(sums - sums.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        return shares
    both = np.empty((len(sums), 2))
    # beyond it the exponential overflows, and the share is 0 already
    np.reciprocal(1 + np.exp(np.minimum(-sums[:, 0], MAX_EXPONENT)), out=both[:, 1])
    np.subtract(1, both[:, 1], out=both[:, 0])
    return both


def _split(rows: int) -> Iterator[slice]:
    return (slice(start, start + BLOCK_ROWS) for start in range(0, rows, BLOCK_ROWS))

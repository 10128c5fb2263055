"""Trees of a boosted model as one table of numbers, which a small kernel walks (tree_program.py).

A node takes 8 bytes: 4 of the threshold, or of the value of a leaf, and 4 with the column, the way of missing
values and the index of the left child, whose sibling follows it. 400 trees of 63 leaves take 400 KB.
"""

from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from servicio_ml.errors import ArtifactError
from servicio_ml.features.runtimes.tree_layout import (
    COLUMN_SHIFT,
    LANES,
    LEAF_BIT,
    MAX_COLUMNS,
    MAX_NODES,
)

NODE = np.dtype([("value", "<f4"), ("link", "<u4")])
Integers = npt.NDArray[np.int32]


class Link(StrEnum):
    """Function from the sums of a row to its scores."""

    IDENTITY = "identity"
    EXPONENTIAL = "exponential"
    LOGISTIC = "logistic"
    SOFTMAX = "softmax"


def get_table_path(model: Path) -> Path:
    """Path of the table of an ONNX file; only models that are a sum of trees have one."""
    return model.with_suffix(".trees.npz")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TreeTable:
    """Trees by groups of `LANES`.

    Attributes:
        nodes: Nodes of all trees, `[nodes]` of `NODE`.
        roots: Index of the root of each tree, `[groups * LANES]`.
        depths: Maximum depth of the trees of each group, `[groups]`.
        outputs: Index of the sum to which the leaves of a group are added, `[groups]`.
        base: Start of each sum, `[sums]`.
        link: Function from the sums to the scores.
        columns: Number of columns of the matrix.

    Raises:
        ArtifactError: An index leaves the table.
    """

    nodes: npt.NDArray[Any]
    roots: Integers
    depths: Integers
    outputs: Integers
    base: npt.NDArray[np.float64]
    link: Link
    columns: int

    def __post_init__(self) -> None:
        # the kernel checks nothing: an index out of the table would read memory of others
        if not (self._has_layout() and self._is_within_bounds()):
            raise ArtifactError("the table of trees", "an index leaves it; export the model again")

    def _has_layout(self) -> bool:
        integers = (self.roots, self.depths, self.outputs)
        return (
            self.nodes.dtype == NODE
            and all(each.dtype == np.int32 for each in integers)
            and self.base.dtype == np.float64
            and all(each.ndim == 1 for each in (self.nodes, self.base, *integers))
            and len(self.roots) == LANES * len(self.depths) == LANES * len(self.outputs) > 0
            and (self.link is not Link.LOGISTIC or len(self.base) == 1)
        )

    def _is_within_bounds(self) -> bool:
        links, count = self.nodes["link"], len(self.nodes)
        children, is_inner = links & (MAX_NODES - 1), links >> LEAF_BIT == 0
        return (
            0 < count <= MAX_NODES
            and _is_within(children, count)
            and _is_within(children[is_inner] + 1, count)
            and _is_within(read_columns(links), self.columns)
            and _is_within(self.roots, count)
            and _is_within(self.depths, count)
            and _is_within(self.outputs, len(self.base))
        )

    def write(self, path: Path) -> None:
        """Write the table to a file."""
        np.savez(path, allow_pickle=False, **{each.name: getattr(self, each.name) for each in fields(self)})

    @classmethod
    def read(cls, path: Path) -> "TreeTable":
        """Read the table of a file.

        Raises:
            ArtifactError: An index leaves the table.
        """
        with np.load(path, allow_pickle=False) as file:
            arrays = {each.name: file[each.name] for each in fields(cls)}
        return cls(**{**arrays, "link": Link(str(arrays["link"])), "columns": int(arrays["columns"])})


def read_columns(links: npt.NDArray[np.uint32]) -> npt.NDArray[np.integer[Any]]:
    """Read the columns of links, `[n]`."""
    return links >> COLUMN_SHIFT & (MAX_COLUMNS - 1)


def _is_within(indices: npt.NDArray[Any], end: int) -> bool:
    return bool(np.all((indices >= 0) & (indices < end)))

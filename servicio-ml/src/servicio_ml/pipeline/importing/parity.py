"""Proof that a converted model answers as its library does, row by row."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pandas as pd

from servicio_ml.features.encoder import Matrix
from servicio_ml.model_worker.conversion.input_columns import NUMBER, InputColumn
from servicio_ml.pipeline.training.export import PARITY_TOLERANCE

MAX_ROWS = 10_000
MAX_BOUNDARIES = 2_000
SEED = 1234
ROUNDED, EXACT = "nodes_values", "nodes_values_as_tensor"
"""Attributes of trees with their thresholds."""
Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """Comparison of two models.

    Attributes:
        rows: Number of rows.
        difference: Greatest difference of a score, relative where it is above 1.
        example: The row of the greatest difference and both answers; empty within the tolerance.
    """

    rows: int
    difference: float
    example: str = ""

    @property
    def holds(self) -> bool:
        return self.difference <= PARITY_TOLERANCE


def compare_scores(frame: pd.DataFrame, mine: Floats, theirs: Floats) -> Parity:
    """Compare the scores of the same rows.

    Args:
        frame: The rows, by field.
        mine: Scores of the converted model `[n, classes]`.
        theirs: Scores of its library `[n, classes]`.
    """
    difference = np.abs(mine.reshape(theirs.shape) - theirs) / np.maximum(1.0, np.abs(theirs))
    # a score that is no number differs from every number
    largest = np.where(np.isnan(difference), np.inf, difference).max(axis=1)
    worst = int(largest.argmax())
    if largest[worst] <= PARITY_TOLERANCE:
        return Parity(rows=len(frame), difference=float(largest[worst]))
    row = ", ".join(
        f"{name} {value!r}" for name, value in frame.iloc[worst : worst + 1].to_dict("records")[0].items()
    )
    example = (
        f"{int((largest > PARITY_TOLERANCE).sum())} of {len(frame)} rows differ, such as {row}: its library"
        f" gives {theirs[worst].tolist()}, the conversion {mine.reshape(theirs.shape)[worst].tolist()}"
    )
    return Parity(rows=len(frame), difference=float(largest[worst]), example=example)


def select_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """Select at most `MAX_ROWS` rows, evenly over the file."""
    places = np.unique(np.linspace(0, len(frame) - 1, min(len(frame), MAX_ROWS)).astype(int))
    return frame.iloc[places].reset_index(drop=True)


def build_matrix_rows(matrix: Matrix, columns: Sequence[InputColumn]) -> Matrix:
    """Select at most `MAX_ROWS` rows of a matrix, evenly, and add one for each missing value."""
    places = np.unique(np.linspace(0, len(matrix) - 1, min(len(matrix), MAX_ROWS)).astype(int))
    nullable = [each.place for each in columns if each.nullable]
    gaps = np.repeat(matrix[:1], len(nullable), axis=0)
    gaps[np.arange(len(nullable)), nullable] = np.nan
    return np.concatenate([matrix[places], gaps])


def build_gap_rows(frame: pd.DataFrame, nullable: Sequence[str]) -> pd.DataFrame:
    """Build rows with each missing value that may come: one field after the other, then all."""
    if not nullable:
        return frame.iloc[:0]
    rows = frame.iloc[np.arange(len(nullable) + 1) % len(frame)].reset_index(drop=True)
    for place, name in enumerate(nullable):
        # a copy of integers with a gap is a column of floats, as in a file
        rows[name] = rows[name].mask(rows.index.isin([place, len(nullable)]))
    return rows


def build_boundary_rows(
    frame: pd.DataFrame, columns: Sequence[InputColumn], converted: bytes
) -> pd.DataFrame:
    """Build rows with a number one float32 step below and above each threshold of the trees, up to a maximum.

    Trees that read scaled numbers have thresholds of those; they are not among the rows.
    """
    thresholds = _list_thresholds(converted, columns)
    chosen = np.random.default_rng(SEED).permutation(len(thresholds))[: MAX_BOUNDARIES // 2]
    values = [(thresholds[place][0], side) for place in chosen for side in _step(thresholds[place][1])]
    rows = frame.iloc[np.arange(len(values)) % len(frame)].reset_index(drop=True)
    for name in {name for name, _ in values}:
        own = rows[name].astype(np.float64).to_numpy(copy=True)
        for place, (other, value) in enumerate(values):
            if other == name:
                own[place] = value
        rows[name] = own
    return rows


def _step(threshold: float) -> tuple[float, float]:
    nearest = np.float32(threshold)
    return tuple(float(np.nextafter(nearest, np.float32(end))) for end in (-np.inf, np.inf))  # type: ignore[return-value]


def _list_thresholds(converted: bytes, columns: Sequence[InputColumn]) -> list[tuple[str, float]]:
    """List the thresholds of trees that read the columns as they are, with the column of each."""
    if any(each.is_text for each in columns):
        return []
    # a whole number is never beside a threshold
    names = {place: each.field for place, each in enumerate(columns) if each.type == NUMBER and each.field}
    nodes = onnx.load_model_from_string(converted).graph.node
    return [
        (names[place], value)
        for node in nodes
        if node.op_type.startswith("TreeEnsemble")
        for place, value in _list_splits(node)
        if place in names
    ]


def _list_splits(node: Any) -> list[tuple[int, float]]:
    """List the column and the threshold of each split of an ensemble of trees."""
    found = {each.name: each for each in node.attribute}
    if EXACT in found:
        values = onnx.numpy_helper.to_array(found[EXACT].t).tolist()
    elif ROUNDED in found:
        values = found[ROUNDED].floats
    else:
        return []
    splits = zip(
        found["nodes_featureids"].ints,
        values,
        found["nodes_modes"].strings,
        strict=True,
    )
    return [(place, value) for place, value, mode in splits if mode != b"LEAF"]

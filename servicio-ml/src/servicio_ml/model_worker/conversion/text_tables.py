"""Steps on texts as tables: a text has finitely many levels, and a step gives the same for the same level."""

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from ..errors import UnconvertibleError
from .graph import Graph
from .input_columns import CATEGORY, InputColumn
from .step_columns import Frame

MAX_LEVELS = 20_000
"""Maximum number of levels of a column that a step is tabulated for."""


def add_text_step(step: Any, frame: Frame, graph: Graph) -> Frame:
    """Add a step on texts whose outputs each depend on one column.

    Raises:
        UnconvertibleError: The step reads numbers too or too many levels, or combines columns.
    """
    columns = _list_texts(step, frame)
    base, tables = _compute_tables(step, columns)
    changed = np.array([(table != base[None, :]).any(axis=0) for table in tables])
    if (changed.sum(axis=0) > 1).any():
        raise UnconvertibleError(f"{type(step).__name__} combines the texts of several columns")
    # outputs of no column's own are the same for all rows: the first table holds them
    changed[0] |= ~changed.any(axis=0)
    parts = [
        graph.take_rows(
            graph.select_columns(each.tensor, [each.place]),
            np.where(own[None, :], table, 0.0),
            nullable=text.nullable,
        )
        for each, text, table, own in zip(frame.columns, columns, tables, changed, strict=True)
    ]
    total = parts[0] if len(parts) == 1 else graph.add("Sum", *parts)
    return Frame.from_tensor(total, find_output_names(step), len(base))


def find_output_names(step: Any) -> list[str]:
    """Find the names of the columns that a step gives; empty where it does not know them."""
    try:
        return [str(each) for each in step.get_feature_names_out()]
    except Exception:  # noqa: BLE001  a custom step, or one of its members, may not know
        return []


def _list_texts(step: Any, frame: Frame) -> list[InputColumn]:
    texts = [each.text for each in frame.columns if each.text is not None]
    if len(texts) < len(frame.columns):
        mixed = next(each.name for each in frame.columns if each.text is None)
        raise UnconvertibleError(f"{type(step).__name__} reads texts beside the number {mixed!r}")
    for each in texts:
        if len(each.levels) > MAX_LEVELS:
            raise UnconvertibleError(f"{each.name!r} has more than {MAX_LEVELS} levels")
    return texts


def _compute_tables(step: Any, columns: list[InputColumn]) -> tuple[Any, list[Any]]:
    """Compute the outputs of a row of first levels, and by column those of its levels, `[levels, outputs]`.

    A column that may be missing has another row for that.
    """
    values = [[*each.levels, *([float("nan")] if each.nullable else [])] for each in columns]
    rows: list[list[Any]] = [[own[0] for own in values]]
    for place, own in enumerate(values):
        rows.extend([*rows[0][:place], level, *rows[0][place + 1 :]] for level in own)
    found = step.transform(_build_frame(columns, rows))
    outputs = np.asarray(found.toarray() if hasattr(found, "toarray") else found, dtype=np.float64)
    ends = np.cumsum([1, *(len(own) for own in values)])
    return outputs[0], [outputs[start:stop] for start, stop in pairwise(ends)]


def _build_frame(columns: list[InputColumn], rows: list[list[Any]]) -> pd.DataFrame:
    frame = pd.DataFrame({each.name: pd.Series([row[i] for row in rows]) for i, each in enumerate(columns)})
    for each in columns:
        if each.type == CATEGORY:
            frame[each.name] = pd.Categorical(frame[each.name], categories=list(each.levels))
    return frame

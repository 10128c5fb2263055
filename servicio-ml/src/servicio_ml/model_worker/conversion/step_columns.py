"""Columns between two steps of a model, as tensors of the graph."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import UnconvertibleError
from .graph import FEATURES, Graph
from .input_columns import CATEGORY, InputColumn


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameColumn:
    """One column.

    Attributes:
        name: Name in the data frame of the library.
        tensor: Tensor that holds it.
        place: Column of the tensor.
        text: The input column, of a text; None of a number.
        codes: Texts in the order of the model's own codes, of pandas' category; empty elsewhere.
    """

    name: str
    tensor: str
    place: int
    text: InputColumn | None = None
    codes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Frame:
    """Columns that a step reads."""

    columns: tuple[FrameColumn, ...]

    @classmethod
    def from_tensor(cls, tensor: str, names: Sequence[str], width: int = 0) -> "Frame":
        """Build a frame of all columns of a tensor; of unknown width where there are no names."""
        if not names and not width:
            return cls((FrameColumn(name="", tensor=tensor, place=-1),))
        names = names or [""] * width
        return cls(tuple(FrameColumn(name=name, tensor=tensor, place=i) for i, name in enumerate(names)))

    @property
    def has_text(self) -> bool:
        return any(each.text is not None for each in self.columns)

    def select(self, wanted: Any) -> "Frame":
        """Select columns as scikit-learn's ColumnTransformer names them: names, places, a slice or a mask."""
        names = [each.name for each in self.columns]
        if isinstance(wanted, slice):
            start, stop = (
                names.index(end) + shift if isinstance(end, str) else end
                for end, shift in ((wanted.start, 0), (wanted.stop, 1))
            )
            return Frame(self.columns[slice(start, stop, wanted.step)])
        found = np.atleast_1d(np.asarray(wanted))
        if found.dtype == bool:
            found = np.flatnonzero(found)
        places = [names.index(str(each)) if found.dtype.kind in "UOT" else int(each) for each in found]
        return Frame(tuple(self.columns[place] for place in places))

    def join(self, graph: Graph) -> str:
        """Add one float64 tensor of all columns `[n, columns]`.

        Raises:
            UnconvertibleError: A column is a text whose codes are not part of the model.
        """
        parts: list[str] = []
        run: list[FrameColumn] = []
        for each in (*self.columns, None):
            if run and (each is None or each.tensor != run[0].tensor or each.text or run[0].text):
                parts.append(_select_tensor(graph, run))
                run = []
            run = run if each is None else [*run, each]
        return graph.join(parts)


def _select_tensor(graph: Graph, run: Sequence[FrameColumn]) -> str:
    first = run[0]
    if first.text is None:
        whole = first.place < 0
        return first.tensor if whole else graph.select_columns(first.tensor, [each.place for each in run])
    if not first.codes:
        raise UnconvertibleError(f"the estimator reads the text of {first.name!r} itself")
    order = {text: float(code) for code, text in enumerate(first.codes)}
    table = [order.get(level, float("nan")) for level in first.text.levels] + [float("nan")]
    codes = graph.select_columns(first.tensor, [first.place])
    return graph.take_rows(codes, np.array(table, dtype=np.float64).reshape(-1, 1), nullable=True)


def build_input_frame(
    graph: Graph, columns: Sequence[InputColumn], categories: Mapping[str, tuple[str, ...]]
) -> Frame:
    """Build the frame that the model reads from the platform's matrix."""
    numbers = graph.restore_decimals({each.place: each.decimals for each in columns})
    return Frame(
        tuple(
            FrameColumn(
                name=each.name, tensor=FEATURES if each.is_text else numbers, place=each.place,
                text=each if each.is_text else None,
                codes=_find_codes(each, categories),
            )
            for each in columns
        )
    )  # fmt: skip


def _find_codes(column: InputColumn, categories: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    # the library keeps its own order; without one it is pandas' order of the frame
    return categories.get(column.name, ()) if column.type == CATEGORY else ()

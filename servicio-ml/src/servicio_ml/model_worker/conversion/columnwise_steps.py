"""scikit-learn's steps that fill, scale and bin each column, in float64: skl2onnx writes them in float32."""

from collections.abc import Callable
from typing import Any

import numpy as np

from .graph import Graph


def _fill_gaps(step: Any, tensor: str, graph: Graph) -> str | None:
    values = np.asarray(step.statistics_, dtype=np.float64)
    # an empty column is dropped, and another mark of a missing value is skl2onnx's to read
    if np.isnan(values).any() or not _is_nan(step.missing_values):
        return None
    missing = graph.add("IsNaN", tensor)
    filled = graph.add("Where", missing, graph.add_constant(values), tensor)
    if step.indicator_ is None:
        return filled
    marks = graph.select_columns(
        graph.cast(missing, double=True), [int(place) for place in step.indicator_.features_]
    )
    return graph.join([filled, marks])


def _sort_into_bins(step: Any, tensor: str, graph: Graph) -> str:
    parts = []
    for place, edges in enumerate(step.bin_edges_):
        value = graph.select_columns(tensor, [place])
        code = graph.count_reached(value, edges[1:-1])
        if step.encode != "ordinal":
            codes = graph.add_constant(np.arange(len(edges) - 1, dtype=np.float64)[None, :])
            code = graph.cast(graph.add("Equal", code, codes), double=True)
        parts.append(code)
    return graph.join(parts)


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and bool(np.isnan(value))


def _scale_standard(step: Any, tensor: str, graph: Graph) -> str:
    shifted = tensor if step.mean_ is None else _apply("Sub", tensor, step.mean_, graph)
    return shifted if step.scale_ is None else _apply("Div", shifted, step.scale_, graph)


def _scale_robust(step: Any, tensor: str, graph: Graph) -> str:
    shifted = _apply("Sub", tensor, step.center_, graph) if step.with_centering else tensor
    return _apply("Div", shifted, step.scale_, graph) if step.with_scaling else shifted


def _scale_range(step: Any, tensor: str, graph: Graph) -> str | None:
    if step.clip:
        return None
    return _apply("Add", _apply("Mul", tensor, step.scale_, graph), step.min_, graph)


def _scale_greatest(step: Any, tensor: str, graph: Graph) -> str | None:
    return None if getattr(step, "clip", False) else _apply("Div", tensor, step.scale_, graph)


def _apply(operator: str, tensor: str, values: Any, graph: Graph) -> str:
    return graph.add(operator, tensor, graph.add_constant(np.asarray(values, dtype=np.float64)))


COLUMNWISE: dict[str, Callable[[Any, str, Graph], str | None]] = {
    "KBinsDiscretizer": _sort_into_bins,
    "SimpleImputer": _fill_gaps,
    "StandardScaler": _scale_standard,
    "RobustScaler": _scale_robust,
    "MinMaxScaler": _scale_range,
    "MaxAbsScaler": _scale_greatest,
}
"""Function by name of a step: it adds the step and returns its tensor, or None where skl2onnx shall do it."""

"""Steps before an estimator: those on numbers are converted, those on texts tabulated."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from .graph import Graph
from .numeric_steps import convert_numeric_transformer
from .step_columns import Frame, FrameColumn
from .text_tables import add_text_step, find_output_names


def transform(step: Any, frame: Frame, graph: Graph) -> Frame:
    """Add a fitted step of a pipeline; return the frame that it gives."""
    if step is None or isinstance(step, str):
        return frame
    composite = COMPOSITES.get(type(step).__name__)
    # on texts a pipeline is one step, since its steps hand texts to each other
    if composite is not None and not (frame.has_text and _is_pipeline_of_texts(step)):
        return composite(step, frame, graph)
    if frame.has_text:
        return add_text_step(step, frame, graph)
    tensor = convert_numeric_transformer(step, frame.join(graph), len(frame.columns), graph)
    return Frame.from_tensor(tensor, find_output_names(step), _count_outputs(step, frame))


def _is_pipeline_of_texts(step: Any) -> bool:
    return type(step).__name__ == "Pipeline" and type(step.steps[0][1]).__name__ not in {
        "ColumnTransformer",
        "FeatureUnion",
    }


def _transform_in_turn(step: Any, frame: Frame, graph: Graph) -> Frame:
    for _, each in step.steps:
        frame = transform(each, frame, graph)
    return frame


def _transform_in_parallel(step: Any, frame: Frame, graph: Graph) -> Frame:
    parts = [transform(each, frame, graph) for _, each in step.transformer_list]
    return _name_columns(step, Frame(tuple(column for part in parts for column in part.columns)), graph)


def _transform_columns(step: Any, frame: Frame, graph: Graph) -> Frame:
    parts: list[FrameColumn] = []
    for _, each, wanted in step.transformers_:
        if isinstance(each, str) and each == "drop":
            continue
        chosen = frame.select(wanted)
        if chosen.columns:
            parts.extend(transform(each, chosen, graph).columns)
    return _name_columns(step, Frame(tuple(parts)), graph)


def _name_columns(step: Any, frame: Frame, graph: Graph) -> Frame:
    """Give the columns the names that a later step may know them by."""
    names = find_output_names(step)
    if len(names) != len(frame.columns):
        if any(each.place < 0 for each in frame.columns):
            return Frame.from_tensor(frame.join(graph), names)
        return frame
    return Frame(
        tuple(
            FrameColumn(name=name, tensor=each.tensor, place=each.place, text=each.text, codes=each.codes)
            for name, each in zip(names, frame.columns, strict=True)
        )
    )


def _count_outputs(step: Any, frame: Frame) -> int:
    """Count the columns that a step on numbers gives: by a row of zeros."""
    return int(np.asarray(_run(step, np.zeros((1, len(frame.columns))), frame)).shape[1])


def _run(step: Any, values: Any, frame: Frame) -> Any:
    names = [each.name for each in frame.columns]
    given = pd.DataFrame(values, columns=names) if hasattr(step, "feature_names_in_") else values
    found = step.transform(given)
    return found.toarray() if hasattr(found, "toarray") else found


COMPOSITES: dict[str, Callable[[Any, Frame, Graph], Frame]] = {
    "Pipeline": _transform_in_turn,
    "ColumnTransformer": _transform_columns,
    "FeatureUnion": _transform_in_parallel,
}

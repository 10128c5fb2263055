"""Conversion of an imported model to one ONNX graph, from the platform's matrix to scores.

Steps on numbers are converted by skl2onnx and onnxmltools. A step on texts is tabulated: a text has finitely
many levels, so the step's outputs for all of them are a table, which is looked up.
"""

from collections.abc import Sequence
from copy import copy
from typing import Any

import numpy as np

from ..errors import UnconvertibleError
from ..loading.loaded_model import LoadedModel
from .calibrators import calibrate_isotonic
from .graph import Graph
from .input_columns import InputColumn
from .numeric_steps import convert_numeric_estimator
from .step_columns import Frame, build_input_frame
from .text_steps import transform

TWO = 2


def convert_model(model: LoadedModel, columns: Sequence[InputColumn], width: int) -> bytes:
    """Convert a model to ONNX.

    Args:
        model: The model.
        columns: Columns that it reads.
        width: Number of columns of the matrix.

    Raises:
        UnconvertibleError: No conversion is known; the text says of what.
    """
    graph = Graph(width)
    try:
        frame = build_input_frame(graph, columns, model.categories)
        scores = convert_estimator(model.native, frame, graph)
        return bytes(graph.build(scores).SerializeToString())
    except UnconvertibleError:
        raise
    except Exception as error:  # converters raise anything for what they do not know
        raise UnconvertibleError(f"{type(error).__name__}: {str(error).partition(chr(10))[0]}") from error


def convert_estimator(estimator: Any, frame: Frame, graph: Graph) -> str:
    """Convert an estimator that may contain others; return the tensor of its scores `[n, classes]`."""
    kind = type(estimator).__name__
    if hasattr(estimator, "best_estimator_"):
        return convert_estimator(estimator.best_estimator_, frame, graph)
    if kind in {"FrozenEstimator", "TunedThresholdClassifierCV", "FixedThresholdClassifier"}:
        inner = getattr(estimator, "estimator_", None) or estimator.estimator
        return convert_estimator(inner, frame, graph)
    if kind == "Pipeline":
        for _, step in estimator.steps[:-1]:
            frame = transform(step, frame, graph)
        return convert_estimator(estimator.steps[-1][1], frame, graph)
    convert = COMPOSITES.get(kind)
    # skl2onnx knows composites too, but not on texts, nor with members of other libraries
    if convert is not None:
        return convert(estimator, frame, graph)
    return convert_numeric_estimator(estimator, frame.join(graph), graph)


def _convert_voting(estimator: Any, frame: Frame, graph: Graph) -> str:
    if getattr(estimator, "voting", "soft") != "soft":
        raise UnconvertibleError("a hard vote has no probabilities")
    weights = estimator.weights or [1.0] * len(estimator.estimators_)
    kept = [
        weight
        for weight, (_, each) in zip(weights, estimator.estimators, strict=True)
        if not (isinstance(each, str) and each == "drop")
    ]
    members = [convert_estimator(each, frame, graph) for each in estimator.estimators_]
    return _average(graph, members, kept)


def _average(graph: Graph, members: Sequence[str], weights: Sequence[float]) -> str:
    parts = [
        graph.add(
            "Mul", graph.cast(member, double=True), graph.add_constant(np.float64(weight / sum(weights)))
        )
        for member, weight in zip(members, weights, strict=True)
    ]
    return graph.add("Sum", *parts)


def _convert_stacking(estimator: Any, frame: Frame, graph: Graph) -> str:
    parts = []
    for method, member in zip(estimator.stack_method_, estimator.estimators_, strict=True):
        if method not in {"predict_proba", "predict"}:
            raise UnconvertibleError(f"a member of the stack gives its {method}")
        scores = graph.cast(convert_estimator(member, frame, graph), double=True)
        classes = getattr(member, "classes_", ())
        if method == "predict" and len(classes):
            raise UnconvertibleError("a member of the stack gives labels instead of probabilities")
        # of two classes the stack reads the second only
        parts.append(graph.select_columns(scores, [1]) if len(classes) == TWO else scores)
    if estimator.passthrough:
        parts.append(frame.join(graph))
    stacked = Frame.from_tensor(graph.join(parts), [])
    return convert_estimator(estimator.final_estimator_, stacked, graph)


def _convert_calibrated(estimator: Any, frame: Frame, graph: Graph) -> str:
    members = [_convert_fold(estimator, each, frame, graph) for each in estimator.calibrated_classifiers_]
    return _average(graph, members, [1.0] * len(members))


def _convert_fold(estimator: Any, fold: Any, frame: Frame, graph: Graph) -> str:
    """Convert one of the classifiers that a calibration has fitted, with its calibration."""
    inner = fold.estimator
    while type(inner).__name__ in {"Pipeline", "FrozenEstimator"}:
        if type(inner).__name__ == "FrozenEstimator":
            inner = inner.estimator
            continue
        for _, step in inner.steps[:-1]:
            frame = transform(step, frame, graph)
        inner = inner.steps[-1][1]
    if fold.method == "isotonic" and len(estimator.classes_) == TWO:
        scores = graph.cast(convert_estimator(inner, frame, graph), double=True)
        return calibrate_isotonic(fold.calibrators[0], inner, scores, graph)
    # skl2onnx reads the fold as a calibration of its own
    single, only = copy(estimator), copy(fold)
    only.estimator, single.calibrated_classifiers_ = inner, [only]
    return convert_numeric_estimator(single, frame.join(graph), graph)


def _convert_transformed_target(estimator: Any, frame: Frame, graph: Graph) -> str:
    scores = graph.cast(convert_estimator(estimator.regressor_, frame, graph), double=True)
    shaped = graph.add("Reshape", scores, graph.add_constant(np.array([-1, 1], dtype=np.int64)))
    inverse: Any = getattr(estimator, "inverse_func", None)
    functions: dict[Any, str] = {np.exp: "Exp", np.expm1: "Exp", np.sqrt: "Sqrt"}
    operator = functions.get(inverse)
    if operator is not None:
        found = graph.add(operator, shaped)
        one = graph.add_constant(np.float64(1))
        return graph.add("Sub", found, one) if inverse is np.expm1 else found
    scaler = estimator.transformer_
    if inverse is None and type(scaler).__name__ == "StandardScaler":
        scale = 1.0 if scaler.scale_ is None else scaler.scale_[0]
        mean = 0.0 if scaler.mean_ is None else scaler.mean_[0]
        scaled = graph.add("Mul", shaped, graph.add_constant(np.float64(scale)))
        return graph.add("Add", scaled, graph.add_constant(np.float64(mean)))
    raise UnconvertibleError(f"the inverse of the target's transformer {type(scaler).__name__} is not known")


def _convert_onnx(native: Any, frame: Frame, graph: Graph) -> str:
    """Add the graph of a file, with a tensor for each of its inputs."""
    if native.is_matrix:
        name, kind = next(iter(native.inputs.items()))
        return graph.add_model(native.model, {name: graph.cast_to(frame.join(graph), kind)}, native.scores)
    columns = {each.name: each for each in frame.columns}
    given = {}
    for name, kind in native.inputs.items():
        column = columns[name]
        if column.text is None:
            given[name] = graph.cast_to(graph.select_columns(column.tensor, [column.place]), kind)
        else:
            texts = np.array([[level] for level in (*column.text.levels, "")], dtype=object)
            given[name] = graph.take_rows(
                graph.select_columns(column.tensor, [column.place]), texts, nullable=True
            )
    return graph.add_model(native.model, given, native.scores)


COMPOSITES = {
    "VotingClassifier": _convert_voting,
    "VotingRegressor": _convert_voting,
    "StackingClassifier": _convert_stacking,
    "StackingRegressor": _convert_stacking,
    "CalibratedClassifierCV": _convert_calibrated,
    "TransformedTargetRegressor": _convert_transformed_target,
    "OnnxModel": _convert_onnx,
}

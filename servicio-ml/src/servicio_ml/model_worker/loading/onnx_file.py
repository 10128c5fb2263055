"""ONNX files of others: checked before they are opened, and read in whatever form their tool has written."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ModelFileError
from .loaded_model import TWO, LoadedModel, find_task, make_classes, make_column

MAX_BYTES = 512 * 2**20
"""Maximum size of a file, and of the values of one tensor, in bytes."""
MAX_ITEM_BYTES = 8
DOMAINS = {"", "ai.onnx", "ai.onnx.ml"}
"""Domains of operators that ONNX Runtime has built in."""
LABELS = ("classlabels_strings", "classlabels_int64s")
"""Attributes that hold the labels of the classes."""
TYPES = {1: np.float32, 6: np.int32, 7: np.int64, 8: np.str_, 9: np.bool_, 11: np.float64}
"""NumPy's type by the number of a type in ONNX."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnnxModel:
    """A checked ONNX model.

    Attributes:
        model: The model.
        inputs: Number of the type by name of each input.
        is_matrix: Whether one input holds all columns.
        scores: Tensor of the probabilities, or of the number.
    """

    model: Any
    inputs: dict[str, int]
    is_matrix: bool
    scores: str


def describe_onnx(path: Path) -> LoadedModel:
    """Read an ONNX file.

    Raises:
        ModelFileError: The file is too large, reads other files, or has unknown operators, inputs or outputs.
    """
    import onnx

    if path.stat().st_size > MAX_BYTES:
        raise ModelFileError(f"it has more than {MAX_BYTES} bytes")
    model = onnx.load(str(path), load_external_data=False)
    for graph in _list_graphs(model.graph):
        _check_graph(graph)
    onnx.checker.check_model(model)
    inputs = _read_inputs(model)
    classes, scores = _read_outputs(model)
    native = OnnxModel(model=model, inputs=inputs, is_matrix=len(inputs) == 1, scores=scores)
    _keep_output(model, scores)
    return LoadedModel(
        task=find_task(classes),
        classes=classes, columns=() if native.is_matrix else tuple(inputs), native=native,
        score=_open_scorer(native, make_classes if classes else make_column),
    )  # fmt: skip


def _open_scorer(native: OnnxModel, make: Callable[[Any], Any]) -> Callable[[Any], Any]:
    import onnxruntime

    session = onnxruntime.InferenceSession(
        native.model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return lambda frame: make(session.run([native.scores], _build_feed(native, frame))[0])


def _keep_output(model: Any, scores: str) -> None:
    """Make a tensor the only output of a model."""
    import onnx

    outputs = {each.name: each for each in model.graph.output}
    # the tensor before a list of dictionaries is no output yet, and its type is float32 in every converter
    kept = outputs.get(scores) or onnx.helper.make_tensor_value_info(scores, onnx.TensorProto.FLOAT, None)
    del model.graph.output[:]
    model.graph.output.append(kept)


def _list_graphs(graph: Any) -> Iterator[Any]:
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from _list_graphs(inner)


def _check_graph(graph: Any) -> None:
    constants = (each.t for node in graph.node for each in node.attribute if each.HasField("t"))
    for tensor in (*graph.initializer, *constants):
        # 1 is `EXTERNAL`: the values would be read from a path that the file names
        if tensor.data_location == 1 or tensor.external_data:
            raise ModelFileError(f"its tensor {tensor.name!r} reads another file; save it as one file")
        if prod(tensor.dims) * MAX_ITEM_BYTES > MAX_BYTES:
            raise ModelFileError(f"its tensor {tensor.name!r} claims {prod(tensor.dims)} values")
    for node in graph.node:
        _check_node(node)


def _check_node(node: Any) -> None:
    if node.domain not in DOMAINS:
        raise ModelFileError(f"its operator {node.op_type!r} is of the unknown domain {node.domain!r}")
    for name in (*node.input, *node.output):
        if ".." in name.split("/"):
            raise ModelFileError(f"its tensor {name!r} is named like a path")


def _read_inputs(model: Any) -> dict[str, int]:
    constants = {each.name for each in model.graph.initializer}
    inputs = {
        each.name: each.type.tensor_type.elem_type for each in model.graph.input if each.name not in constants
    }
    if unknown := [name for name, kind in inputs.items() if kind not in TYPES]:
        raise ModelFileError(f"its input {unknown[0]!r} is neither numbers nor texts")
    if not inputs:
        raise ModelFileError("it has no input")
    return inputs


def _read_outputs(model: Any) -> tuple[tuple[Any, ...], str]:
    """Find the classes, and the tensor of the scores."""
    outputs = [each.name for each in model.graph.output]
    classes = _find_classes(model)
    if not classes:
        if len(outputs) != 1:
            raise ModelFileError(f"it has the outputs {', '.join(outputs)}; a regression has one")
        return (), outputs[0]
    scores = next((name for name in outputs if "prob" in name.lower()), outputs[-1])
    # a list of dictionaries is made of the tensor before it
    for node in model.graph.node:
        if node.op_type == "ZipMap" and scores in node.output:
            scores = node.input[0]
    return classes, scores


def _find_classes(model: Any) -> tuple[Any, ...]:
    for node in reversed(model.graph.node):
        for attribute in node.attribute:
            values: Sequence[Any] = [*attribute.strings, *attribute.ints]
            if attribute.name in LABELS and len(values) >= TWO:
                return tuple(each.decode() if isinstance(each, bytes) else int(each) for each in values)
    return ()


def _build_feed(native: OnnxModel, frame: Any) -> dict[str, Any]:
    if native.is_matrix:
        name, kind = next(iter(native.inputs.items()))
        return {name: frame.to_numpy(dtype=TYPES[kind])}
    return {name: _read_column(frame, name, TYPES[kind]) for name, kind in native.inputs.items()}


def _read_column(frame: Any, name: str, kind: Any) -> Any:
    if kind is not np.str_:
        return frame[[name]].to_numpy(dtype=kind)
    # ONNX has no missing text
    return frame[name].fillna("").to_numpy(dtype=object).reshape(-1, 1)

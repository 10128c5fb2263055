"""Classes of a model in the order of the labels of its target."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx

from servicio_ml.errors import ModelImportError, format_names
from servicio_ml.features.runtimes.scorer import SCORES_NAME


def find_class_order(classes: Sequence[str], labels: Sequence[str], uri: str) -> list[int]:
    """Find the place of each label among the classes of a model; that of the only score of a regression.

    Args:
        classes: Classes of the model, in the order of its scores.
        labels: Labels of the target.
        uri: Address of the model, for messages.

    Raises:
        ModelImportError: They are not the same classes.
    """
    texts = list(classes)
    if sorted(texts) != sorted(labels):
        raise ModelImportError(
            uri,
            f"its classes are {format_names(texts)}, and those of the target {format_names(labels)}; name the"
            " latter in the order of the former: --classes A,B",
        )
    return [texts.index(label) for label in labels] or [0]


def choose_classes(classes: Sequence[Any], given: str, uri: str) -> tuple[str, ...]:
    """Choose the names of the classes: those that the user has given, or the model's own.

    Args:
        classes: Classes of the model, in the order of its scores.
        given: Names in the same order, separated by commas; empty for the model's own.
        uri: Address of the model, for messages.

    Raises:
        ModelImportError: They are more or fewer than those of the model.
    """
    own = tuple(write_class(each) for each in classes)
    names = tuple(each.strip() for each in given.split(",")) if given else own
    if len(names) != len(own):
        raise ModelImportError(
            uri, f"--classes names {len(names)} classes, and the model has {len(own)}: {format_names(own)}"
        )
    return names


def write_class(value: Any) -> str:
    """Write a class as a file has it: 1 for 1.0."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def sort_scores(onnx_bytes: bytes, order: Sequence[int]) -> bytes:
    """Return the model with its scores in another order of the classes."""
    if list(order) == sorted(order):
        return onnx_bytes
    model = onnx.load_model_from_string(onnx_bytes)
    graph, former = model.graph, "scores_of_the_model"
    for node in graph.node:
        node.output[:] = [former if name == SCORES_NAME else name for name in node.output]
    graph.initializer.append(onnx.numpy_helper.from_array(np.array(order, dtype=np.int64), "class_order"))
    graph.node.append(onnx.helper.make_node("Gather", [former, "class_order"], [SCORES_NAME], axis=1))
    return bytes(model.SerializeToString())

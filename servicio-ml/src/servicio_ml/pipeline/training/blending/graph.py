"""The ONNX graph of a blend: the members' graphs side by side, and the weighted sum of their scores."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, compose, helper, numpy_helper

from servicio_ml.features.runtimes.scorer import INPUT_NAME, SCORES_NAME

ML_DOMAIN = "ai.onnx.ml"
IR_VERSION = 8
"""Version of the file format that belongs to the operators' version."""


def merge_models(
    models: Sequence[ModelProto], weights: Sequence[float], opset: int, width: int
) -> ModelProto:
    """Merge models with the input `features` and the output `scores` into one of the same form.

    Args:
        models: Models of the members.
        weights: Their weights.
        opset: Version of ONNX's operators; those of the members have not changed up to it.
        width: Number of columns of the matrix.
    """
    nodes: list[Any] = []
    constants: list[Any] = [numpy_helper.from_array(np.array([0, -1], dtype=np.int64), "blend_shape")]
    for place, (model, weight) in enumerate(zip(models, weights, strict=True)):
        # the members' own names repeat each other
        own = compose.add_prefix(model, prefix=f"member{place}_", rename_inputs=False).graph
        nodes.extend(own.node)
        constants.extend(own.initializer)
        constants.append(numpy_helper.from_array(np.array(weight, dtype=np.float32), f"weight{place}"))
        # a regression's scores may come as one axis, and two forms would be added up to a square
        nodes.append(
            helper.make_node("Reshape", [f"member{place}_{SCORES_NAME}", "blend_shape"], [f"shaped{place}"])
        )
        nodes.append(helper.make_node("Mul", [f"shaped{place}", f"weight{place}"], [f"weighted{place}"]))
    nodes.append(helper.make_node("Sum", [f"weighted{i}" for i in range(len(models))], [SCORES_NAME]))
    given = helper.make_tensor_value_info(INPUT_NAME, TensorProto.FLOAT, [None, width])
    scores = helper.make_tensor_value_info(SCORES_NAME, TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "blend", [given], [scores], constants)
    return helper.make_model(graph, opset_imports=_list_opsets(models, opset), ir_version=IR_VERSION)


def _list_opsets(models: Sequence[ModelProto], opset: int) -> list[Any]:
    used = [each.version for model in models for each in model.opset_import if each.domain == ML_DOMAIN]
    return [helper.make_opsetid("", opset), helper.make_opsetid(ML_DOMAIN, max(used, default=1))]

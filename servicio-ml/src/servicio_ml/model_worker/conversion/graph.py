"""ONNX graph that is built step by step, from the platform's matrix to scores."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, compose, helper, numpy_helper

FEATURES, SCORES = "features", "scores"
OPSET, ML_OPSET, IR_VERSION = 15, 3, 8
ML_DOMAIN = "ai.onnx.ml"


class Graph:
    """A graph under construction; a tensor is known by its name.

    Args:
        width: Number of columns of the matrix.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._count = 0
        self._opset, self._ml_opset = OPSET, ML_OPSET

    def add(self, operator: str, *given: str, domain: str = "", **attributes: Any) -> str:
        """Add an operator with one output; return the name of the output."""
        name = self._make_name(operator)
        node = helper.make_node(operator, list(given), [name], name=name, domain=domain, **attributes)
        self._nodes.append(node)
        return name

    def add_constant(self, value: Any) -> str:
        """Add an array; return its name."""
        name = self._make_name("constant")
        self._constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def cast(self, tensor: str, *, double: bool) -> str:
        """Add a conversion to float64 or float32."""
        return self.cast_to(tensor, TensorProto.DOUBLE if double else TensorProto.FLOAT)

    def cast_to(self, tensor: str, kind: int) -> str:
        """Add a conversion to a type of ONNX."""
        return self.add("Cast", tensor, to=kind)

    def select_columns(self, tensor: str, places: Sequence[int]) -> str:
        """Add a selection of columns."""
        return self.add("Gather", tensor, self.add_constant(np.array(places, dtype=np.int64)), axis=1)

    def join(self, tensors: Sequence[str]) -> str:
        """Add the columns of some tensors side by side."""
        return tensors[0] if len(tensors) == 1 else self.add("Concat", *tensors, axis=1)

    def restore_decimals(self, decimals: Mapping[int, int]) -> str:
        """Add the matrix in float64, with the decimal numbers that were meant before they were rounded.

        Args:
            decimals: Maximum number of decimals by column of the matrix.
        """
        scales = [10.0 ** decimals.get(place, 0) for place in range(self._width)]
        scale = self.add_constant(np.array(scales, dtype=np.float64))
        plain = self.cast(FEATURES, double=True)
        whole = self.add("Round", self.add("Mul", plain, scale))
        restored = self.add("Div", whole, scale)
        # a number of more decimals stays as it is
        same = self.add("Equal", self.cast(restored, double=False), FEATURES)
        return self.add("Where", same, restored, plain)

    def take_rows(self, codes: str, table: Any, *, nullable: bool) -> str:
        """Add the rows of a table that codes name, `[n, 1]`.

        Args:
            codes: Indices as floats; NaN for a missing one.
            table: `[levels, …]`, the last row for a missing code where there may be one.
            nullable: Whether a code may be missing.
        """
        if nullable:
            last = self.add_constant(np.array(len(table) - 1, dtype=np.float32))
            codes = self.add("Where", self.add("IsNaN", codes), last, codes)
        flat = self.add("Reshape", codes, self.add_constant(np.array([-1], dtype=np.int64)))
        places = self.add("Cast", flat, to=TensorProto.INT64)
        return self.add("Gather", self.add_constant(table), places, axis=0)

    def count_reached(self, value: str, points: Any) -> str:
        """Add the number of points that a value `[n, 1]` reaches, in float64."""
        bounds = self.add_constant(np.asarray(points, dtype=np.float64)[None, :])
        reached = self.cast(self.add("GreaterOrEqual", value, bounds), double=True)
        axes = self.add_constant(np.array([1], dtype=np.int64))
        return self.add("ReduceSum", reached, axes, keepdims=1)

    def add_model(self, model: ModelProto, given: dict[str, str], output: str) -> str:
        """Add the graph of a model; return the name of one of its outputs.

        Args:
            model: A model; the graph takes its opset where it is newer than `OPSET`.
            given: Tensor by name of the model's input.
            output: Name of the output.
        """
        for each in model.opset_import:
            if each.domain == ML_DOMAIN:
                self._ml_opset = max(self._ml_opset, each.version)
            else:
                self._opset = max(self._opset, each.version)
        prefix = self._make_name("part") + "_"
        part = compose.add_prefix(model, prefix=prefix).graph
        for name, tensor in given.items():
            self._nodes.append(helper.make_node("Identity", [tensor], [prefix + name]))
        self._nodes.extend(part.node)
        self._constants.extend(part.initializer)
        return prefix + output

    def build(self, scores: str) -> ModelProto:
        """Build the model with the input `features` and the output `scores`, float32 `[n, classes]`."""
        self._nodes.append(helper.make_node("Cast", [scores], [SCORES], to=TensorProto.FLOAT))
        given = helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, [None, self._width])
        answer = helper.make_tensor_value_info(SCORES, TensorProto.FLOAT, None)
        graph = helper.make_graph(self._nodes, "imported", [given], [answer], self._constants)
        opsets = [helper.make_opsetid("", self._opset), helper.make_opsetid(ML_DOMAIN, self._ml_opset)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)

    def _make_name(self, what: str) -> str:
        self._count += 1
        return f"{what.lower()}_{self._count}"

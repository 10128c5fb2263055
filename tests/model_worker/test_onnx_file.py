"""ONNX files of others: harmful ones are refused before they are opened, the others read in their forms."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import to_onnx
from sklearn.linear_model import LinearRegression, LogisticRegression

from servicio_ml.model_worker.errors import ModelFileError
from servicio_ml.model_worker.loading.load import load_model

ROWS = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0], "b": [1.0, 0.0, 1.0, 0.0]})
TRUTH = np.array(["x", "x", "y", "y"])


def build_model(weights: Any = None, name: str = "out", domain: str = "", shape: Any = None) -> Any:
    tensor = weights or numpy_helper.from_array(np.ones((2, 1), dtype=np.float32), "weights")
    node = helper.make_node("MatMul", ["given", "weights"], [name], domain=domain)
    given = helper.make_tensor_value_info("given", TensorProto.FLOAT, [None, 2])
    out = helper.make_tensor_value_info(name, TensorProto.FLOAT, shape or [None, 1])
    graph = helper.make_graph([node], "g", [given], [out], [tensor])
    opsets = [helper.make_opsetid("", 15), *([helper.make_opsetid(domain, 1)] if domain else [])]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def write(folder: Path, model: Any) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def write_reference() -> Any:
    tensor = numpy_helper.from_array(np.ones((2, 1), dtype=np.float32), "weights")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../etc/passwd"
    return tensor


def claim_many_values() -> Any:
    tensor = numpy_helper.from_array(np.ones((2, 1), dtype=np.float32), "weights")
    tensor.dims[:] = [2, 10**10]
    return tensor


def build_branch() -> Any:
    """A model whose other file is read within a branch of an `If`."""
    tensor = write_reference()
    out = helper.make_tensor_value_info("branch", TensorProto.FLOAT, None)
    branch = helper.make_graph(
        [helper.make_node("Identity", ["weights"], ["branch"])], "b", [], [out], [tensor]
    )
    flag = numpy_helper.from_array(np.array([1], dtype=np.bool_), "flag")
    node = helper.make_node("If", ["flag"], ["out"], then_branch=branch, else_branch=branch)
    given = helper.make_tensor_value_info("given", TensorProto.FLOAT, [None, 2])
    result = helper.make_tensor_value_info("out", TensorProto.FLOAT, None)
    return helper.make_model(
        helper.make_graph([node], "g", [given], [result], [flag]), opset_imports=[helper.make_opsetid("", 15)]
    )


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        pytest.param(build_model(write_reference()), "reads another file", id="other file"),
        pytest.param(build_branch(), "reads another file", id="other file in a branch"),
        pytest.param(build_model(claim_many_values()), "claims 20000000000 values", id="huge tensor"),
        pytest.param(build_model(name="../out"), "is named like a path", id="path"),
        pytest.param(build_model(domain="com.evil"), "unknown domain 'com.evil'", id="domain"),
    ],
)
def test_harmful_files_are_refused(tmp_path: Path, model: Any, problem: str) -> None:
    with pytest.raises(ModelFileError, match=problem):
        load_model("onnx", write(tmp_path, model))


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, build_model())
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ModelFileError, match="it cannot be read as onnx"):
        load_model("onnx", path)


def test_a_regression_is_read(tmp_path: Path) -> None:
    truth = np.array([1.0, 3.0, 5.0, 7.5])
    fitted = LinearRegression().fit(ROWS.to_numpy(), truth)
    model = load_model("onnx", write(tmp_path, to_onnx(fitted, ROWS.to_numpy(dtype=np.float32)[:1])))
    assert (model.task, model.classes, model.columns) == ("regression", (), ())
    np.testing.assert_allclose(model.score(ROWS)[:, 0], fitted.predict(ROWS.to_numpy()), rtol=1e-6)


@pytest.mark.parametrize("form", ["dictionaries", "tensor"])
def test_probabilities_are_read_in_both_forms(tmp_path: Path, form: str) -> None:
    fitted = LogisticRegression().fit(ROWS.to_numpy(), TRUTH)
    converted = to_onnx(
        fitted, ROWS.to_numpy(dtype=np.float32)[:1], options={"zipmap": form == "dictionaries"}
    )
    model = load_model("onnx", write(tmp_path, converted))
    assert (model.task, model.classes) == ("binary", ("x", "y"))
    np.testing.assert_allclose(model.score(ROWS), fitted.predict_proba(ROWS.to_numpy()), atol=1e-6)


def test_an_input_for_each_column_is_read(tmp_path: Path) -> None:
    given = [helper.make_tensor_value_info(name, TensorProto.DOUBLE, [None, 1]) for name in ("a", "b")]
    out = helper.make_tensor_value_info("out", TensorProto.DOUBLE, [None, 1])
    graph = helper.make_graph([helper.make_node("Sub", ["a", "b"], ["out"])], "g", given, [out])
    converted = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    model = load_model("onnx", write(tmp_path, converted))
    assert model.columns == ("a", "b")
    assert model.score(ROWS)[:, 0].tolist() == [-1.0, 1.0, 1.0, 3.0]

"""Steps and estimators on numbers, by the converters of their libraries."""

import warnings
from copy import copy
from typing import Any

import numpy as np

from ..errors import UnconvertibleError
from .columnwise_steps import COLUMNWISE
from .exact_thresholds import restore_lightgbm_thresholds, restore_thresholds
from .graph import ML_OPSET, OPSET, Graph
from .tree_gaps import restore_gaps

INPUT = "given"


def convert_numeric_transformer(step: Any, tensor: str, width: int, graph: Graph) -> str:
    """Add a fitted transformer of numbers, in float64 where it can be; return its tensor, `[n, outputs]`.

    Args:
        step: The transformer.
        tensor: Tensor of its columns in float64, `[n, width]`.
        width: Number of columns.
        graph: Graph to add it to.
    """
    add = COLUMNWISE.get(type(step).__name__)
    if add is not None and (found := add(step, tensor, graph)) is not None:
        return found
    for double in (True, False):
        try:
            model = convert_by_skl2onnx(step, width, double=double)
            _check_runs(model)
        except Exception as error:  # noqa: BLE001  each converter knows its own types only
            problem = error
            continue
        given = tensor if double else graph.cast(tensor, double=False)
        return graph.cast(graph.add_model(model, {INPUT: given}, model.graph.output[0].name), double=True)
    # the rest of a converter's message is advice for its own users
    first = str(problem).partition("\n")[0]
    raise UnconvertibleError(f"{type(step).__name__}: {first}")


def _check_runs(model: Any) -> None:
    """Open the model: some converters write operators that ONNX Runtime does not have for float64."""
    import onnxruntime

    onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def convert_numeric_estimator(estimator: Any, tensor: str, graph: Graph) -> str:
    """Add an estimator; return the tensor of its scores, `[n, classes]`, or `[n, 1]` of a regression."""
    library = type(estimator).__module__.split(".")[0]
    # the others in float32: a value and a threshold that are the same decimal stay equal when rounded
    double = type(estimator).__name__.startswith("HistGradientBoosting")
    if library in OTHER_LIBRARIES:
        model = OTHER_LIBRARIES[library](estimator, _count_inputs(estimator))
    else:
        model = convert_by_skl2onnx(_make_dense(estimator), _count_inputs(estimator), double=double)
        restore_gaps(model, estimator)
    if double:
        restore_thresholds(model, estimator)
    elif library == "lightgbm":
        double = restore_lightgbm_thresholds(model, estimator)
    outputs = [each.name for each in model.graph.output]
    scores = next((name for name in outputs if "prob" in name.lower()), outputs[0])
    found = graph.add_model(model, {INPUT: graph.cast(tensor, double=double)}, scores)
    # a regression's scores may come as one axis
    shaped = graph.add("Reshape", found, graph.add_constant(np.array([0, -1], dtype=np.int64)))
    return graph.add("Exp", shaped) if _has_forgotten_logarithm(estimator) else shaped


def _has_forgotten_logarithm(estimator: Any) -> bool:
    """Whether a converter leaves out the exponential of a logarithmic link."""
    if type(estimator).__name__ == "HistGradientBoostingRegressor":
        return estimator.loss in {"poisson", "gamma"}
    if type(estimator).__name__.startswith("CatBoost"):
        loss = str(estimator.get_all_params().get("loss_function", "")).split(":")[0]
        return loss in {"Poisson", "Tweedie"}
    return False


def _make_dense(estimator: Any) -> Any:
    """Return a copy with dense rows of neighbours; the converter cannot write sparse ones."""
    rows: Any = getattr(estimator, "_fit_X", None)
    if not hasattr(rows, "toarray"):
        return estimator
    dense = copy(estimator)
    dense._fit_X = rows.toarray()  # noqa: SLF001  scikit-learn has no setter
    return dense


def _count_inputs(estimator: Any) -> int:
    for name in ("n_features_in_", "num_feature", "num_features"):
        found = getattr(estimator, name, None)
        if found is not None:
            return int(found() if callable(found) else found)
    return len(estimator.feature_names_)


def convert_by_skl2onnx(estimator: Any, width: int, *, double: bool) -> Any:
    """Convert a scikit-learn object of numbers to ONNX."""
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    options = {"zipmap": False} if hasattr(estimator, "predict_proba") else None
    kind = DoubleTensorType if double else FloatTensorType
    with warnings.catch_warnings():
        # they are about the libraries' use of each other; the comparison of the scores judges the result
        warnings.simplefilter("ignore")
        return to_onnx(
            estimator, initial_types=[(INPUT, kind([None, width]))], options=options,
            target_opset={"": OPSET, "ai.onnx.ml": ML_OPSET},
        )  # fmt: skip


def _convert_lightgbm(estimator: Any, width: int) -> Any:
    from onnxmltools.convert import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType

    types = [(INPUT, FloatTensorType([None, width]))]
    return convert_lightgbm(estimator, initial_types=types, zipmap=False, target_opset=OPSET)


def _convert_xgboost(estimator: Any, width: int) -> Any:
    from onnxmltools.convert import convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType

    booster = estimator if type(estimator).__name__ == "Booster" else estimator.get_booster()
    names, kinds = booster.feature_names, booster.feature_types
    if "c" in (kinds or ()):
        raise UnconvertibleError("XGBoost's splits by category are not known to its converter")
    # the converter knows columns by their places
    booster.feature_names = booster.feature_types = None
    try:
        types = [(INPUT, FloatTensorType([None, width]))]
        return convert_xgboost(estimator, initial_types=types, target_opset=OPSET)
    finally:
        booster.feature_names, booster.feature_types = names, kinds


def _convert_catboost(estimator: Any, _width: int) -> Any:
    import tempfile
    from pathlib import Path

    import onnx

    with tempfile.TemporaryDirectory(prefix="servicio-ml-") as folder:
        path = Path(folder, "model.onnx")
        estimator.save_model(str(path), format="onnx")
        model = onnx.load(str(path), load_external_data=False)
    former, model.graph.input[0].name = model.graph.input[0].name, INPUT
    nodes = [each for each in model.graph.node if each.op_type != "ZipMap"]
    zipped = [name for each in model.graph.node if each.op_type == "ZipMap" for name in each.input]
    for node in nodes:
        node.input[:] = [INPUT if name == former else name for name in node.input]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    if zipped:
        del model.graph.output[:]
        kind = onnx.TensorProto.FLOAT
        model.graph.output.append(onnx.helper.make_tensor_value_info(zipped[0], kind, None))
    return model


OTHER_LIBRARIES = {"lightgbm": _convert_lightgbm, "xgboost": _convert_xgboost, "catboost": _convert_catboost}

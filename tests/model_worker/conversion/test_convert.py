"""Conversion of models of other tools: the graph answers as the library does, on 10,000 rows."""

from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

from imported_models import CONVERTIBLE, INCONVERTIBLE, ModelCase, build_columns, encode_rows, make_rows
from servicio_ml.model_worker.conversion.convert import convert_model
from servicio_ml.model_worker.errors import UnconvertibleError
from servicio_ml.model_worker.loading.estimators import describe_estimator

# the models are small, and so are their rows
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:Features .* are constant"),
    pytest.mark.filterwarnings("ignore:invalid value encountered in divide"),
]
TRAINING, ROWS = make_rows(800), make_rows(10_000, seed=5)


def convert(case: ModelCase) -> tuple[Any, bytes]:
    model = describe_estimator(case.fit(TRAINING))
    columns = build_columns(list(case.columns), is_category=case.is_category)
    return model, convert_model(model, columns, ROWS.shape[1])


@pytest.mark.parametrize("case", CONVERTIBLE.values(), ids=list(CONVERTIBLE))
def test_the_graph_answers_as_the_library(case: ModelCase) -> None:
    model, onnx = convert(case)
    session = ort.InferenceSession(onnx, providers=["CPUExecutionProvider"])
    (mine,) = session.run(["scores"], {"features": encode_rows(ROWS)})
    theirs = model.score(case.select(ROWS))
    assert mine.dtype == np.float32
    # relative above 1, absolute below, on every single row
    assert np.max(np.abs(mine - theirs) / np.maximum(1.0, np.abs(theirs))) < 2e-5


@pytest.mark.parametrize("case", INCONVERTIBLE.values(), ids=list(INCONVERTIBLE))
def test_what_no_converter_knows_is_refused_with_a_reason(case: ModelCase) -> None:
    with pytest.raises(UnconvertibleError, match=r"[a-z]{4}"):
        convert(case)

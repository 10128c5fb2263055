"""BentoML services of the scikit-learn pipeline and of the ONNX model."""

import os
from pathlib import Path
from typing import Annotated, Any

import bentoml  # type: ignore[import-not-found]  # in its own environment
import joblib
import numpy as np
import onnxruntime as ort
import pandas as pd

FOLDER = Path(os.environ["BENCHMARK_MODELS"])
BATCHING = bool(os.environ["BENCHMARK_BATCHING"])
MAX_BATCH, MAX_LATENCY_MS = 64, 5000
QUIET = {"access": {"enabled": False}}
Features = Annotated[np.ndarray, bentoml.validators.DType("float32")]
service = bentoml.service(workers=1, logging=QUIET)
api = bentoml.api(batchable=BATCHING, max_batch_size=MAX_BATCH, max_latency_ms=MAX_LATENCY_MS)


@service
class Pipeline:
    """The scikit-learn pipeline on a data frame."""

    def __init__(self) -> None:
        self.pipeline: Any = joblib.load(FOLDER / "pipeline" / "model.joblib")

    @api  # type: ignore[untyped-decorator]  # the same
    def predict(self, records: list[dict[str, Any]]) -> np.ndarray:
        # not a DataFrame: BentoML 1.4's batching fails on it
        positive: np.ndarray = self.pipeline.predict_proba(pd.DataFrame(records))[:, 1]
        return positive


@service
class Onnx:
    """The ONNX model on the float matrix."""

    def __init__(self) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = ort.InferenceSession(str(FOLDER / "model.onnx"), options)

    @api  # type: ignore[untyped-decorator]  # the same
    def predict(self, features: Features) -> np.ndarray:
        positive: np.ndarray = self.session.run(["scores"], {"features": features})[0][:, 1]
        return positive

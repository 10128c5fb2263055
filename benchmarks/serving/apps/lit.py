"""LitServe servers of the scikit-learn pipeline and of the ONNX model: `lit.py pipeline|onnx BATCH PORT`."""

import os
import sys
from pathlib import Path
from typing import Any

import joblib
import litserve as ls  # type: ignore[import-not-found]  # in its own environment
import numpy as np
import onnxruntime as ort
import pandas as pd

FOLDER = Path(os.environ["BENCHMARK_MODELS"])
BATCH_SECONDS = 0.002


class Pipeline(ls.LitAPI):  # type: ignore[misc]  # the same
    """The scikit-learn pipeline on a data frame."""

    def setup(self, device: str) -> None:  # noqa: ARG002  LitServe's interface
        self.pipeline: Any = joblib.load(FOLDER / "pipeline" / "model.joblib")

    def predict(self, given: Any) -> Any:
        rows = given if isinstance(given, list) else [given]
        positive = self.pipeline.predict_proba(pd.DataFrame(rows))[:, 1]
        return positive if isinstance(given, list) else positive[0]

    def encode_response(self, output: Any) -> dict[str, float]:
        return {"probability": float(output)}

    def batch(self, inputs: list[Any]) -> list[Any]:
        return inputs


class Onnx(Pipeline):
    """The ONNX model on the float matrix."""

    def setup(self, device: str) -> None:  # noqa: ARG002  LitServe's interface
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = ort.InferenceSession(str(FOLDER / "model.onnx"), options)

    def predict(self, given: Any) -> Any:
        rows = given if isinstance(given, list) else [given]
        matrix = np.array([row["features"] for row in rows], dtype=np.float32)
        positive = self.session.run(["scores"], {"features": matrix})[0][:, 1]
        return positive if isinstance(given, list) else positive[0]


if __name__ == "__main__":
    model, batch, port = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    made = {"pipeline": Pipeline, "onnx": Onnx}[model](
        max_batch_size=batch, batch_timeout=BATCH_SECONDS if batch > 1 else 0.0
    )
    server = ls.LitServer(made, accelerator="cpu", devices=1, workers_per_device=1, fast_queue=True)
    server.run(
        host="127.0.0.1", port=port, num_api_servers=1, log_level="warning", generate_client_file=False
    )

"""What the image of the server runs needs no training code, which is not installed there."""

import subprocess
import sys

import pytest

TRAINING = (
    "evidently", "lightgbm", "matplotlib", "onnx", "onnxmltools", "optuna", "pandas", "pandera", "polars",
    "scipy", "skl2onnx", "sklearn", "xgboost",
)  # fmt: skip
# absent, as in the image: MLflow imports some of them where they are installed
WITHOUT = f"""
import sys
for name in {TRAINING!r}:
    sys.modules[name] = None
"""
RUN = (
    "servicio_ml.cli",
    "servicio_ml.api.parent",
    "servicio_ml.api.worker",
    "servicio_ml.api.stream",
    "servicio_ml.adapters.log.journal",
    "servicio_ml.adapters.log.postgres_log",
    "servicio_ml.adapters.log.sqlite_log",
    "servicio_ml.adapters.mlflow",
    "servicio_ml.adapters.redis_broker",
    "servicio_ml.adapters.registry_link",
    "servicio_ml.serving.arrow",
    "servicio_ml.serving.graphql",
    "servicio_ml.serving.oip.grpc_server",
)


def _imported(module: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", f"{WITHOUT}\nimport {module}"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("module", RUN)
def test_it_is_imported_without_training_code(module: str) -> None:
    done = _imported(module)
    assert done.returncode == 0, done.stderr


def test_training_code_is_not() -> None:
    assert "import of" in _imported("servicio_ml.pipeline.score").stderr

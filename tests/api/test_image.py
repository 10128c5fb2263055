"""The processes of the server image need no training code, which is not installed there."""

import subprocess
import sys

TRAINING_MODULES = (
    "evidently", "lightgbm", "matplotlib", "onnx", "onnxmltools", "optuna", "pandas", "pandera", "polars",
    "scipy", "skl2onnx", "sklearn", "xgboost",
)  # fmt: skip
# absent, as in the image: MLflow imports some of them where they are installed
BLOCK_TRAINING = f"""
import sys
for name in {TRAINING_MODULES!r}:
    sys.modules[name] = None
"""
SERVING_MODULES = (
    "servicio_ml.cli",
    "servicio_ml.api.parent",
    "servicio_ml.api.worker",
    "servicio_ml.api.stream",
    "servicio_ml.adapters.prediction_log.journal",
    "servicio_ml.adapters.prediction_log.postgres.log",
    "servicio_ml.adapters.prediction_log.sqlite_log",
    "servicio_ml.adapters.mlflow",
    "servicio_ml.adapters.redis_broker",
    "servicio_ml.adapters.registry_link",
    "servicio_ml.serving.models.arrow",
    "servicio_ml.serving.graphql.schema",
    "servicio_ml.serving.oip.grpc_server",
)


def _import_modules(*modules: str) -> subprocess.CompletedProcess[str]:
    """Import them in one process, whose error names the module."""
    command = [sys.executable, "-c", f"{BLOCK_TRAINING}\nimport {', '.join(modules)}"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_they_are_imported_without_training_code() -> None:
    done = _import_modules(*SERVING_MODULES)
    assert done.returncode == 0, done.stderr


def test_training_code_is_not() -> None:
    assert "import of" in _import_modules("servicio_ml.pipeline.scoring.run").stderr

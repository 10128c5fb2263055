"""The artifact as an MLflow model: signature and loader, without a pickle."""

import json
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, DataType, Schema, TensorSpec

from servicio_ml.adapters.mlflow.connection import DATA_FOLDER, LOADER_MODULE
from servicio_ml.domain.schema import FeatureSchema, Kind
from servicio_ml.features.artifact import SCHEMA, Artifact, load_artifact

RUNTIME_PACKAGES = ("numpy", "onnxruntime", "llvmlite", "narwhals", "pandas")
COLUMN_TYPES = {
    Kind.NUMBER: DataType.double,
    # a column of integers with a missing value reaches the model as float64
    Kind.INTEGER: DataType.double,
    Kind.CATEGORY: DataType.string,
    Kind.DATE: DataType.string,
    Kind.DATETIME: DataType.string,
    Kind.BOOLEAN: DataType.boolean,
    Kind.TEXT: DataType.string,
}


def build_signature(schema: FeatureSchema) -> ModelSignature:
    """Build the MLflow signature of a schema; a nullable field is optional."""
    columns: list[ColSpec | TensorSpec] = [
        ColSpec(COLUMN_TYPES[each.kind], each.name, required=not each.nullable) for each in schema.fields
    ]
    return ModelSignature(inputs=Schema(columns))


def write_flavour(artifact: Path, folder: Path) -> Path:
    """Write an MLflow model with a copy of the artifact into a folder, and return the folder."""
    shutil.copytree(artifact, folder / DATA_FOLDER)
    schema = FeatureSchema.from_json(json.loads((artifact / SCHEMA).read_text()))
    model = Model(signature=build_signature(schema))
    model.add_flavor(
        "python_function",
        loader_module=LOADER_MODULE,
        data=DATA_FOLDER,
        env={"virtualenv": "python_env.yaml"},
    )
    model.save(str(folder / "MLmodel"))
    pins = [f"{name}=={version(name)}" for name in ("servicio-ml", *RUNTIME_PACKAGES)]
    (folder / "requirements.txt").write_text("\n".join(pins) + "\n")
    (folder / "python_env.yaml").write_text("dependencies:\n- -r requirements.txt\n")
    return folder


class PyfuncModel:
    """The model that `mlflow.pyfunc.load_model` wraps."""

    def __init__(self, artifact: Artifact) -> None:
        self._artifact = artifact

    def predict(self, data: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:  # noqa: ARG002  MLflow's interface
        """Predict raw rows: column `prediction`, and `probability_<label>` for each class of a classifier."""
        output = self._artifact.output
        predictions = self._artifact.predict(self._artifact.encoder.encode_frame(data))
        if predictions.probabilities is None:
            return pd.DataFrame({"prediction": predictions.outcomes})
        labels = [output.labels[int(value)] for value in predictions.outcomes]
        each = {
            f"probability_{name}": predictions.probabilities[:, i] for i, name in enumerate(output.labels)
        }
        return pd.DataFrame({"prediction": labels, **each})


def _load_pyfunc(data_path: str) -> PyfuncModel:
    return PyfuncModel(load_artifact(Path(data_path)))

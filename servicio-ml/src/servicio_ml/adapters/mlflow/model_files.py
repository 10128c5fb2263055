"""Files of models that MLflow keeps, or that lie in a folder."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow

from servicio_ml.adapters.mlflow.connection import MLFLOW_ERRORS, connect, translate_error

REMOTE_MARK = ":/"


@contextmanager
def open_model_files(url: str, state_dir: Path, uri: str) -> Iterator[Path]:
    """Give the path of a model's file or folder; what is downloaded for it is deleted with the context.

    Args:
        url: Address of MLflow, see `connect`.
        state_dir: Folder of the embedded MLflow.
        uri: Path, or an address that MLflow knows: `models:/…`, `runs:/…`, `s3://…`.

    Raises:
        RegistryError: MLflow or the network refuses.
    """
    if REMOTE_MARK not in uri:
        yield Path(uri)
        return
    connection = connect(url, state_dir)
    with tempfile.TemporaryDirectory(prefix="servicio-ml-model-") as folder:
        try:
            path = mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=folder)
        except MLFLOW_ERRORS as error:
            raise translate_error(connection.url, error) from error
        yield Path(path)

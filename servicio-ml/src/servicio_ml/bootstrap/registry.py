"""Tracker and registry, in this process or through its parent."""

import time
from contextlib import AbstractContextManager
from pathlib import Path

from servicio_ml.adapters.registry_link import RegistryLink, RemoteModelHistory, RemoteRegistry
from servicio_ml.bootstrap.logs import open_decision_log
from servicio_ml.bootstrap.services import create_stats
from servicio_ml.domain.ports.registry import Registry, RegistryReader
from servicio_ml.domain.ports.tracker import Tracker
from servicio_ml.lifecycle.model_history import ModelHistory
from servicio_ml.lifecycle.model_history_reader import ModelHistoryReader
from servicio_ml.settings import Settings


def connect_tracker(settings: Settings) -> Tracker:
    """Connect to the runs in MLflow."""
    from servicio_ml.adapters.mlflow import MlflowTracker, connect

    return MlflowTracker(connect(settings.mlflow_url, settings.state_dir))


def connect_mlflow(settings: Settings) -> tuple[Tracker, Registry]:
    """Connect to the runs and models in MLflow, over one connection."""
    from servicio_ml.adapters.mlflow import MlflowRegistry, MlflowTracker, connect

    # one connection for both, so that runs and models come from the same database
    connection = connect(settings.mlflow_url, settings.state_dir)
    return MlflowTracker(connection), MlflowRegistry(connection)


def open_model_files(settings: Settings, uri: str) -> AbstractContextManager[Path]:
    """Open a model's file or folder by its path, or by an address that MLflow knows."""
    from servicio_ml.adapters.mlflow.model_files import open_model_files

    return open_model_files(settings.mlflow_url, settings.state_dir, uri)


def create_registry_link(settings: Settings, socket_path: Path, key: bytes) -> RegistryLink:
    """Create the link through which child processes use the registry of this one."""

    def connect() -> tuple[Registry, ModelHistory]:
        tracker, registry = connect_mlflow(settings)
        return registry, open_model_history(settings, tracker, registry)

    return RegistryLink(socket_path, key, connect)


def open_model_history(settings: Settings, tracker: Tracker, registry: Registry) -> ModelHistory:
    """Open the history of the models of a registry."""
    return ModelHistory(
        tracker, registry, create_stats(settings), time.time, open_decision_log(settings).hold_champion
    )


def connect_registry(socket_path: Path, key: bytes) -> RegistryReader:
    """Connect to the registry of the parent process."""
    return RemoteRegistry(socket_path, key)


def connect_model_history(socket_path: Path, key: bytes) -> ModelHistoryReader:
    """Connect to the model history of the parent process."""
    return RemoteModelHistory(socket_path, key)

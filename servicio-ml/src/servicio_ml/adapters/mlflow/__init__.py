"""MLflow: runs, registered models and their aliases."""

from servicio_ml.adapters.mlflow.connection import MlflowConnection, connect
from servicio_ml.adapters.mlflow.registry import MlflowRegistry
from servicio_ml.adapters.mlflow.tracker import MlflowTracker

__all__ = ["MlflowConnection", "MlflowRegistry", "MlflowTracker", "connect"]

"""The connection to MLflow: a tracking server, or a database of our own."""

import fcntl
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# read by MLflow when it is imported
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
# a client of a server would print the run's address, in the middle of a command's result
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import SQLAlchemyError

from servicio_ml.errors import RegistryError

RETRIES = 2
TIMEOUT_SECONDS = 20
RESOURCE_EXISTS = "RESOURCE_ALREADY_EXISTS"
REFUSALS = (MlflowException, SQLAlchemyError, OSError)
LOCK = "mlflow.lock"
DATA = "data"
"""Folder of our artifact within an MLflow model."""

NOT_THERE = frozenset({"RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A client with its address.

    Attributes:
        client: MLflow's client.
        url: As shown in messages.
        artifacts: Root folder of artifacts; empty where the server decides.
    """

    client: MlflowClient
    url: str
    artifacts: str

    def experiment(self, name: str) -> str:
        """The id of an experiment, made when it is new."""
        found = self.client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        try:
            location = f"{self.artifacts}/{name}" if self.artifacts else None
            return str(self.client.create_experiment(name, artifact_location=location))
        except MlflowException as error:
            # another process was faster
            if error.error_code != RESOURCE_EXISTS:
                raise
            return self.experiment(name)

    @contextmanager
    def told(self) -> Iterator[None]:
        """Turn MLflow's errors into ours.

        Raises:
            RegistryError: MLflow, its database or the network refused.
        """
        try:
            yield
        except REFUSALS as error:
            raise refused(self.url, error) from error


def connect(url: str, state_dir: Path) -> Connection:
    """Connect to MLflow.

    MLflow keeps one tracking address per process, so this sets it for the process.

    Args:
        url: Of a server or a database; SQLite in `state_dir` when empty.
        state_dir: Where the embedded database and its artifacts are.

    Raises:
        RegistryError: The address cannot be used.
    """
    # MLflow's own default retries for minutes
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", str(RETRIES))
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(TIMEOUT_SECONDS))
    # it announces each run, version and migration
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    # its errors reach the user as ours
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    if url and "://" not in url:
        raise RegistryError(url, "SERVICIO_ML_MLFLOW_URL must be an http, postgresql or sqlite address")
    if url.startswith("http"):
        return Connection(client=_opened(url), url=url, artifacts="")
    state = state_dir.resolve()
    url = url or f"sqlite:///{state}/mlflow.db"
    with _alone(state):
        client = _opened(url)
    return Connection(client=client, url=url, artifacts=f"{state}/mlflow-artifacts")


@contextmanager
def _alone(state: Path) -> Iterator[None]:
    """Hold a lock: two processes that make the tables of a new database at once would fail."""
    try:
        state.mkdir(parents=True, exist_ok=True)
        lock = (state / LOCK).open("w")
    except OSError as error:
        raise RegistryError(str(state), f"{error}; set SERVICIO_ML_STATE_DIR to a writable folder") from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _opened(url: str) -> MlflowClient:
    try:
        mlflow.set_tracking_uri(url)
        client = MlflowClient(url)
        client.search_experiments(max_results=1)
    except REFUSALS as error:
        raise refused(url, error) from error
    return client


def delete_artifacts(place: str) -> None:
    """Delete all that is stored under an artifact address."""
    get_artifact_repository(place).delete_artifacts()  # type: ignore[no-untyped-call]  # MLflow's


def read_artifact(**named: str) -> bytes:
    """The content of an artifact file, named as for `mlflow.artifacts.download_artifacts`."""
    with tempfile.TemporaryDirectory(prefix="servicio-ml-") as scratch:
        return Path(mlflow.artifacts.download_artifacts(**named, dst_path=scratch)).read_bytes()


def refused(url: str, error: Exception) -> RegistryError:
    """Our error for one of MLflow's."""
    text = str(error).strip() or type(error).__name__
    if "No space left" in text or "disk is full" in text:
        return RegistryError(url, "the disk is full; free some space and run the same command again")
    first = text.splitlines()[0]
    return RegistryError(url, f"{first}; check SERVICIO_ML_MLFLOW_URL and that the server or database is up")

"""The connection to MLflow: a tracking server, or an embedded database."""

import fcntl
import logging
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# MLflow reads these when it is imported
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
# a client of a server would print the address of the run into the result of a command
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import SQLAlchemyError

from servicio_ml.adapters.mlflow.artifact_locations import ARTIFACTS, DATABASE, relocate_artifacts
from servicio_ml.adapters.sqlite_url import build_sqlite_url
from servicio_ml.errors import RegistryError

logger = logging.getLogger(__name__)

MAX_RETRIES = 2
TIMEOUT_SECONDS = 20
RESOURCE_EXISTS = "RESOURCE_ALREADY_EXISTS"
MLFLOW_ERRORS = (MlflowException, SQLAlchemyError, OSError)
LOCK_FILE = "mlflow.lock"
DATA_FOLDER = "data"
"""Folder of the artifact within an MLflow model."""
LOADER_MODULE = "servicio_ml.adapters.mlflow.flavour"
"""Module that loads the platform's own MLflow models, by which they are known."""

NOT_FOUND_CODES = frozenset({"RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"})


@dataclass(frozen=True, slots=True, kw_only=True)
class MlflowConnection:
    """An MLflow client with its address.

    Attributes:
        client: MLflow's client.
        url: Address, as shown in messages.
        artifacts: Address of the root folder of artifacts; empty when the server decides.
    """

    client: MlflowClient
    url: str
    artifacts: str

    def get_or_create_experiment(self, name: str) -> str:
        """Return the id of an experiment, which is created when it does not exist."""
        found = self.client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        try:
            location = f"{self.artifacts}/{name}" if self.artifacts else None
            return str(self.client.create_experiment(name, artifact_location=location))
        except MlflowException as error:
            # another process has created it meanwhile
            if error.error_code != RESOURCE_EXISTS:
                raise
            return self.get_or_create_experiment(name)

    @contextmanager
    def translate_errors(self) -> Iterator[None]:
        """Translate errors of MLflow, its database and the network.

        Raises:
            RegistryError: MLflow, its database or the network refuses.
        """
        try:
            yield
        except MLFLOW_ERRORS as error:
            raise translate_error(self.url, error) from error


def connect(url: str, state_dir: Path) -> MlflowConnection:
    """Connect to MLflow.

    MLflow has one tracking address per process, so this sets it for the whole process.

    Args:
        url: Address of a server or a database; SQLite in `state_dir` when empty.
        state_dir: Folder of the embedded database and its artifacts.

    Raises:
        RegistryError: The address cannot be used.
    """
    # MLflow retries for minutes by default
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", str(MAX_RETRIES))
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(TIMEOUT_SECONDS))
    # it logs each run, version and migration
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    # its errors reach the user as RegistryError
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    if url and "://" not in url:
        raise RegistryError(url, "SERVICIO_ML_MLFLOW_URL must be an http, postgresql or sqlite address")
    if url.startswith("http"):
        return MlflowConnection(client=_open_client(url), url=url, artifacts="")
    state = state_dir.resolve()
    embedded = not url
    url = url or build_sqlite_url(state / DATABASE)
    if url.startswith("sqlite"):
        # opened anew for each session: a kept connection goes on with the deleted file after a restore
        os.environ.setdefault("MLFLOW_SQLALCHEMYSTORE_POOLCLASS", "NullPool")
    with _hold_lock(state):
        client = _open_client(url)
        if embedded:
            _follow_moved_folder(state)
    return MlflowConnection(client=client, url=url, artifacts=f"{state.as_uri()}/{ARTIFACTS}")


def _follow_moved_folder(state: Path) -> None:
    try:
        former = relocate_artifacts(state)
    except sqlite3.Error as error:
        raise RegistryError(
            str(state / DATABASE), f"its artifact locations cannot be read: {error}"
        ) from error
    if former:
        logger.warning(
            "the state folder was moved from %s to %s; MLflow's artifact locations follow", former, state
        )


@contextmanager
def _hold_lock(state: Path) -> Iterator[None]:
    """Hold a lock: two processes that create the tables of a new database at once would fail."""
    try:
        state.mkdir(parents=True, exist_ok=True)
        lock = (state / LOCK_FILE).open("w")
    except OSError as error:
        raise RegistryError(str(state), f"{error}; set SERVICIO_ML_STATE_DIR to a writable folder") from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _open_client(url: str) -> MlflowClient:
    try:
        mlflow.set_tracking_uri(url)
        client = MlflowClient(url)
        client.search_experiments(max_results=1)
    except MLFLOW_ERRORS as error:
        raise translate_error(url, error) from error
    return client


def delete_artifacts(address: str) -> None:
    """Delete everything under an artifact address."""
    get_artifact_repository(address).delete_artifacts()  # type: ignore[no-untyped-call]  # MLflow's


def read_artifact(**named: str) -> bytes:
    """Read an artifact file; the arguments are those of `mlflow.artifacts.download_artifacts`."""
    with tempfile.TemporaryDirectory(prefix="servicio-ml-") as scratch:
        return Path(mlflow.artifacts.download_artifacts(**named, dst_path=scratch)).read_bytes()


def translate_error(url: str, error: Exception) -> RegistryError:
    """Translate an error of MLflow into a `RegistryError` with a remedy."""
    text = str(error).strip() or type(error).__name__
    if "No space left" in text or "disk is full" in text:
        return RegistryError(url, "the disk is full; free some space and run the same command again")
    first = text.splitlines()[0]
    remedy = "SERVICIO_ML_MLFLOW_URL and that the server or database is up"
    if getattr(error, "error_code", "") in NOT_FOUND_CODES:
        remedy = "the name, and SERVICIO_ML_MLFLOW_URL if it is in another MLflow"
    return RegistryError(url, f"{first}; check {remedy}")

"""The only module that picks adapters, by the settings. Heavy libraries are imported when asked for."""

import sys
import time
from contextlib import AbstractContextManager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from servicio_ml.adapters.raw_files import RawFiles
from servicio_ml.adapters.registry_link import RegistryLink, RemoteRecords, RemoteRegistry
from servicio_ml.adapters.statsd import NoStats, statsd_stats
from servicio_ml.domain.history import History
from servicio_ml.domain.ports import (
    Broker,
    DecisionLog,
    Journal,
    ObjectStore,
    PredictionLog,
    Registry,
    Retrainer,
    ServedRegistry,
    Stats,
    Tracker,
)
from servicio_ml.domain.records import Records, ServedRecords
from servicio_ml.errors import SettingsError
from servicio_ml.settings import Settings, variable

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

    from servicio_ml.adapters.api_server import ApiServer
    from servicio_ml.adapters.log.connections import Connections
    from servicio_ml.adapters.log.journal import SqliteJournal
    from servicio_ml.adapters.log.keeper import Keeper
    from servicio_ml.adapters.memory_log import MemoryLog
    from servicio_ml.features.comparison import Explain

SECONDS_A_DAY = 86_400
RELOAD_POLLS = 3
"""A server that is told of its first champion knows the model after its next look at the registry."""
RETRAINING = (sys.executable, "-m", "servicio_ml.api.retraining")
"""What runs a retraining on this machine."""
TRAINING_LIBRARY = "optuna"
"""Installed where models can be trained."""


def lake(settings: Settings) -> ObjectStore:
    """The lake: a folder by default, S3 by setting."""
    from servicio_ml.adapters.lake import open_lake

    return open_lake(settings.lake_url or str(settings.state_dir / "lake"), endpoint=settings.s3_endpoint)


def store(settings: Settings, url: str) -> ObjectStore:
    """What `url` names: a folder, or `s3://bucket/prefix`."""
    from servicio_ml.adapters.lake import open_lake

    return open_lake(url, endpoint=settings.s3_endpoint, named="--output")


def source(settings: Settings, address: str) -> AbstractContextManager[Path]:
    """A local file with the content of a path, an http(s) or an S3 address."""
    from servicio_ml.adapters.sources import obtained

    return obtained(address, s3_endpoint=settings.s3_endpoint)


def raw_files(settings: Settings) -> RawFiles:
    """The raw files on this machine."""
    return RawFiles(settings.state_dir, settings.data_dir)


def stats(settings: Settings) -> Stats:
    """StatsD where a host is set."""
    return statsd_stats(settings.statsd_host, settings.statsd_port) if settings.statsd_host else NoStats()


def tracker(settings: Settings) -> Tracker:
    """Runs in MLflow."""
    from servicio_ml.adapters.mlflow import MlflowTracker, connect

    return MlflowTracker(connect(settings.mlflow_url, settings.state_dir))


def runs_and_models(settings: Settings) -> tuple[Tracker, Registry]:
    """Runs and models in MLflow, over one connection."""
    from servicio_ml.adapters.mlflow import MlflowRegistry, MlflowTracker, connect

    connection = connect(settings.mlflow_url, settings.state_dir)
    return MlflowTracker(connection), MlflowRegistry(connection)


def explain() -> "Explain":
    """What makes the page of a drift report."""
    from servicio_ml.adapters.evidently import explain as by_evidently

    return by_evidently


def study_url(settings: Settings) -> str:
    """The database that the Optuna studies of every process share."""
    if settings.study_url:
        return settings.study_url
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{settings.state_dir.resolve()}/studies.db"


def registry_link(settings: Settings, place: Path, key: bytes) -> RegistryLink:
    """The registry of this process for its children."""

    def opened() -> tuple[Registry, Records]:
        tracker, registry = runs_and_models(settings)
        return registry, Records(tracker, registry, stats(settings), time.time)

    return RegistryLink(place, key, opened)


def traces(settings: Settings) -> "TracerProvider":
    """Spans that go to a collector."""
    from servicio_ml.adapters.otel import provider

    return provider(settings.otlp_endpoint)


def remote_registry(place: Path, key: bytes) -> ServedRegistry:
    """The registry of the parent process."""
    return RemoteRegistry(place, key)


def remote_records(place: Path, key: bytes) -> ServedRecords:
    """The records of the parent process."""
    return RemoteRecords(place, key)


def journal(settings: Settings, *, shared: str = "") -> Journal:
    """The journal of this process, with its keeper; by a name, one that several processes write."""
    from servicio_ml.adapters.log.journal import SqliteJournal
    from servicio_ml.adapters.log.keeper import KeptJournal

    folder = log_folder(settings)
    made = SqliteJournal.shared(folder, shared) if shared else SqliteJournal.alone(folder)
    return KeptJournal(made, _keeper(settings, made))


def _keeper(settings: Settings, journal: "SqliteJournal") -> "Keeper":
    from servicio_ml.adapters.log.keeper import Keep, Keeper

    connections = _log_connections(settings)
    keep = Keep(seconds=settings.log_retention_days * SECONDS_A_DAY, bytes=settings.log_max_bytes)
    shipper = None
    if connections is not None:
        from servicio_ml.adapters.log.shipper import Shipper

        shipper = Shipper(connections)
    return Keeper(log_folder(settings), journal, keep, shipper, time.time)


def prediction_log(settings: Settings) -> PredictionLog:
    """The prediction log: SQLite by default, PostgreSQL by setting."""
    connections = _log_connections(settings)
    if connections is not None:
        from servicio_ml.adapters.log.postgres_log import PostgresLog

        return PostgresLog(connections, log_folder(settings))
    from servicio_ml.adapters.log.sqlite_log import SqliteLog

    return SqliteLog(log_folder(settings))


def prepare_log(settings: Settings) -> None:
    """Migrate the log for the processes that are going to open it, so that none of them loads Alembic."""
    from contextlib import ExitStack, closing

    from servicio_ml.adapters.log.journal import SqliteJournal

    prediction_log(settings)
    decision_log(settings)
    with ExitStack() as stack:
        for _ in range(settings.workers):
            stack.enter_context(closing(SqliteJournal.alone(log_folder(settings))))


def decision_log(settings: Settings) -> DecisionLog:
    """What was decided about retrainings, beside the prediction log."""
    connections = _log_connections(settings)
    if connections is not None:
        from servicio_ml.adapters.log.postgres_decisions import PostgresDecisions

        return PostgresDecisions(connections)
    from servicio_ml.adapters.log.sqlite_decisions import SqliteDecisions

    return SqliteDecisions(log_folder(settings))


def retrainer(settings: Settings) -> Retrainer:
    """What starts retrainings: the command line by default, Airflow by setting.

    Raises:
        SettingsError: Nothing could ever be started by these settings.
    """
    if settings.airflow_url:
        from servicio_ml.adapters.airflow_retrainer import AirflowRetrainer

        file = settings.airflow_password_file
        if file is None or not file.is_file():
            problem = f"{file or 'empty'}: SERVICIO_ML_AIRFLOW_URL needs a file with the user's password"
            raise SettingsError(variable("airflow_password_file"), problem)
        return AirflowRetrainer(settings.airflow_url, settings.airflow_user, file)
    if find_spec(TRAINING_LIBRARY) is None:
        problem = (
            "empty, and no training code is installed here that a retraining could run; name Airflow's "
            "address, or install servicio-ml[pipeline], or leave SERVICIO_ML_HOOK_TOKEN_FILE unset"
        )
        raise SettingsError(variable("airflow_url"), problem)
    from servicio_ml.adapters.command_retrainer import CommandRetrainer

    return CommandRetrainer(settings.state_dir / "retraining", RETRAINING, time.time)


def scratch_log() -> "MemoryLog":
    """A journal and log that nobody else sees, gone with the process."""
    from servicio_ml.adapters.memory_log import MemoryLog

    return MemoryLog()


def history() -> AbstractContextManager[History]:
    """Metrics with a past, in a Prometheus of one's own."""
    from servicio_ml.adapters.prometheus import prometheus_history

    return prometheus_history()


def api_server(settings: Settings) -> "ApiServer | None":
    """The server that training tells of a new champion, None where none is set."""
    if not settings.api_url:
        return None
    from servicio_ml.adapters.api_server import ApiServer

    patience = RELOAD_POLLS * settings.poll_seconds
    return ApiServer(settings.api_url, settings.api_key_file, patience)


def prune_log(settings: Settings) -> None:
    """Delete what is too old in the prediction log, as every server does."""
    from servicio_ml.adapters.log.journal import SqliteJournal

    journal = SqliteJournal.alone(log_folder(settings))
    try:
        keeper = _keeper(settings, journal)
        keeper.cycle()
        keeper.stop()
    finally:
        journal.close()


def log_folder(settings: Settings) -> Path:
    """Where the journals of this machine are."""
    return settings.state_dir / "log"


def _log_connections(settings: Settings) -> "Connections | None":
    if not settings.log_url:
        return None
    from servicio_ml.adapters.log.connections import Connections

    return Connections(settings.log_url)


def broker(settings: Settings) -> Broker | None:
    """The streams in Redis or Valkey, None where none is set."""
    if not settings.redis_url:
        return None
    from servicio_ml.adapters.redis_broker import RedisBroker

    return RedisBroker(settings.redis_url)

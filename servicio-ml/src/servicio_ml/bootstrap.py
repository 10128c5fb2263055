"""The only module that picks adapters, by the settings. Heavy libraries are imported when asked for."""

from contextlib import AbstractContextManager
from pathlib import Path

from servicio_ml.adapters.raw_files import RawFiles
from servicio_ml.adapters.statsd import NoStats, StatsdStats
from servicio_ml.domain.ports import ObjectStore, Registry, Stats, Tracker
from servicio_ml.settings import Settings


def lake(settings: Settings) -> ObjectStore:
    """The lake: a folder by default, S3 by setting."""
    from servicio_ml.adapters.lake import open_lake

    return open_lake(settings.lake_url or str(settings.state_dir / "lake"), endpoint=settings.s3_endpoint)


def source(settings: Settings, address: str) -> AbstractContextManager[Path]:
    """A local file with the content of a path, an http(s) or an S3 address."""
    from servicio_ml.adapters.sources import obtained

    return obtained(address, s3_endpoint=settings.s3_endpoint)


def raw_files(settings: Settings) -> RawFiles:
    """The raw files on this machine."""
    return RawFiles(settings.state_dir, settings.data_dir)


def stats(settings: Settings) -> Stats:
    """StatsD where a host is set."""
    return StatsdStats(settings.statsd_host, settings.statsd_port) if settings.statsd_host else NoStats()


def tracker(settings: Settings) -> Tracker:
    """Runs in MLflow."""
    from servicio_ml.adapters.mlflow import MlflowTracker, connect

    return MlflowTracker(connect(settings.mlflow_url, settings.state_dir))


def runs_and_models(settings: Settings) -> tuple[Tracker, Registry]:
    """Runs and models in MLflow, over one connection."""
    from servicio_ml.adapters.mlflow import MlflowRegistry, MlflowTracker, connect

    connection = connect(settings.mlflow_url, settings.state_dir)
    return MlflowTracker(connection), MlflowRegistry(connection)


def study_url(settings: Settings) -> str:
    """The database that the Optuna studies of every process share."""
    if settings.study_url:
        return settings.study_url
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{settings.state_dir.resolve()}/studies.db"

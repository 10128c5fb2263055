"""Settings: the only reader of the environment, read once and frozen."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from servicio_ml.errors import SettingsError

PREFIX = "SERVICIO_ML_"
MEBIBYTE = 1 << 20
LEAST_ROWS = 100
"""A model must be able to answer its golden rows in one request."""
MAX_ROWS = 1 << 20
"""Rows of one request that the memory of a worker is sized for."""


class Settings(BaseSettings):
    """Every setting, with what holds when it is not set.

    Attributes:
        data_dir: Folder with the original raw files.
        use_cases_dir: Folder with a user's own use cases.
        state_dir: Everything that is kept when nothing else is set.
        lake_url: `s3://bucket/prefix` or a folder; `<state_dir>/lake` when empty.
        s3_endpoint: Address of an S3 service other than Amazon's; credentials by the usual AWS variables.
        mlflow_url: Tracking server or database; SQLite in `state_dir` when empty.
        study_url: Database of the Optuna studies; SQLite in `state_dir` when empty.
        statsd_host: Where pipeline steps send StatsD to; nowhere when empty.
        statsd_port: Its UDP port.
        host: Address that the server binds to; other than loopback it needs `keys_file`.
        port: Of REST, OIP, GraphQL and the metrics.
        grpc_port: Of gRPC; 0 for none.
        workers: Server processes.
        models: Names of the models to serve, with commas between; all that have a champion when empty.
        default_model: Whose predictions `/predict` gives.
        poll_seconds: Time between two looks for a new champion.
        cached_versions: Versions other than champions and challengers that are kept loaded.
        shadow_share: Share of the live rows that the challenger scores too, unanswered.
        canary_share: Share of the clients, by their key, that the challenger answers.
        keys_file: File of the API keys; none are asked for when empty.
        max_body_bytes: Greatest request body.
        max_rows: Most rows in one request.
        max_concurrency: Most requests that one worker has in hand; more get 503.
        drain_seconds: How long requests in hand may take when the server is stopped.
        log_url: `postgresql://` address of the prediction log; SQLite in `state_dir` when empty.
        log_retention_days: Age from which predictions are deleted.
        log_max_bytes: Size from which the local journal gives up its oldest rows that are in the log.
        log_sampling: Share of the predictions that are logged, by their id.
        log_full: When the journal cannot be written: `refuse` the request, or answer and `drop` the row.
        redis_url: `redis://` address of the streams; none when empty.
        otlp_endpoint: `http://` address that traces are sent to; none when empty.
        hook_token_file: File with the token that Alertmanager must present; its hook is closed when empty.
        retraining_cooldown_hours: Least time between two retrainings of a model that alerts start.
        retraining_monthly_budget: Most retrainings of a model in 30 days that alerts start.
        airflow_url: `http://` address of Airflow's API for retrainings; the command line when empty.
        airflow_user: Its user.
        airflow_password_file: File with the user's password.
        api_url: `http://` address of the server that training tells of a new champion; none when empty.
        api_key_file: File with an API key of that server with the scope `admin`; none is sent when empty.
        retention_periods: Periods of each use case that `prune` keeps, the latest.
        retention_runs_days: Age from which `prune` deletes runs, versions and drift reports.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", populate_by_name=True)

    data_dir: Path | None = None
    use_cases_dir: Path | None = None
    state_dir: Path = Path("var")
    lake_url: str = ""
    s3_endpoint: str = ""
    mlflow_url: str = ""
    study_url: str = ""
    statsd_host: str = Field(default="", validation_alias="STATSD_HOST")
    statsd_port: int = Field(default=8125, ge=1, le=65535, validation_alias="STATSD_PORT")
    host: str = "127.0.0.1"
    port: int = Field(default=8800, ge=0, le=65535)
    grpc_port: int = Field(default=50051, ge=0, le=65535)
    workers: int = Field(default=2, ge=1)
    models: str = ""
    default_model: str = "rain_australia"
    poll_seconds: float = Field(default=10, gt=0)
    cached_versions: int = Field(default=4, ge=1)
    shadow_share: float = Field(default=0, ge=0, le=1)
    canary_share: float = Field(default=0, ge=0, le=1)
    keys_file: Path | None = None
    max_body_bytes: int = Field(default=32 * MEBIBYTE, ge=1)
    max_rows: int = Field(default=100_000, ge=LEAST_ROWS, le=MAX_ROWS)
    max_concurrency: int = Field(default=512, ge=1)
    drain_seconds: int = Field(default=30, ge=1)
    log_url: str = Field(default="", pattern=r"^(postgres(ql)?://.+)?$")
    log_retention_days: float = Field(default=90, gt=0)
    log_max_bytes: int = Field(default=2048 * MEBIBYTE, ge=MEBIBYTE)
    log_sampling: float = Field(default=1, ge=0, le=1)
    log_full: Literal["refuse", "drop"] = "refuse"
    redis_url: str = Field(default="", pattern=r"^((rediss?|unix)://.+)?$")
    otlp_endpoint: str = Field(default="", pattern=r"^(https?://.+)?$")
    hook_token_file: Path | None = None
    retraining_cooldown_hours: float = Field(default=24, ge=0)
    retraining_monthly_budget: int = Field(default=4, ge=0)
    airflow_url: str = Field(default="", pattern=r"^(https?://.+)?$")
    airflow_user: str = "admin"
    airflow_password_file: Path | None = None
    api_url: str = Field(default="", pattern=r"^(https?://.+)?$")
    api_key_file: Path | None = None
    retention_periods: int = Field(default=24, ge=1)
    retention_runs_days: float = Field(default=365, gt=0)


def load(**overrides: Any) -> Settings:
    """The settings of this process.

    Raises:
        SettingsError: One of them is wrong; it is named with its value.
    """
    try:
        return Settings(**overrides)
    except ValidationError as error:
        first = error.errors()[0]
        raise SettingsError(variable(str(first["loc"][0])), f"{first['input']!r}: {first['msg']}") from error


def variable(name: str) -> str:
    """The environment variable of a setting."""
    alias = Settings.model_fields[name].validation_alias if name in Settings.model_fields else name
    return str(alias or f"{PREFIX}{name.upper()}")

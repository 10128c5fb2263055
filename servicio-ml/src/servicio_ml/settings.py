"""Settings, read once from the environment by this module alone and frozen."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from servicio_ml.errors import SettingsError
from servicio_ml.use_cases.user_files import DEFAULT_FOLDER

PREFIX = "SERVICIO_ML_"
MEBIBYTE = 1 << 20
MIN_ROWS_LIMIT = 100
"""Minimum of the row limit: a model must score its golden rows in one request."""
# a power of two well below the 24 bits with which a prediction id numbers its rows
MAX_ROWS_LIMIT = 1 << 20
"""Maximum of the row limit: the memory of a worker is sized for it."""
LEAD_POLLS = 2.5
"""Intervals of reading in which all replicas read a traffic plan, also where one reading fails."""


class Settings(BaseSettings):
    """All settings with their defaults.

    Attributes:
        data_dir: Folder with the original raw files and uploads; `<state_dir>/raw` when empty.
        use_cases_dir: Folder with a user's own use cases; that of the default need not be there.
        state_dir: Folder of everything that no other setting puts elsewhere.
        environments_dir: Folder of isolated models' environments; `<state_dir>/environments` when empty.
        lake_url: `s3://bucket/prefix` or a folder; `<state_dir>/lake` when empty.
        s3_endpoint: Address of an S3 service other than Amazon's; credentials come from the AWS variables.
        mlflow_url: Tracking server or database; SQLite in `state_dir` when empty.
        study_url: Database of the Optuna studies; SQLite in `state_dir` when empty.
        statsd_host: Host that pipeline steps send StatsD metrics to; none are sent when empty.
        statsd_port: UDP port of `statsd_host`.
        host: Address that the server binds to; any other than loopback requires `keys_file`.
        port: TCP port of REST, OIP, GraphQL and the metrics.
        grpc_port: TCP port of gRPC; 0 turns gRPC off.
        grpc_ping_seconds: Minimum seconds between two keepalive pings of a gRPC client, idle or not.
        workers: Number of server processes.
        models: Names of the models to serve, separated by commas; all that have a champion when empty.
        default_model: Model that `/predict` uses.
        poll_seconds: Seconds between two checks for a new champion.
        cached_versions: Maximum number of loaded versions besides champions and challengers.
        shadow_share: Share of the live rows that the challenger scores too; its results are only logged.
        canary_share: Share of the clients, by their key, that get the challenger's predictions.
        keys_file: File of the API keys; no key is required when empty.
        max_body_bytes: Maximum size of a request body, in bytes.
        max_rows: Maximum number of rows in one request.
        max_concurrency: Maximum number of requests in flight in one worker; further ones get 503.
        drain_seconds: Seconds that requests in flight may take after a stop signal.
        log_url: `postgresql://` address of the prediction log; SQLite in `state_dir` when empty.
        log_retention_days: Age in days from which predictions are deleted.
        log_max_bytes: Size in bytes from which the local journal deletes its oldest rows that are in the log.
        log_sampling: Share of the predictions that are logged, by their id.
        log_full: Reaction to an unwritable journal: `refuse` the request, or respond and `drop` the row.
        redis_url: `redis://` address of the streams; streams are off when empty.
        otlp_endpoint: `http://` address that receives traces; tracing is off when empty.
        hook_token_file: File with the token that Alertmanager must send; its hook is closed when empty.
        retraining_cooldown_hours: Minimum hours between two retrainings of a model that alerts start.
        retraining_monthly_budget: Maximum number of retrainings of a model in 30 days that alerts start.
        airflow_url: `http://` address of Airflow's API for retrainings; a local command retrains when empty.
        airflow_user: User of Airflow's API.
        airflow_password_file: File with that user's password.
        api_url: `http://` address of the server that training notifies of a new champion; none when empty.
        api_key_file: File with an API key of that server with the scope `admin`; no key is sent when empty.
        retention_periods: Number of periods of each use case that `prune` keeps, counted from the latest.
        retention_runs_days: Age in days from which `prune` deletes runs, versions and drift reports.
    """

    # extra variables are ignored: the environment also holds those of other programs with this prefix
    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", populate_by_name=True)

    data_dir: Path | None = None
    use_cases_dir: Path = DEFAULT_FOLDER
    state_dir: Path = Path("var")
    environments_dir: Path | None = None
    lake_url: str = ""
    s3_endpoint: str = ""
    mlflow_url: str = ""
    study_url: str = ""
    # without the prefix: the usual names of a StatsD address, which other programs read too
    statsd_host: str = Field(default="", validation_alias="STATSD_HOST")
    statsd_port: int = Field(default=8125, ge=1, le=65535, validation_alias="STATSD_PORT")
    host: str = "127.0.0.1"
    port: int = Field(default=8800, ge=0, le=65535)
    grpc_port: int = Field(default=50051, ge=0, le=65535)
    grpc_ping_seconds: float = Field(default=5, gt=0, le=300)
    workers: int = Field(default=2, ge=1)
    models: str = ""
    default_model: str = "rain_australia"
    poll_seconds: float = Field(default=10, gt=0)
    cached_versions: int = Field(default=4, ge=1)
    shadow_share: float = Field(default=0, ge=0, le=1)
    canary_share: float = Field(default=0, ge=0, le=1)
    keys_file: Path | None = None
    max_body_bytes: int = Field(default=32 * MEBIBYTE, ge=1)
    max_rows: int = Field(default=100_000, ge=MIN_ROWS_LIMIT, le=MAX_ROWS_LIMIT)
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

    @property
    def lead_seconds(self) -> float:
        """Seconds until a new traffic plan, or step of one, applies: all replicas have read it by then."""
        return LEAD_POLLS * self.poll_seconds


def load_settings(**overrides: Any) -> Settings:
    """Read the settings of this process; `overrides` take precedence over the environment.

    Raises:
        SettingsError: A setting is invalid; the message names it with its value.
    """
    try:
        return Settings(**overrides)
    except ValidationError as error:
        # the first is enough: a start stops at one wrong setting, and its user mends one at a time
        first = error.errors()[0]
        problem = f"{first['input']!r}: {first['msg']}"
        raise SettingsError(get_variable(str(first["loc"][0])), problem) from error


def get_variable(name: str) -> str:
    """Return the environment variable of a setting."""
    alias = Settings.model_fields[name].validation_alias if name in Settings.model_fields else name
    return str(alias or f"{PREFIX}{name.upper()}")

"""Settings: the only reader of the environment, read once and frozen."""

from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from servicio_ml.errors import SettingsError

PREFIX = "SERVICIO_ML_"


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

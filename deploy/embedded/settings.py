"""What `make up` can be told by variables, besides the platform's own settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from servicio_ml import settings as platform
from servicio_ml.errors import ServicioError, SettingsError

ROOT = Path(__file__).parents[2]
LOOPBACK = "127.0.0.1"
STATE = "var"
SOCKET_CHARACTERS = 100
"""Of the path of a Unix socket; systems take a few more."""


class PlatformError(ServicioError):
    """The platform cannot be started, or is not there."""


class Given(BaseSettings):
    """The variables.

    Attributes:
        use_cases: Names with commas between, or `all`: those that get a champion if they have none.
        train_seconds: For tuning each use case; the command's own when empty.
        fetch_seconds: How long a publisher may take to give out an original; 0 to not ask.
        rule_step: Between two evaluations of the rules about models: `1m` has alerts come five times sooner,
            with the windows of an hour and a day only.
        notify_url: Takes Alertmanager's JSON and reaches people; nobody is told when empty.
        mlflow_port: Of MLflow.
        streamlit_port: Of the pages.
        prometheus_port: Of Prometheus.
        alertmanager_port: Of Alertmanager.
        redis_port: Of a Redis of our own; 6379 or the next free one when 0.
        stream_metrics_port: Of the stream worker's metrics.
    """

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", populate_by_name=True, env_ignore_empty=True
    )

    use_cases: str = "rain_australia"
    train_seconds: float | None = Field(default=None, ge=0)
    fetch_seconds: float = Field(default=20, ge=0)
    rule_step: str = Field(default="5m", pattern=r"^[1-9][0-9]*[smh]$")
    notify_url: str = Field(default="", pattern=r"^(https?://.+)?$")
    mlflow_port: int = Field(default=5001, ge=1, le=65535)
    streamlit_port: int = Field(default=8501, ge=1, le=65535)
    prometheus_port: int = Field(default=9090, ge=1, le=65535)
    alertmanager_port: int = Field(default=9093, ge=1, le=65535)
    redis_port: int = Field(default=0, ge=0, le=65535)
    stream_metrics_port: int = Field(default=8801, ge=1, le=65535)


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where the platform keeps what it needs, all below one folder.

    Attributes:
        state: The folder, absolute.
    """

    state: Path

    @property
    def run(self) -> Path:
        """Of what holds as long as a platform runs, and can be made anew."""
        return self.state / "run"

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    @property
    def token(self) -> Path:
        """Of Alertmanager's, for the server's hook."""
        return self.state / "secrets" / "hook_token"

    @property
    def socket(self) -> Path:
        """On which supervisord is asked."""
        return self.run / "supervisor.sock"

    @property
    def lock(self) -> Path:
        """Held by the terminal that the platform runs in."""
        return self.run / "up.lock"

    @property
    def description(self) -> Path:
        """Of the platform that runs."""
        return self.run / "platform.json"

    def log(self, part: str) -> Path:
        return self.logs / f"{part}.log"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """Everything that was told.

    Attributes:
        given: To `make up`.
        platform: To servicio-ml.
        places: Where things are.
    """

    given: Given
    platform: platform.Settings
    places: Places

    @property
    def api_url(self) -> str:
        return local_url(self.platform.port)

    def environment(self) -> Mapping[str, str]:
        """What servicio-ml's commands are told, besides what this process was."""
        told = {
            "SERVICIO_ML_STATE_DIR": str(self.places.state),
            "SERVICIO_ML_API_URL": self.platform.api_url or self.api_url,
        }
        if self.platform.data_dir is not None:
            told["SERVICIO_ML_DATA_DIR"] = str(self.platform.data_dir.resolve())
        return told


def local_url(port: int) -> str:
    """Of a port of this machine."""
    return f"http://{LOOPBACK}:{port}"


def read() -> Setup:
    """The set-up of this process.

    Raises:
        SettingsError: A variable is wrong; it is named.
        PlatformError: The state cannot be where it is to be.
    """
    told = platform.load()
    if told.host != LOOPBACK:
        raise SettingsError(
            "SERVICIO_ML_HOST",
            f"{told.host!r}: the embedded platform binds to {LOOPBACK} only; see docs/deploy-compose.md",
        )
    state = told.state_dir if "state_dir" in told.model_fields_set else ROOT / STATE
    places = Places(state=state.resolve())
    if len(str(places.socket)) > SOCKET_CHARACTERS:
        raise PlatformError(
            f"{places.state} is too long a path for a Unix socket ({SOCKET_CHARACTERS} characters with "
            f"{places.socket.relative_to(places.state)}); set SERVICIO_ML_STATE_DIR to a shorter one"
        )
    return Setup(given=_given(), platform=told, places=places)


def _given() -> Given:
    try:
        return Given()
    except ValidationError as error:
        first = error.errors()[0]
        raise SettingsError(str(first["loc"][0]).upper(), f"{first['input']!r}: {first['msg']}") from error

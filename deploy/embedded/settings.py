"""Variables that `make up` reads besides the platform's own settings, and the paths of its state."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from servicio_ml.errors import ServicioError, SettingsError
from servicio_ml.settings import Settings, load_settings

ROOT = Path(__file__).parents[2]
LOOPBACK = "127.0.0.1"
DEFAULT_STATE_FOLDER = "var"
MAX_SOCKET_CHARACTERS = 100
"""Maximum length of a Unix socket's path; Linux accepts 107 characters, macOS 103."""


class PlatformError(ServicioError):
    """The platform cannot start, or does not run."""


class ProgramsAnswer(StrEnum):
    """Whether `make up` downloads the programs that this machine lacks."""

    ASK = "ask"
    YES = "yes"
    NO = "no"


class UpOptions(BaseSettings):
    """Variables of `make up`.

    Attributes:
        use_cases: Use cases that get a champion if they have none: names separated by commas, or `all`.
        train_seconds: Time limit for tuning each use case, in seconds; optional.
        fetch_seconds: Time limit for a publisher's download of the original data, in seconds; 0 skips it.
        rule_step: Time between two evaluations of the rules about models: with `1m`, alerts come five times
            sooner, and only the windows of an hour and a day are evaluated.
        programs: Whether missing programs are downloaded; a terminal is asked once by default.
        programs_mirror: Address of a folder with the same files as the publishers'; optional.
        programs_seconds: Time limit for downloading one program, in seconds.
        notify_url: Address that receives Alertmanager's JSON and notifies people; optional.
        mlflow_port: Port of MLflow.
        streamlit_port: Port of the pages.
        prometheus_port: Port of Prometheus.
        alertmanager_port: Port of Alertmanager.
        grafana_port: Port of Grafana.
        redis_port: Port of the platform's own Redis; 0 takes 6379 or the next free one.
        stream_metrics_port: Port of the stream worker's metrics.
        statsd_exporter_port: Port of the StatsD exporter's metrics.
    """

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", populate_by_name=True, env_ignore_empty=True
    )

    use_cases: str = "rain_australia"
    train_seconds: float | None = Field(default=None, ge=0)
    fetch_seconds: float = Field(default=20, ge=0)
    rule_step: str = Field(default="5m", pattern=r"^[1-9][0-9]*[smh]$")
    programs: ProgramsAnswer = ProgramsAnswer.ASK
    programs_mirror: str = Field(default="", pattern=r"^(https?://.+)?$")
    programs_seconds: float = Field(default=900, gt=0)
    notify_url: str = Field(default="", pattern=r"^(https?://.+)?$")
    mlflow_port: int = Field(default=5001, ge=1, le=65535)
    streamlit_port: int = Field(default=8501, ge=1, le=65535)
    prometheus_port: int = Field(default=9090, ge=1, le=65535)
    alertmanager_port: int = Field(default=9093, ge=1, le=65535)
    grafana_port: int = Field(default=3000, ge=1, le=65535)
    redis_port: int = Field(default=0, ge=0, le=65535)
    stream_metrics_port: int = Field(default=8801, ge=1, le=65535)
    statsd_exporter_port: int = Field(default=9102, ge=1, le=65535)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatePaths:
    """Paths of the platform's files, all below one folder.

    Attributes:
        state: The state folder, absolute.
    """

    state: Path

    @property
    def run(self) -> Path:
        """Folder of files that are valid while a platform runs and are written anew by the next."""
        return self.state / "run"

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    @property
    def programs(self) -> Path:
        """Folder of the downloaded programs."""
        return self.state / "programs"

    @property
    def programs_asked(self) -> Path:
        """File that exists after a terminal was asked whether programs are to be downloaded."""
        return self.programs / ".asked"

    @property
    def token(self) -> Path:
        """File with Alertmanager's token for the server's hook."""
        return self.state / "secrets" / "hook_token"

    @property
    def socket(self) -> Path:
        """Unix socket of supervisord."""
        return self.run / "supervisor.sock"

    @property
    def supervisord_config(self) -> Path:
        return self.run / "supervisord.conf"

    @property
    def lock(self) -> Path:
        """File that the terminal of the platform holds locked."""
        return self.run / "up.lock"

    @property
    def description(self) -> Path:
        """Description of the platform that was started last."""
        return self.run / "platform.json"

    def get_log(self, component: str) -> Path:
        return self.logs / f"{component}.log"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformSetup:
    """Options, settings and paths of one platform.

    Attributes:
        options: Variables of `make up`.
        settings: Settings of servicio-ml.
        paths: Paths of the state.
    """

    options: UpOptions
    settings: Settings
    paths: StatePaths

    @property
    def api_url(self) -> str:
        return build_local_url(self.settings.port)

    def build_variables(self) -> Mapping[str, str]:
        """Environment variables of servicio-ml's commands, in addition to those of this process."""
        # absolute paths: the commands may run in another working directory
        variables = {
            "SERVICIO_ML_STATE_DIR": str(self.paths.state),
            "SERVICIO_ML_API_URL": self.settings.api_url or self.api_url,
        }
        if self.settings.data_dir is not None:
            variables["SERVICIO_ML_DATA_DIR"] = str(self.settings.data_dir.resolve())
        return variables


def build_local_url(port: int) -> str:
    """Address of a port of this machine."""
    return f"http://{LOOPBACK}:{port}"


def read_setup() -> PlatformSetup:
    """Read the setup from this process's environment.

    Raises:
        SettingsError: A variable has an invalid value; the message names it.
        PlatformError: The path of the state folder is too long.
    """
    settings = load_settings()
    # without keys and TLS, nothing of the embedded platform may be reachable from outside
    if settings.host != LOOPBACK:
        raise SettingsError(
            "SERVICIO_ML_HOST",
            f"{settings.host!r}: the embedded platform binds to {LOOPBACK} only; see docs/deploy-compose.md",
        )
    # the default is relative to the repository, not to the working directory
    is_set = "state_dir" in settings.model_fields_set
    state = settings.state_dir if is_set else ROOT / DEFAULT_STATE_FOLDER
    paths = StatePaths(state=state.resolve())
    _check_socket(paths)
    return PlatformSetup(options=_read_options(), settings=settings, paths=paths)


def _check_socket(paths: StatePaths) -> None:
    if len(str(paths.socket)) > MAX_SOCKET_CHARACTERS:
        raise PlatformError(
            f"{paths.state} is too long a path for a Unix socket ({MAX_SOCKET_CHARACTERS} characters with "
            f"{paths.socket.relative_to(paths.state)}); set SERVICIO_ML_STATE_DIR to a shorter one"
        )


def _read_options() -> UpOptions:
    try:
        return UpOptions()
    except ValidationError as error:
        first = error.errors()[0]
        raise SettingsError(str(first["loc"][0]).upper(), f"{first['input']!r}: {first['msg']}") from error

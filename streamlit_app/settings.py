"""Settings of the pages: addresses of the services, and the API key."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class PageSettings(BaseSettings):
    """Settings from the environment, read at the start.

    Attributes:
        api_url: Address of the server.
        api_key_file: File with an API key of the scope `predict`; no key is sent without it.
        prometheus_url: Address of Prometheus.
        grafana_url: Address of the dashboards for a reader's browser; without it there is no link to them.
    """

    model_config = SettingsConfigDict(env_prefix="SERVICIO_ML_", frozen=True, extra="ignore")

    api_url: str = Field(default="http://127.0.0.1:8800", pattern=r"^https?://.+")
    api_key_file: Path | None = None
    prometheus_url: str = Field(default="http://127.0.0.1:9090", pattern=r"^https?://.+")

    grafana_url: str = Field(default="", pattern=r"^(https?://.+)?$")

    @property
    def api_key(self) -> str:
        """API key of the file, empty without one; read each time, because the file may change.

        Raises:
            OSError: The file cannot be read.
            UnicodeError: The file is no text.
        """
        return self.api_key_file.read_text().strip() if self.api_key_file else ""

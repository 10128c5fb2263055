"""The settings of the pages: where they ask, and with which key."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Read from the environment at the start.

    Attributes:
        api_url: Address of the server.
        api_key_file: File with an API key of that server with the scope `predict`; none is sent when empty.
        prometheus_url: Address of Prometheus.
    """

    model_config = SettingsConfigDict(env_prefix="SERVICIO_ML_", frozen=True, extra="ignore")

    api_url: str = Field(default="http://127.0.0.1:8800", pattern=r"^https?://.+")
    api_key_file: Path | None = None
    prometheus_url: str = Field(default="http://127.0.0.1:9090", pattern=r"^https?://.+")

    @property
    def api_key(self) -> str:
        """The key of the file; empty without one. Read each time, it may be changed.

        Raises:
            OSError: The file cannot be read.
            UnicodeError: It is no text.
        """
        return self.api_key_file.read_text().strip() if self.api_key_file else ""

"""Requests to the server about itself and its models."""

from urllib.parse import quote

from pydantic import BaseModel

from streamlit_app.client.transport import RefusedError, Transport

NOT_FOUND, NOT_READY = 404, 503


class ServerInfo(BaseModel):
    """Names of the models that the server has, and the titles of those whose use case it has, too."""

    models: list[str]
    titles: dict[str, str]
    default_model: str


class TrafficShares(BaseModel):
    """Shares (0 to 1) of the requests that the challenger scores too, or instead."""

    shadow: float
    canary: float


class ModelVersion(BaseModel):
    """A registered version; `created` in seconds since 1970."""

    version: int
    aliases: list[str]
    run_id: str
    created: float
    tags: dict[str, str]


class ModelInfo(BaseModel):
    """State of a model on the server; times in seconds since 1970."""

    model: str
    task: str | None
    champion: int | None
    runtime: str | None
    row_seconds: float | None
    challenger: int | None
    loaded: float | None
    checked: float
    problem: str
    traffic: TrafficShares
    versions: list[ModelVersion]


class ServerHealth(BaseModel):
    """Readiness of the server, and of each model: `ready`, or the reason why it is not."""

    status: str
    models: dict[str, str]


def fetch_server_info(api: Transport) -> ServerInfo:
    """Fetch the names of the models."""
    return api.fetch(ServerInfo, "GET", "/")


def fetch_health(api: Transport) -> ServerHealth:
    """Fetch the readiness; a server that is not ready answers too."""
    try:
        return api.fetch(ServerHealth, "GET", "/health/ready")
    except RefusedError as refused:
        if refused.status != NOT_READY:
            raise
        return ServerHealth(status="not ready", models={})


def fetch_model(api: Transport, name: str) -> ModelInfo:
    """Fetch one model and its versions."""
    return api.fetch(ModelInfo, "GET", build_path(name))


def is_served(api: Transport, name: str) -> bool:
    """Whether the process that answers has loaded the champion of a model; it lists the model before."""
    try:
        return fetch_model(api, name).loaded is not None
    except RefusedError as refused:
        if refused.status != NOT_FOUND:
            raise
        return False


def build_path(name: str, rest: str = "") -> str:
    """Build a path below a model's."""
    return f"/models/{quote(name, safe='')}{rest}"

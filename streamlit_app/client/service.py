"""What the pages ask the server about itself and its models."""

from urllib.parse import quote

from pydantic import BaseModel

from streamlit_app.client.transport import Refused, Transport

NOT_READY = 503


class Index(BaseModel):
    """What is served."""

    models: list[str]
    default_model: str


class Traffic(BaseModel):
    """Shares of the challenger."""

    shadow: float
    canary: float


class Version(BaseModel):
    """A registered version; `created` in seconds since 1970."""

    version: int
    aliases: list[str]
    run_id: str
    created: float
    tags: dict[str, str]


class Model(BaseModel):
    """What the server knows of a model; times in seconds since 1970."""

    model: str
    task: str | None
    champion: int | None
    challenger: int | None
    loaded: float | None
    checked: float
    problem: str
    traffic: Traffic
    versions: list[Version]


class Health(BaseModel):
    """Whether the server answers; model to `ready` or to why it is not."""

    status: str
    models: dict[str, str]


def index(api: Transport) -> Index:
    """What is served."""
    return api.ask(Index, "GET", "/")


def health(api: Transport) -> Health:
    """Whether each model answers; a server that is not ready says so too."""
    try:
        return api.ask(Health, "GET", "/health/ready")
    except Refused as refused:
        if refused.status != NOT_READY:
            raise
        return Health(status="not ready", models={})


def model(api: Transport, name: str) -> Model:
    """One model and its versions."""
    return api.ask(Model, "GET", path(name))


def path(name: str, rest: str = "") -> str:
    """Below which all about a model is."""
    return f"/models/{quote(name, safe='')}{rest}"

"""What the pages ask the server about drift: the state of a window, and the latest report."""

from datetime import datetime

from pydantic import BaseModel

from streamlit_app.client.service import path
from streamlit_app.client.transport import Transport


class Column(BaseModel):
    """A feature, or the prediction; shares by bin, 0 to 1."""

    name: str
    psi: float | None
    threshold: float | None
    drifted: bool
    missing: float | None
    reference_missing: float
    current: dict[str, float]
    reference: dict[str, float]

    @property
    def excess(self) -> float:
        """The index over its threshold: from 1 on it is drift. 0 without rows."""
        return self.psi / self.threshold if self.psi is not None and self.threshold else 0.0


class Window(BaseModel):
    """A time."""

    start: datetime
    end: datetime


class State(BaseModel):
    """How the rows of a window compare with the training rows."""

    model: str
    version: int
    window: Window
    rows: int
    reference_rows: int
    drifted_share: float
    features: list[Column]
    prediction: Column


class Report(BaseModel):
    """What the latest report comes to."""

    version: int
    window: Window
    rows: int
    verdict: str
    drifted_share: float


class _Field(BaseModel):
    name: str
    description: str


class _Schema(BaseModel):
    fields: list[_Field]


def descriptions(api: Transport, model: str) -> dict[str, str]:
    """What each field is, in words, by name."""
    fields = api.ask(_Schema, "GET", path(model, "/schema")).fields
    return {each.name: each.description for each in fields}


def state(api: Transport, model: str, window: str) -> State:
    """The drift of a window such as `24h`, up to now."""
    return api.ask(State, "GET", path(model, "/drift"), params={"window": window})


def report(api: Transport, model: str) -> Report:
    """What the latest report comes to; refused with 404 where there is none."""
    return api.ask(Report, "GET", path(model, "/drift/report"), params={"format": "json"})


def report_page(api: Transport, model: str) -> str:
    """The latest report: some megabytes of HTML."""
    return api.raw("GET", path(model, "/drift/report"), params={"format": "html"}).text

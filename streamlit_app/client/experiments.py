"""Requests to the server about experiments."""

from http import HTTPStatus

from pydantic import BaseModel

from streamlit_app.client.service import build_path
from streamlit_app.client.transport import RefusedError, Transport


class ArmView(BaseModel):
    """One version of an experiment; None where there is no number yet, or for the champion."""

    version: int
    share: float
    rows: int
    mean: float | None
    improvement: float | None
    low: float | None
    high: float | None
    verdict: str | None


class DesignView(BaseModel):
    """Declaration of an experiment."""

    metric: str
    minimum_effect: float
    relative: bool
    error_rate: float


class ExperimentView(BaseModel):
    """One experiment; times in seconds since 1970."""

    champion: int
    ended: bool
    since: float
    deadline: float
    arms: list[ArmView]
    design: DesignView


def fetch_experiment(api: Transport, name: str) -> ExperimentView | None:
    """Fetch the newest experiment of a model; None when it never had one."""
    try:
        return api.fetch(ExperimentView, "GET", build_path(name, "/experiment"))
    except RefusedError as refused:
        if refused.status != HTTPStatus.NOT_FOUND:
            raise
        return None

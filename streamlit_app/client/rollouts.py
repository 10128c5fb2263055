"""Requests to the server about rollouts."""

from http import HTTPStatus

from pydantic import BaseModel

from streamlit_app.client.service import build_path
from streamlit_app.client.transport import RefusedError, Transport


class GuardrailView(BaseModel):
    """Evidence on one guardrail; `value` is None without rows."""

    guardrail: str
    verdict: str
    rows: int
    value: float | None
    limit: float


class RolloutEventView(BaseModel):
    """Change of a rollout, in seconds since 1970; `share` of the clients (0–1) from then on."""

    at: float
    state: str
    share: float
    reason: str
    by: str


class RampView(BaseModel):
    """Limits of a rollout's steps, in rows, hours and shares (0–1)."""

    shadow: float
    min_rows: int
    min_hours: float
    max_hours: float
    undecided: str
    error_rate: float
    watch_hours: float


class RolloutView(BaseModel):
    """One rollout; times in seconds since 1970, shares of the clients from 0 to 1."""

    champion: int
    challenger: int
    state: str
    ended: bool
    share: float
    step: int
    steps: list[float]
    since: float
    deadline: float | None
    judged_at: float | None
    findings: list[GuardrailView]
    events: list[RolloutEventView]
    ramp: RampView


def fetch_rollout(api: Transport, name: str) -> RolloutView | None:
    """Fetch the newest rollout of a model; None when it never had one."""
    try:
        return api.fetch(RolloutView, "GET", build_path(name, "/rollout"))
    except RefusedError as refused:
        if refused.status != HTTPStatus.NOT_FOUND:
            raise
        return None


def start_rollout(api: Transport, name: str, version: int) -> RolloutView:
    """Begin a rollout of a version with the ramp of the use case."""
    return api.fetch(RolloutView, "POST", build_path(name, "/rollout"), body={"version": version})


def change_rollout(api: Transport, name: str, change: str, reason: str) -> RolloutView:
    """Change the newest rollout.

    Args:
        api: Server.
        name: Name of the model.
        change: `pause`, `resume` or `abort`.
        reason: Reason for the history; empty for none.
    """
    body = {"reason": reason} if reason else {}
    return api.fetch(RolloutView, "POST", build_path(name, f"/rollout/{change}"), body=body)

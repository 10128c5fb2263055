"""Requests of the page Live: retraining decisions of the server, and alert limits of Prometheus."""

import re
from collections.abc import Mapping

from pydantic import BaseModel

from streamlit_app.client.service import build_path
from streamlit_app.client.transport import Transport

LIMIT = re.compile(r">=?\s*([0-9.eE+-]+)$")
"""End of an alert's expression that compares with a number."""


class DecisionEntry(BaseModel):
    """Decision on an alert's request to retrain; `at` in seconds since 1970."""

    decision: str
    reason: str
    at: float
    reference: str


class RetrainingState(BaseModel):
    """Retraining budget and decisions of a model, the newest decision first."""

    quarantined: bool
    quarantined_by: list[str]
    budget_remaining: int
    decisions: list[DecisionEntry]


class _AlertRule(BaseModel):
    name: str
    query: str


class _RuleGroup(BaseModel):
    rules: list[_AlertRule]


class _RuleGroups(BaseModel):
    groups: list[_RuleGroup]


class _RulesResponse(BaseModel):
    data: _RuleGroups


def fetch_retraining(api: Transport, model: str) -> RetrainingState:
    """Fetch the retraining budget and decisions of a model."""
    return api.fetch(RetrainingState, "GET", build_path(model, "/retraining"))


def fetch_alert_limits(prometheus: Transport) -> Mapping[str, float]:
    """Fetch the limit of each alert that compares with a number."""
    response = prometheus.fetch(_RulesResponse, "GET", "/api/v1/rules", params={"type": "alert"})
    matches = {rule.name: LIMIT.search(rule.query) for group in response.data.groups for rule in group.rules}
    return {name: float(match[1]) for name, match in matches.items() if match}

"""What the page Live asks besides expressions: retrainings of the server, limits of Prometheus' rules."""

import re
from collections.abc import Mapping

from pydantic import BaseModel

from streamlit_app.client.service import path
from streamlit_app.client.transport import Transport

LIMIT = re.compile(r">=?\s*([0-9.eE+-]+)$")
"""What an alert's expression ends with when a number is its limit."""


class Decision(BaseModel):
    """What alerts led to; `at` in seconds since 1970."""

    decision: str
    reason: str
    at: float
    reference: str


class Retraining(BaseModel):
    """What alerts may do to a model, and did; the newest decision first."""

    quarantined: bool
    quarantined_by: list[str]
    budget_remaining: int
    decisions: list[Decision]


class _Rule(BaseModel):
    name: str
    query: str


class _Group(BaseModel):
    rules: list[_Rule]


class _Groups(BaseModel):
    groups: list[_Group]


class _Ruled(BaseModel):
    data: _Groups


def retraining(api: Transport, model: str) -> Retraining:
    """What was decided about retrainings of a model."""
    return api.ask(Retraining, "GET", path(model, "/retraining"))


def limits(prometheus: Transport) -> Mapping[str, float]:
    """The number beyond which each alert fires, of those that have one."""
    asked = prometheus.ask(_Ruled, "GET", "/api/v1/rules", params={"type": "alert"})
    found = {rule.name: LIMIT.search(rule.query) for group in asked.data.groups for rule in group.rules}
    return {name: float(match[1]) for name, match in found.items() if match}

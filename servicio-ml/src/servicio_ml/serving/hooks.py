"""The hook of Alertmanager, and the routes about the retrainings that it starts."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hmac import compare_digest
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from servicio_ml.domain import retraining
from servicio_ml.domain.ports import Retrainer
from servicio_ml.domain.retraining import Alert, Decision, Entry, History
from servicio_ml.errors import (
    HookClosedError,
    HookTokenError,
    RequestError,
    RetrainingError,
    SettingsError,
)
from servicio_ml.serving.call import CALL, JSON
from servicio_ml.serving.models import Models
from servicio_ml.serving.openapi import refusals
from servicio_ml.serving.retraining import Ledger

SETTING = "SERVICIO_ML_HOOK_TOKEN_FILE"
Text = Annotated[str, Field(max_length=256, pattern=r"^[^\x00]*$")]
"""What a database takes."""
BODY: Mapping[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            JSON: {
                "schema": {
                    "type": "object",
                    "required": ["version", "alerts"],
                    "description": "The body of Alertmanager's webhook, version 4.",
                }
            }
        },
    },
}


class Labels(BaseModel):
    """The labels of an alert that count here."""

    alertname: Text
    model: Text = ""
    cause: Text = ""
    severity: Text = ""


class Told(BaseModel):
    """An alert of a notification."""

    status: Literal["firing", "resolved"]
    labels: Labels
    starts: AwareDatetime = Field(alias="startsAt")
    fingerprint: Text

    def alert(self) -> Alert:
        """As decisions know it."""
        return Alert(
            name=self.labels.alertname, cause=self.labels.cause, severity=self.labels.severity,
            firing=self.status == "firing", starts=self.starts.timestamp(), fingerprint=self.fingerprint,
        )  # fmt: skip


class Notification(BaseModel):
    """What Alertmanager posts."""

    version: Literal["4"]
    alerts: list[Told]

    def by_model(self) -> dict[str, list[Alert]]:
        """The alerts of each model; those about no model are left out."""
        found = defaultdict[str, list[Alert]](list)
        for told in self.alerts:
            if told.labels.model:
                found[told.labels.model].append(told.alert())
        return dict(found)


class DecisionState(BaseModel):
    """One entry of the decision log."""

    model: str
    decision: Decision
    reason: str
    at: float = Field(description="When it was decided first, in seconds since 1970.")
    reference: str = Field(description="Of the run that was started or has ended; else empty.")


class Decisions(BaseModel):
    """What a notification led to, a decision a model."""

    decisions: list[DecisionState]


class RetrainingState(BaseModel):
    """What alerts may do to a model, and what they did."""

    model: str
    quarantined: bool = Field(description="Whether alerts may not retrain it.")
    quarantined_by: list[str] = Field(description="Names of the alerts that hold it in quarantine.")
    budget_remaining: int = Field(description="Retrainings that alerts may still start.")
    decisions: list[DecisionState] = Field(description="The newest first.")


def read_token(path: Path) -> str:
    """The token of a file.

    Raises:
        SettingsError: It cannot be read or is empty.
    """
    try:
        token = path.read_text().strip()
    except (OSError, UnicodeError) as error:
        raise SettingsError(SETTING, f"{error}; put a random token into the file") from error
    if not token:
        raise SettingsError(SETTING, f"{path} is empty; put a random token into it")
    return token


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """Takes notifications.

    Attributes:
        token: That must come with them.
        retrainer: Starts what is decided.
        ledger: Keeps it.
    """

    token: str
    retrainer: Retrainer
    ledger: Ledger

    def admit(self, authorization: str) -> None:
        """Let in whoever has the token.

        Raises:
            HookTokenError: It is absent or wrong.
        """
        kind, _, token = authorization.partition(" ")
        same = compare_digest(token.strip().encode(errors="replace"), self.token.encode())
        if kind.lower() != "bearer" or not same:
            raise HookTokenError

    def notified(self, told: Mapping[str, Sequence[Alert]]) -> list[Entry]:
        """Decide on each model and start what is to be started.

        Raises:
            LogError: The log cannot be reached.
            NotReadyError: Which models are served is not known yet.
            RetrainingError: Something could not be started; sent again, it is tried again.
        """
        entries = [self._decided(model, alerts) for model, alerts in told.items()]
        for entry in entries:
            if entry.decision is Decision.FAILED:
                raise RetrainingError(entry.model, entry.reason)
        return entries

    def _decided(self, model: str, told: Sequence[Alert]) -> Entry:
        if not self.ledger.serves(model):
            why = "no such model is served here"
            return self.ledger.settle(model, lambda _, now: retraining.ignored(model, why, now))

        def decide(history: History, now: float) -> Entry:
            entry = retraining.decide(model, told, history, self.ledger.policy, now)
            return self._started(entry, history) if entry.decision is Decision.RETRAIN else entry

        return self.ledger.settle(model, decide)

    def _started(self, entry: Entry, history: History) -> Entry:
        key = retraining.run_key(entry, history)
        try:
            reference = self.retrainer.start(entry.model, key, entry.reason)
        except RetrainingError as error:
            return retraining.not_started(entry, str(error))
        return replace(entry, reference=reference)


def routes(ledger: Ledger, models: Models, hook: Hook | None) -> APIRouter:
    """The hook, quarantine and decisions.

    Args:
        ledger: Of the decisions.
        models: Those that are served.
        hook: None when no token is set: it is closed.
    """
    router = APIRouter(tags=["retraining"])

    @router.post("/hooks/alertmanager", openapi_extra=dict(BODY), responses=refusals(400, 401, 403, 413, 503))
    async def alertmanager(request: Request) -> Decisions:
        """Take a notification of Alertmanager and retrain what it asks for."""
        if hook is None:
            raise HookClosedError
        hook.admit(request.headers.get("authorization", ""))
        told = _parsed(await request.body()).by_model()
        return Decisions(decisions=[_state(each) for each in await asyncio.to_thread(hook.notified, told)])

    @router.delete("/models/{model}/quarantine", responses=refusals(401, 403, 404, 503))
    async def lift(model: str, request: Request) -> DecisionState:
        """Let alerts retrain a model again, whatever holds it in quarantine; for administrators."""
        models.state(model)
        by = request.scope[CALL].key or "an administrator"
        return _state(await asyncio.to_thread(ledger.lift, model, by))

    @router.get("/models/{model}/retraining", responses=refusals(401, 403, 404, 503))
    async def decided(model: str) -> RetrainingState:
        """What alerts may do to a model, and what they led to in the last 30 days."""
        models.state(model)
        history = await asyncio.to_thread(ledger.history, model)
        held = [alert.name for alert in history[0].alerts if alert.breaks] if history else []
        return RetrainingState(
            model=model, quarantined=bool(held), quarantined_by=sorted(set(held)),
            budget_remaining=ledger.remaining(history), decisions=[_state(entry) for entry in history],
        )  # fmt: skip

    return router


def _parsed(body: bytes) -> Notification:
    try:
        return Notification.model_validate_json(body)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "body"
        taken = "it takes the body of Alertmanager's webhook, version 4"
        raise RequestError(f"{where}: {first['msg']}", taken) from error


def _state(entry: Entry) -> DecisionState:
    return DecisionState(
        model=entry.model, decision=entry.decision, reason=entry.reason, at=entry.at,
        reference=entry.reference,
    )  # fmt: skip

"""REST route for the webhook of Alertmanager."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from servicio_ml.domain.retraining import ModelAlert
from servicio_ml.errors import HookClosedError, RequestError
from servicio_ml.serving.http.call import JSON
from servicio_ml.serving.http.route_access import Access, require
from servicio_ml.serving.models.json_keys import RepeatedKeyError, load_json
from servicio_ml.serving.openapi import describe_errors
from servicio_ml.serving.retraining.hook import AlertHook
from servicio_ml.serving.retraining.routes import RetrainingDecisionState, build_state

EXPECTED_BODY = "it takes the body of Alertmanager's webhook, version 4"
LabelText = Annotated[str, Field(max_length=256, pattern=r"^[^\x00]*$")]
"""Label value that fits a column of the decision log: PostgreSQL stores no NUL."""
# described by hand: the body is parsed after the token is checked, so FastAPI does not know its model
REQUEST_BODY_SCHEMA: Mapping[str, Any] = {
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


class AlertLabels(BaseModel):
    """Labels of an alert that decisions use."""

    # Prometheus always sets it; an alert of another sender without it must not refuse its neighbours
    alertname: LabelText = ""
    model: LabelText = ""
    cause: LabelText = ""
    severity: LabelText = ""


class WebhookAlert(BaseModel):
    """An alert of a notification."""

    status: Literal["firing", "resolved"]
    labels: AlertLabels
    started_at: AwareDatetime = Field(alias="startsAt")
    fingerprint: LabelText

    def to_alert(self) -> ModelAlert:
        """Convert to the alert of the domain."""
        return ModelAlert(
            name=self.labels.alertname, cause=self.labels.cause, severity=self.labels.severity,
            firing=self.status == "firing", started_at=self.started_at.timestamp(),
            fingerprint=self.fingerprint,
        )  # fmt: skip


class Notification(BaseModel):
    """A notification of Alertmanager."""

    version: Literal["4"]
    alerts: list[WebhookAlert]

    @property
    def unnamed_alerts(self) -> int:
        """Number of alerts without a name."""
        return sum(not alert.labels.alertname for alert in self.alerts)

    def group_by_model(self) -> dict[str, list[ModelAlert]]:
        """Group the alerts by model; alerts without a name or a model are dropped."""
        groups = defaultdict[str, list[ModelAlert]](list)
        for alert in self.alerts:
            # alerts on the platform itself concern no model
            if alert.labels.model and alert.labels.alertname:
                groups[alert.labels.model].append(alert.to_alert())
        return dict(groups)


class NotificationResult(BaseModel):
    """Decisions on a notification, one for each model."""

    decisions: list[RetrainingDecisionState]
    unnamed_alerts: int = Field(description="Number of alerts without `alertname`, which are ignored.")


def build_routes(hook: AlertHook | None) -> APIRouter:
    """Build the route of the webhook.

    Args:
        hook: Alert hook; None when no token is set, and the route refuses every notification.
    """
    router = APIRouter(tags=["retraining"])

    @router.post(
        "/hooks/alertmanager",
        openapi_extra=dict(REQUEST_BODY_SCHEMA),
        responses=describe_errors(400, 401, 403, 413, 503),
    )
    @require(Access.TOKEN)
    async def receive_notification(request: Request) -> NotificationResult:
        """Receive a notification of Alertmanager and start the retrainings that it calls for."""
        if hook is None:
            raise HookClosedError
        # before the body is parsed: an unauthorized caller learns nothing of its format
        hook.authorize(request.headers.get("authorization", ""))
        notification = parse_notification(await request.body())
        entries = await asyncio.to_thread(hook.handle_notification, notification.group_by_model())
        return NotificationResult(
            decisions=[build_state(entry) for entry in entries], unnamed_alerts=notification.unnamed_alerts
        )

    return router


def parse_notification(body: bytes) -> Notification:
    """Parse the body of Alertmanager's webhook.

    Raises:
        RequestError: The body is not a notification of version 4; the message names the first wrong field.
    """
    try:
        notification = Notification.model_validate_json(body)
        load_json(body.decode())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(key) for key in first["loc"]) or "body"
        raise RequestError(f"{where}: {first['msg']}", EXPECTED_BODY) from error
    except RepeatedKeyError as error:
        raise RequestError(str(error), EXPECTED_BODY) from error
    return notification

"""The alert hook behind a gateway, for the tests of its routes and of its decisions."""

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from asgi import AsgiResponse, call
from fakes.decision_log import MemoryDecisionLog
from fakes.retrainer import MemoryRetrainer
from services import ServiceFixture, create_service
from servicio_ml.lifecycle.retraining_policy import RetrainingPolicy
from servicio_ml.serving.app import build_app
from servicio_ml.serving.gateway import Gateway
from servicio_ml.serving.http.access_log import AccessLog
from servicio_ml.serving.http.api_keys import ApiKey, ApiKeys, Scope, hash_key
from servicio_ml.serving.rest import alertmanager
from servicio_ml.serving.retraining import acknowledgement_routes
from servicio_ml.serving.retraining import routes as retraining
from servicio_ml.serving.retraining.acknowledgements import Acknowledgements
from servicio_ml.serving.retraining.decisions import RetrainingDecisions
from servicio_ml.serving.retraining.hook import AlertHook

HOOK, STATE, QUARANTINE = "/hooks/alertmanager", "/models/small/retraining", "/models/small/quarantine"
TOKEN = "the-hook's-token"  # noqa: S105  of a test
AUTHORIZATION = {"Authorization": f"Bearer {TOKEN}"}
KEYS = ApiKeys(
    (
        ApiKey(name="user", scopes=frozenset({Scope.PREDICT}), digest=hash_key("user-key")),
        ApiKey(name="boss", scopes=frozenset({Scope.ADMIN}), digest=hash_key("boss-key")),
    )
)


def build_alert(name: str = "DataDrift", model: str = "small", **changed: Any) -> dict[str, Any]:
    """An alert as Alertmanager posts it."""
    cause = {"MissingValues": "sensor", "UnseenLevels": "schema"}.get(name, "drift")
    return {
        "status": "firing",
        "labels": {"alertname": name, "model": model, "cause": cause, "severity": "ticket", "job": "api"},
        "annotations": {"summary": "it drifts"},
        "startsAt": "2020-09-13T12:00:00.123456789Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus/graph",
        "fingerprint": f"{hash((name, model)) & 0xFFFF:016x}",
        **changed,
    }


def build_notification(*alerts: dict[str, Any], **changed: Any) -> dict[str, Any]:
    return {
        "version": "4", "groupKey": '{}:{model="small"}', "truncatedAlerts": 0, "status": "firing",
        "receiver": "retraining", "groupLabels": {"model": "small"}, "commonLabels": {},
        "commonAnnotations": {}, "externalURL": "http://alertmanager", "alerts": list(alerts), **changed,
    }  # fmt: skip


@dataclass
class HookFixture:
    """Routes of the hook behind a gateway, with the parts that they use."""

    made: ServiceFixture
    log: MemoryDecisionLog
    retrainer: MemoryRetrainer
    decisions: RetrainingDecisions
    acknowledgements: Acknowledgements
    gateway: Gateway

    def __call__(
        self, method: str, path: str, sent: object = b"", headers: Mapping[str, str] | None = None
    ) -> AsgiResponse:
        raw = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
        return call(self.gateway, method, path, "", raw, headers or {})

    def notify(self, *alerts: dict[str, Any]) -> list[str]:
        """Post a notification and return the decisions."""
        answer = self("POST", HOOK, build_notification(*alerts), AUTHORIZATION)
        assert answer.status == 200, answer.body
        return [each["decision"] for each in answer.document["decisions"]]

    def read_metric(self, name: str, **labels: str) -> float | None:
        return self.made.metrics.get_sample_value(name, labels)


def create_hook(
    folder: Path, artifact_folder: Path | None, *, keys: ApiKeys | None = None, closed: bool = False,
    log: MemoryDecisionLog | None = None, retrainer: MemoryRetrainer | None = None, budget: int = 2,
) -> HookFixture:  # fmt: skip
    """Build a server with the hook; without an artifact its registry has not been read yet."""
    made = create_service(folder, artifact_folder, keys=keys)
    retrainer, log = retrainer or MemoryRetrainer(), log or MemoryDecisionLog()
    policy = RetrainingPolicy(cooldown_seconds=3600, monthly_budget=budget)
    models = made.service.models
    decisions = RetrainingDecisions(
        log, policy, models, made.service.metrics.retraining_decisions, made.clock
    )
    acknowledgements = Acknowledgements(log, made.service.log, models, made.clock)
    for each in (decisions, acknowledgements):
        made.metrics.register(each)
    hook = None if closed else AlertHook(token=TOKEN, retrainer=retrainer, decisions=decisions)
    routers = [
        alertmanager.build_routes(hook),
        retraining.build_routes(decisions, acknowledgements, models),
        acknowledgement_routes.build_routes(acknowledgements, made.service),
    ]
    bits = random.Random(3).getrandbits  # noqa: S311  ids, no secrets
    gateway = Gateway(build_app(made.service, routers), made.service, AccessLog(BytesIO()), bits)
    return HookFixture(made, log, retrainer, decisions, acknowledgements, gateway)

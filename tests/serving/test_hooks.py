"""The hook of Alertmanager and the routes about retrainings, through the edge."""

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from asgi import Answer, called
from services import Bench, bench
from servicio_ml.adapters.memory_decisions import MemoryDecisions, MemoryRetrainer
from servicio_ml.domain.retraining import Entry, History, Policy
from servicio_ml.errors import LogError, SettingsError
from servicio_ml.serving.accesslog import AccessLog
from servicio_ml.serving.app import application
from servicio_ml.serving.edge import Edge
from servicio_ml.serving.hooks import Hook, read_token, routes
from servicio_ml.serving.keys import Key, Keys, Scope, digested
from servicio_ml.serving.retraining import UNKNOWN, Ledger

HOOK, STATE, QUARANTINE = "/hooks/alertmanager", "/models/small/retraining", "/models/small/quarantine"
TOKEN = "the-hook's-token"  # noqa: S105  of a test
BEARER = {"Authorization": f"Bearer {TOKEN}"}
KEYS = Keys(
    (
        Key(name="user", scopes=frozenset({Scope.PREDICT}), digest=digested("user-key")),
        Key(name="boss", scopes=frozenset({Scope.ADMIN}), digest=digested("boss-key")),
    )
)


def alert(name: str = "DataDrift", model: str = "small", **changed: Any) -> dict[str, Any]:
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


def body(*alerts: dict[str, Any], **changed: Any) -> dict[str, Any]:
    return {
        "version": "4", "groupKey": '{}:{model="small"}', "truncatedAlerts": 0, "status": "firing",
        "receiver": "retraining", "groupLabels": {"model": "small"}, "commonLabels": {},
        "commonAnnotations": {}, "externalURL": "http://alertmanager", "alerts": list(alerts), **changed,
    }  # fmt: skip


@dataclass
class Desk:
    """The routes behind an edge, and what they lead to."""

    made: Bench
    log: MemoryDecisions
    retrainer: MemoryRetrainer
    ledger: Ledger
    edge: Edge

    def __call__(
        self, method: str, path: str, sent: object = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        raw = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
        return called(self.edge, method, path, "", raw, headers or {})

    def tell(self, *alerts: dict[str, Any]) -> list[str]:
        """Post a notification and give the decisions."""
        answer = self("POST", HOOK, body(*alerts), BEARER)
        assert answer.status == 200, answer.body
        return [each["decision"] for each in answer.document["decisions"]]

    def metric(self, name: str, **labels: str) -> float | None:
        return self.made.metrics.get_sample_value(name, labels)


Opened = Callable[..., Desk]


@pytest.fixture
def opened(tmp_path: Path, artifact_folder: Path) -> Opened:
    numbers = count()

    def make(
        *, keys: Keys | None = None, closed: bool = False, log: MemoryDecisions | None = None, budget: int = 2
    ) -> Desk:
        made = bench(tmp_path / str(next(numbers)), artifact_folder, keys=keys)
        retrainer, log = MemoryRetrainer(), log or MemoryDecisions()
        policy = Policy(cooldown_seconds=3600, monthly_budget=budget)
        ledger = Ledger(log, policy, made.service.models, made.service.metrics.decisions, made.watch)
        made.metrics.register(ledger)
        hook = None if closed else Hook(token=TOKEN, retrainer=retrainer, ledger=ledger)
        app = application(made.service, [routes(ledger, made.service.models, hook)])
        bits = random.Random(3).getrandbits  # noqa: S311  ids, no secrets
        return Desk(made, log, retrainer, ledger, Edge(app, made.service, AccessLog(BytesIO()), bits))

    return make


@pytest.fixture
def desk(opened: Opened) -> Desk:
    return opened()


def test_drift_starts_a_retraining_once_and_says_so(desk: Desk) -> None:
    answer = desk("POST", HOOK, body(alert()), BEARER).document
    [[run, why]] = desk.retrainer.started.items()
    assert run.startswith("small/alert__2020-09-13T12:00:00Z__")
    assert "DataDrift" in why
    [decision] = answer["decisions"]
    assert decision == {
        "model": "small", "decision": "retrain", "reason": why, "at": desk.made.watch.now,
        "reference": f"memory:{run}",
    }  # fmt: skip
    assert desk.tell(alert()) == ["ignored"]
    assert len(desk.retrainer.started) == 1
    state = desk("GET", STATE).document
    assert [each["decision"] for each in state["decisions"]] == ["ignored", "retrain"]
    assert state["decisions"][1] == decision
    assert (state["quarantined"], state["quarantined_by"], state["budget_remaining"]) == (False, [], 1)


def test_what_is_told_again_stands_in_the_log_once_and_is_counted(desk: Desk) -> None:
    desk.tell(alert("FeatureDrift"))
    first = desk.log.history("small", 0)
    desk.made.watch.now += 60
    assert desk.tell(alert("FeatureDrift")) == ["ignored"]
    assert desk.log.history("small", 0) == first
    name = "servicio_ml_retraining_decisions_total"
    assert desk.metric(name, model="small", decision="ignored") == 2
    desk.tell(alert("FeatureDrift", status="resolved"))
    assert len(desk.log.history("small", 0)) == 2


def test_cooldown_and_budget_come_from_the_policy(desk: Desk) -> None:
    desk.tell(alert())
    again = alert(startsAt="2020-09-14T12:00:00Z")
    assert desk.tell(again) == ["cooling_down"]
    desk.made.watch.now += 3600
    assert desk.tell(again) == ["retrain"]
    desk.made.watch.now += 3600
    assert desk.tell(alert(startsAt="2020-09-15T12:00:00Z")) == ["budget_spent"]
    assert desk("GET", STATE).document["budget_remaining"] == 0
    assert len(desk.retrainer.started) == 2


def test_a_break_quarantines_until_it_is_resolved(desk: Desk) -> None:
    assert desk.tell(alert("MissingValues"), alert()) == ["quarantined"]
    state = desk("GET", STATE).document
    assert (state["quarantined"], state["quarantined_by"]) == (True, ["MissingValues"])
    assert desk.metric("servicio_ml_quarantined", model="small") == 1
    assert desk.tell(alert("MissingValues", status="resolved"), alert()) == ["lifted"]
    assert desk.metric("servicio_ml_quarantined", model="small") == 0
    assert desk.retrainer.started == {}
    assert desk.tell(alert()) == ["retrain"]


def test_an_administrator_lifts_a_quarantine(opened: Opened) -> None:
    desk = opened(keys=KEYS)
    desk.tell(alert("UnseenLevels"))
    assert desk("DELETE", QUARANTINE).status == 401
    assert desk("DELETE", QUARANTINE, headers={"X-API-Key": "user-key"}).status == 403
    lifted = desk("DELETE", QUARANTINE, headers={"X-API-Key": "boss-key"})
    assert lifted.status == 200
    assert lifted.document["decision"] == "lifted"
    assert lifted.document["reason"].startswith("boss lifted it although UnseenLevels fires")
    assert desk.metric("servicio_ml_quarantined", model="small") == 0
    assert desk.tell(alert("UnseenLevels"), alert()) == ["retrain"]


def test_each_model_is_decided_on_by_itself(desk: Desk) -> None:
    decisions = desk.tell(alert(model="other"), alert("MissingValues", "other"), alert(), alert(model=""))
    assert decisions == ["ignored", "retrain"]
    [entry] = desk.log.history("other", 0)
    assert "no such model" in entry.reason
    name = "servicio_ml_retraining_decisions_total"
    assert desk.metric(name, model=UNKNOWN, decision="ignored") == 1
    assert desk.metric(name, model="small", decision="retrain") == 1


def test_what_cannot_be_started_is_told_and_tried_again(desk: Desk) -> None:
    desk.retrainer.problem = "Airflow is down"
    refused = desk("POST", HOOK, body(alert()), BEARER)
    assert refused.status == 503
    assert "Airflow is down" in refused.document["detail"]
    desk.retrainer.problem = ""
    assert desk.tell(alert()) == ["retrain"]
    found = [each["decision"] for each in desk("GET", STATE).document["decisions"]]
    assert found == ["retrain", "failed"]
    assert desk.ledger.remaining(desk.log.history("small", 0)) == 1


class TestWhoMayTell:
    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"Authorization": "Bearer another"},
            {"Authorization": f"Basic {TOKEN}"},
            {"Authorization": "Bearer é"},
            {"Authorization": TOKEN},
            {"X-API-Key": TOKEN},
            {"X-API-Key": "boss-key"},
        ],
        ids=["none", "another", "basic", "no ascii", "bare", "as a key", "a key"],
    )
    def test_only_who_has_the_token(self, opened: Opened, headers: dict[str, str]) -> None:
        desk = opened(keys=KEYS)
        refused = desk("POST", HOOK, body(alert()), headers)
        assert refused.status == 401
        assert refused.headers["www-authenticate"] == "Bearer"
        assert "SERVICIO_ML_HOOK_TOKEN_FILE" in refused.document["detail"]
        assert desk("POST", HOOK, b"{", headers).status == 401
        assert desk.retrainer.started == {}

    def test_the_token_needs_no_key_and_opens_nothing_else(self, opened: Opened) -> None:
        desk = opened(keys=KEYS)
        assert desk.tell(alert()) == ["retrain"]
        assert desk("GET", STATE, headers=BEARER).status == 401
        assert desk("GET", STATE, headers={"X-API-Key": "user-key"}).status == 200

    def test_without_a_token_it_is_closed(self, opened: Opened) -> None:
        desk = opened(closed=True)
        refused = desk("POST", HOOK, body(alert()), BEARER)
        assert refused.status == 403
        assert "SERVICIO_ML_HOOK_TOKEN_FILE" in refused.document["detail"]
        assert desk("GET", STATE).status == 200


@pytest.mark.parametrize(
    ("sent", "names"),
    [
        (b"", "body"),
        (b"{", "EOF"),
        (b"[]", "body"),
        (b'{"version": "\xff"}', "body"),
        ({}, "version"),
        (body(version="3"), "version"),
        (body(alerts={}), "alerts"),
        (body(alert(status="pending")), "alerts.0.status"),
        (body(alert(), alert(startsAt="yesterday")), "alerts.1.startsAt"),
        (body(alert(startsAt="2020-09-13T12:00:00")), "alerts.0.startsAt"),
        (body(alert(labels={"model": "small"})), "alerts.0.labels.alertname"),
        (body(alert(fingerprint=None)), "alerts.0.fingerprint"),
        (body(alert(model="small\0")), "alerts.0.labels.model"),
        (body(alert(model="x" * 257)), "alerts.0.labels.model"),
    ],
)
def test_a_malformed_body_is_told(desk: Desk, sent: object, names: str) -> None:
    refused = desk("POST", HOOK, sent, BEARER)
    assert refused.status == 400
    assert names in refused.document["detail"]
    assert "version 4" in refused.document["detail"]
    assert desk.log.history("small", 0) == []


@pytest.mark.parametrize(("method", "path"), [("GET", "retraining"), ("DELETE", "quarantine")])
def test_an_unknown_model_is_none(desk: Desk, method: str, path: str) -> None:
    assert desk(method, f"/models/nobody/{path}").status == 404


def test_before_the_registry_was_seen_alertmanager_is_to_come_again(desk: Desk, tmp_path: Path) -> None:
    made = bench(tmp_path / "new", None)
    service, policy = made.service, desk.ledger.policy
    ledger = Ledger(desk.log, policy, service.models, service.metrics.decisions, made.watch)
    hook = Hook(token=TOKEN, retrainer=desk.retrainer, ledger=ledger)
    desk.edge = Edge(
        application(service, [routes(ledger, service.models, hook)]), service,
        AccessLog(BytesIO()), random.Random(3).getrandbits,  # noqa: S311  ids, no secrets
    )  # fmt: skip
    assert desk("POST", HOOK, body(alert()), BEARER).status == 503
    assert desk.log.history("small", 0) == []


class DownDecisions(MemoryDecisions):
    """A log that cannot be reached while it is down."""

    down = False

    def history(self, model: str, since: float) -> History:
        if self.down:
            raise LogError("database", "it is away")
        return super().history(model, since)

    def settle(self, model: str, since: float, decide: Callable[[History], Entry]) -> Entry:
        self.history(model, since)
        return super().settle(model, since, decide)


def test_while_the_log_is_away_nothing_starts_and_the_metrics_stay(opened: Opened) -> None:
    log = DownDecisions()
    desk = opened(log=log)
    desk.tell(alert("MissingValues"))
    log.down = True
    assert desk("POST", HOOK, body(alert()), BEARER).status == 503
    desk.ledger.refresh()
    assert desk.metric("servicio_ml_quarantined", model="small") == 1
    assert desk.retrainer.started == {}


def test_what_another_process_decided_is_seen(desk: Desk, opened: Opened) -> None:
    desk.ledger.refresh()
    assert desk.metric("servicio_ml_quarantined", model="small") == 0
    assert desk.metric("servicio_ml_retraining_budget_remaining", model="small") == 2
    other = opened(log=desk.log)
    other.tell(alert())
    other.tell(alert("MissingValues"))
    desk.ledger.refresh()
    assert desk.metric("servicio_ml_quarantined", model="small") == 1
    assert desk.metric("servicio_ml_retraining_budget_remaining", model="small") == 1


def test_a_budget_of_none_is_not_told_as_spent(opened: Opened) -> None:
    desk = opened(budget=0)
    assert desk.tell(alert()) == ["budget_spent"]
    assert desk.metric("servicio_ml_quarantined", model="small") == 0
    assert desk.metric("servicio_ml_retraining_budget_remaining", model="small") is None
    assert desk("GET", STATE).document["budget_remaining"] == 0


class TestToken:
    def test_white_space_around_it_does_not_count(self, tmp_path: Path) -> None:
        path = tmp_path / "token"
        path.write_text(f" {TOKEN}\n")
        assert read_token(path) == TOKEN

    @pytest.mark.parametrize(
        "content", [b"", b"\n", b"\xff", None], ids=["empty", "blank", "no text", "absent"]
    )
    def test_without_one_the_setting_is_named(self, tmp_path: Path, content: bytes | None) -> None:
        path = tmp_path / "token"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(SettingsError, match="SERVICIO_ML_HOOK_TOKEN_FILE"):
            read_token(path)

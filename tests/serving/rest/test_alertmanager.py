"""The webhook of Alertmanager and the routes on retraining, through the gateway."""

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from alert_hook import (
    AUTHORIZATION,
    HOOK,
    KEYS,
    QUARANTINE,
    STATE,
    TOKEN,
    HookFixture,
    build_alert,
    build_notification,
    create_hook,
)
from fakes.decision_log import MemoryDecisionLog
from servicio_ml.domain.retraining import DecisionEntry, RetrainingHistory
from servicio_ml.errors import LogError
from servicio_ml.serving.retraining.decisions import UNKNOWN_MODEL

CreateHook = Callable[..., HookFixture]


@pytest.fixture
def create(tmp_path: Path, artifact_folder: Path) -> CreateHook:
    numbers = count()
    return lambda **options: create_hook(tmp_path / str(next(numbers)), artifact_folder, **options)


@pytest.fixture
def hook(create: CreateHook) -> HookFixture:
    return create()


def test_drift_starts_a_retraining_once_and_says_so(hook: HookFixture) -> None:
    answer = hook("POST", HOOK, build_notification(build_alert()), AUTHORIZATION).document
    [[run, why]] = hook.retrainer.started.items()
    assert run.startswith("small/alert__2020-09-13T12:00:00Z__")
    assert "DataDrift" in why
    [decision] = answer["decisions"]
    assert decision == {
        "model": "small", "decision": "retrain", "reason": why, "at": hook.made.clock.now,
        "reference": f"memory:{run}",
    }  # fmt: skip
    assert hook.notify(build_alert()) == ["ignored"]
    assert len(hook.retrainer.started) == 1
    state = hook("GET", STATE).document
    assert [each["decision"] for each in state["decisions"]] == ["ignored", "retrain"]
    assert state["decisions"][1] == decision
    assert (state["quarantined"], state["quarantined_by"], state["budget_remaining"]) == (False, [], 1)


def test_a_repeated_notification_is_logged_once_and_counted(hook: HookFixture) -> None:
    hook.notify(build_alert("FeatureDrift"))
    first = hook.log.load_history("small", 0)
    hook.made.clock.now += 60
    assert hook.notify(build_alert("FeatureDrift")) == ["ignored"]
    assert hook.log.load_history("small", 0) == first
    name = "servicio_ml_retraining_decisions_total"
    assert hook.read_metric(name, model="small", decision="ignored") == 2
    hook.notify(build_alert("FeatureDrift", status="resolved"))
    assert len(hook.log.load_history("small", 0)) == 2


def test_cooldown_and_budget_come_from_the_policy(hook: HookFixture) -> None:
    hook.notify(build_alert())
    again = build_alert(startsAt="2020-09-14T12:00:00Z")
    assert hook.notify(again) == ["cooling_down"]
    hook.made.clock.now += 3600
    assert hook.notify(again) == ["retrain"]
    hook.made.clock.now += 3600
    assert hook.notify(build_alert(startsAt="2020-09-15T12:00:00Z")) == ["budget_spent"]
    assert hook("GET", STATE).document["budget_remaining"] == 0
    assert len(hook.retrainer.started) == 2


def test_a_sensor_alert_quarantines_until_it_is_resolved(hook: HookFixture) -> None:
    assert hook.notify(build_alert("MissingValues"), build_alert()) == ["quarantined"]
    state = hook("GET", STATE).document
    assert (state["quarantined"], state["quarantined_by"]) == (True, ["MissingValues"])
    assert hook.read_metric("servicio_ml_quarantined", model="small") == 1
    assert hook.notify(build_alert("MissingValues", status="resolved"), build_alert()) == ["lifted"]
    assert hook.read_metric("servicio_ml_quarantined", model="small") == 0
    assert hook.retrainer.started == {}
    assert hook.notify(build_alert()) == ["retrain"]


def test_an_administrator_lifts_a_quarantine(create: CreateHook) -> None:
    hook = create(keys=KEYS)
    hook.notify(build_alert("UnseenLevels"))
    assert hook("DELETE", QUARANTINE).status == 401
    assert hook("DELETE", QUARANTINE, headers={"X-API-Key": "user-key"}).status == 403
    lifted = hook("DELETE", QUARANTINE, headers={"X-API-Key": "boss-key"})
    assert lifted.status == 200
    assert lifted.document["decision"] == "lifted"
    assert lifted.document["reason"].startswith("boss lifted it although UnseenLevels fires")
    assert hook.read_metric("servicio_ml_quarantined", model="small") == 0
    assert hook.notify(build_alert("UnseenLevels"), build_alert()) == ["retrain"]


def test_each_model_is_decided_on_by_itself(hook: HookFixture) -> None:
    decisions = hook.notify(
        build_alert(model="other"),
        build_alert("MissingValues", "other"),
        build_alert(),
        build_alert(model=""),
    )
    assert decisions == ["ignored", "retrain"]
    [entry] = hook.log.load_history("other", 0)
    assert "no such model" in entry.reason
    name = "servicio_ml_retraining_decisions_total"
    assert hook.read_metric(name, model=UNKNOWN_MODEL, decision="ignored") == 1
    assert hook.read_metric(name, model="small", decision="retrain") == 1


def test_a_failed_start_is_an_error_and_is_retried(hook: HookFixture) -> None:
    hook.retrainer.failure = "Airflow is down"
    refused = hook("POST", HOOK, build_notification(build_alert()), AUTHORIZATION)
    assert refused.status == 503
    assert "Airflow is down" in refused.document["detail"]
    hook.retrainer.failure = ""
    assert hook.notify(build_alert()) == ["retrain"]
    found = [each["decision"] for each in hook("GET", STATE).document["decisions"]]
    assert found == ["retrain", "failed"]
    assert hook.decisions.compute_remaining_budget(hook.log.load_history("small", 0)) == 1


class TestAuthorization:
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
    def test_only_the_token_is_accepted(self, create: CreateHook, headers: dict[str, str]) -> None:
        hook = create(keys=KEYS)
        refused = hook("POST", HOOK, build_notification(build_alert()), headers)
        assert refused.status == 401
        assert refused.headers["www-authenticate"] == "Bearer"
        assert "SERVICIO_ML_HOOK_TOKEN_FILE" in refused.document["detail"]
        assert hook("POST", HOOK, b"{", headers).status == 401
        assert hook.retrainer.started == {}

    def test_the_token_needs_no_key_and_opens_nothing_else(self, create: CreateHook) -> None:
        hook = create(keys=KEYS)
        assert hook.notify(build_alert()) == ["retrain"]
        assert hook("GET", STATE, headers=AUTHORIZATION).status == 401
        assert hook("GET", STATE, headers={"X-API-Key": "user-key"}).status == 200

    def test_without_a_token_it_is_closed(self, create: CreateHook) -> None:
        hook = create(closed=True)
        refused = hook("POST", HOOK, build_notification(build_alert()), AUTHORIZATION)
        assert refused.status == 403
        assert "SERVICIO_ML_HOOK_TOKEN_FILE" in refused.document["detail"]
        assert hook("GET", STATE).status == 200


@pytest.mark.parametrize(
    ("sent", "names"),
    [
        (b"", "body"),
        (b"{", "EOF"),
        (b"[]", "body"),
        (b'{"version": "\xff"}', "body"),
        ({}, "version"),
        (build_notification(version="3"), "version"),
        (build_notification(alerts={}), "alerts"),
        (build_notification(build_alert(status="pending")), "alerts.0.status"),
        (build_notification(build_alert(), build_alert(startsAt="yesterday")), "alerts.1.startsAt"),
        (build_notification(build_alert(startsAt="2020-09-13T12:00:00")), "alerts.0.startsAt"),
        (build_notification(build_alert(labels={"model": 3})), "alerts.0.labels.model"),
        (b'{"version": "4", "alerts": [], "version": "4"}', "version"),
        (build_notification(build_alert(fingerprint=None)), "alerts.0.fingerprint"),
        (build_notification(build_alert(model="small\0")), "alerts.0.labels.model"),
        (build_notification(build_alert(model="x" * 257)), "alerts.0.labels.model"),
    ],
)
def test_a_malformed_body_is_refused(hook: HookFixture, sent: object, names: str) -> None:
    refused = hook("POST", HOOK, sent, AUTHORIZATION)
    assert refused.status == 400
    assert names in refused.document["detail"]
    assert "version 4" in refused.document["detail"]
    assert hook.log.load_history("small", 0) == []


def test_an_alert_without_a_name_does_not_refuse_the_others(hook: HookFixture) -> None:
    unnamed = build_alert(labels={"model": "small"})
    answer = hook("POST", HOOK, build_notification(unnamed, build_alert()), AUTHORIZATION)
    assert answer.status == 200
    assert [each["model"] for each in answer.document["decisions"]] == ["small"]
    assert answer.document["unnamed_alerts"] == 1


def test_an_alert_without_a_name_alone_starts_nothing(hook: HookFixture) -> None:
    answer = hook("POST", HOOK, build_notification(build_alert(labels={"model": "small"})), AUTHORIZATION)
    assert answer.document == {"decisions": [], "unnamed_alerts": 1}
    assert hook.log.load_history("small", 0) == []


@pytest.mark.parametrize(("method", "path"), [("GET", "retraining"), ("DELETE", "quarantine")])
def test_an_unknown_model_is_not_found(hook: HookFixture, method: str, path: str) -> None:
    assert hook(method, f"/models/nobody/{path}").status == 404


def test_before_the_registry_is_read_alertmanager_must_retry(hook: HookFixture, tmp_path: Path) -> None:
    unread = create_hook(tmp_path / "new", None, log=hook.log, retrainer=hook.retrainer)
    assert unread("POST", HOOK, build_notification(build_alert()), AUTHORIZATION).status == 503
    assert hook.log.load_history("small", 0) == []


class UnreachableDecisions(MemoryDecisionLog):
    """A log that cannot be reached while it is down."""

    down = False

    def load_history(self, model: str, since: float) -> RetrainingHistory:
        if self.down:
            raise LogError("database", "it is away")
        return super().load_history(model, since)

    def record(
        self, model: str, since: float, decide: Callable[[RetrainingHistory], DecisionEntry]
    ) -> DecisionEntry:
        self.load_history(model, since)
        return super().record(model, since, decide)


def test_without_the_log_nothing_starts_and_the_metrics_stay(create: CreateHook) -> None:
    log = UnreachableDecisions()
    hook = create(log=log)
    hook.notify(build_alert("MissingValues"))
    log.down = True
    assert hook("POST", HOOK, build_notification(build_alert()), AUTHORIZATION).status == 503
    hook.decisions.refresh()
    assert hook.read_metric("servicio_ml_quarantined", model="small") == 1
    assert hook.retrainer.started == {}


def test_decisions_of_another_process_are_read(hook: HookFixture, create: CreateHook) -> None:
    hook.decisions.refresh()
    assert hook.read_metric("servicio_ml_quarantined", model="small") == 0
    assert hook.read_metric("servicio_ml_retraining_budget_remaining", model="small") == 2
    other = create(log=hook.log)
    other.notify(build_alert())
    other.notify(build_alert("MissingValues"))
    hook.decisions.refresh()
    assert hook.read_metric("servicio_ml_quarantined", model="small") == 1
    assert hook.read_metric("servicio_ml_retraining_budget_remaining", model="small") == 1


def test_a_budget_of_0_has_no_metric(create: CreateHook) -> None:
    hook = create(budget=0)
    assert hook.notify(build_alert()) == ["budget_spent"]
    assert hook.read_metric("servicio_ml_quarantined", model="small") == 0
    assert hook.read_metric("servicio_ml_retraining_budget_remaining", model="small") is None
    assert hook("GET", STATE).document["budget_remaining"] == 0

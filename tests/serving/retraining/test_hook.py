"""Starts of the alert hook: committed before, settled after, and completed once after a crash."""

from collections.abc import Callable
from pathlib import Path

import pytest

from alert_hook import (
    AUTHORIZATION,
    HOOK,
    STATE,
    TOKEN,
    HookFixture,
    build_alert,
    build_notification,
    create_hook,
)
from fakes.decision_log import MemoryDecisionLog
from fakes.retrainer import MemoryRetrainer
from servicio_ml.domain.retraining import DecisionEntry, RetrainingDecision, RetrainingHistory
from servicio_ml.errors import LogError, SettingsError
from servicio_ml.serving.retraining.hook import read_token


class CrashError(Exception):
    """The process dies at this point."""


class ObservedRetrainer(MemoryRetrainer):
    """Retrainer that calls `before` and `after` around each start."""

    def __init__(self) -> None:
        super().__init__()
        self.before: Callable[[], object] = lambda: None
        self.after: Callable[[], object] = lambda: None
        self.keys: list[str] = []

    def start(self, model: str, key: str, reason: str) -> str:
        self.keys.append(key)
        self.before()
        reference = super().start(model, key, reason)
        self.after()
        return reference


def crash() -> None:
    raise CrashError


@pytest.fixture
def retrainer() -> ObservedRetrainer:
    return ObservedRetrainer()


@pytest.fixture
def hook(tmp_path: Path, artifact_folder: Path, retrainer: ObservedRetrainer) -> HookFixture:
    return create_hook(tmp_path / "first", artifact_folder, retrainer=retrainer)


def read_decisions(hook: HookFixture) -> list[str]:
    """Decisions in the log, the oldest first."""
    return [entry.decision.value for entry in reversed(hook.log.load_history("small", 0))]


def test_the_intent_is_committed_before_the_retraining_starts(
    hook: HookFixture, retrainer: ObservedRetrainer
) -> None:
    seen: list[list[str]] = []
    retrainer.before = lambda: seen.append(read_decisions(hook))
    assert hook.notify(build_alert()) == ["retrain"]
    assert seen == [["starting"]]
    assert read_decisions(hook) == ["starting", "retrain"]


def test_other_processes_record_while_a_retraining_starts(
    hook: HookFixture, retrainer: ObservedRetrainer, tmp_path: Path, artifact_folder: Path
) -> None:
    other = create_hook(tmp_path / "other", artifact_folder, log=hook.log, retrainer=MemoryRetrainer())
    other.retrainer.started = retrainer.started
    answers: list[list[str]] = []
    retrainer.before = lambda: answers.append(other.notify(build_alert()))
    assert hook.notify(build_alert()) == ["retrain"]
    assert answers == [["retrain"]]
    assert len(retrainer.started) == 1
    assert read_decisions(hook).count("retrain") == 1
    assert hook.decisions.compute_remaining_budget(hook.log.load_history("small", 0)) == 1


@pytest.mark.parametrize("point", ["before", "after"])
def test_a_crash_around_the_start_leads_to_one_run(
    hook: HookFixture, retrainer: ObservedRetrainer, point: str
) -> None:
    setattr(retrainer, point, crash)
    assert hook("POST", HOOK, build_notification(build_alert()), AUTHORIZATION).status == 500
    state = hook("GET", STATE).document
    assert [each["decision"] for each in state["decisions"]] == ["starting"]
    assert state["budget_remaining"] == 1
    setattr(retrainer, point, lambda: None)
    assert hook.notify(build_alert()) == ["retrain"]
    assert len(retrainer.started) == 1
    assert retrainer.keys[0] == retrainer.keys[1] == state["decisions"][0]["reference"]
    assert hook.notify(build_alert()) == ["ignored"]
    assert len(retrainer.keys) == 2
    decisions = [each["decision"] for each in hook("GET", STATE).document["decisions"]]
    assert decisions.count("retrain") == 1
    assert "starting" not in decisions
    assert hook.decisions.compute_remaining_budget(hook.log.load_history("small", 0)) == 1


def test_an_answer_that_is_lost_starts_no_second_run_when_an_older_alert_joins(
    hook: HookFixture, retrainer: ObservedRetrainer
) -> None:
    def lose_answer() -> None:
        retrainer.failure = "no answer in time"
        retrainer.after = lambda: None
        MemoryRetrainer.start(retrainer, "small", "", "")

    retrainer.after = lose_answer
    assert hook("POST", HOOK, build_notification(build_alert()), AUTHORIZATION).status == 503
    retrainer.failure = ""
    older = build_alert("PerformanceLow", startsAt="2020-09-13T11:00:00Z")
    assert hook.notify(build_alert(), older) == ["retrain"]
    assert len(retrainer.started) == 1


def test_a_pending_start_waits_for_the_end_of_a_quarantine(
    hook: HookFixture, retrainer: ObservedRetrainer
) -> None:
    retrainer.before = crash
    hook("POST", HOOK, build_notification(build_alert()), AUTHORIZATION)
    retrainer.before = lambda: None
    assert hook.notify(build_alert(), build_alert("MissingValues")) == ["quarantined"]
    assert retrainer.started == {}
    assert hook.notify(build_alert(), build_alert("MissingValues", status="resolved")) == ["retrain"]
    assert len(retrainer.started) == 1


class FlakyDecisions(MemoryDecisionLog):
    """Decision log that cannot be reached for its second entry."""

    attempts = 0

    def record(
        self, model: str, since: float, decide: Callable[[RetrainingHistory], DecisionEntry]
    ) -> DecisionEntry:
        self.attempts += 1
        if self.attempts == 2:
            raise LogError("database", "it is away")
        return super().record(model, since, decide)


def test_an_outcome_that_cannot_be_recorded_is_recorded_later(tmp_path: Path, artifact_folder: Path) -> None:
    hook = create_hook(tmp_path, artifact_folder, log=FlakyDecisions())
    assert hook("POST", HOOK, build_notification(build_alert()), AUTHORIZATION).status == 503
    assert read_decisions(hook) == [RetrainingDecision.STARTING]
    assert hook.notify(build_alert()) == ["retrain"]
    assert len(hook.retrainer.started) == 1


def test_an_intent_is_not_counted(hook: HookFixture) -> None:
    hook.notify(build_alert())
    name = "servicio_ml_retraining_decisions_total"
    assert hook.read_metric(name, model="small", decision="starting") is None
    assert hook.read_metric(name, model="small", decision="retrain") == 1


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

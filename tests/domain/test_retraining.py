"""What notifications lead to: retraining, cooldown, budget, quarantine; news that comes twice or late."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from servicio_ml.domain.retraining import (
    MONTH_SECONDS,
    STARTERS,
    Alert,
    Decision,
    Entry,
    Policy,
    decide,
    ended,
    lifted,
    not_started,
    run_key,
)

NOW = 1_600_000_000.0
HOUR = 3600.0
POLICY = Policy(cooldown_seconds=24 * HOUR, monthly_budget=4)
DRIFT = Alert(
    name="DataDrift", cause="drift", severity="ticket", firing=True, starts=NOW - HOUR, fingerprint="d"
)
PERFORMANCE = replace(DRIFT, name="PerformanceLow", cause="performance", severity="page", fingerprint="p")
SENSOR = replace(DRIFT, name="MissingValues", cause="sensor", fingerprint="s")
SCHEMA = replace(DRIFT, name="UnseenLevels", cause="schema", fingerprint="u")
FEATURE = replace(DRIFT, name="FeatureDrift", fingerprint="f")
PREDICTION = replace(DRIFT, name="PredictionDrift", fingerprint="q")


def resolved(alert: Alert) -> Alert:
    return replace(alert, firing=False)


def again(alert: Alert, starts: float) -> Alert:
    """The same alert, having been resolved in between."""
    return replace(alert, starts=starts)


class Desk:
    """Decides one after the other, as time goes by."""

    def __init__(self, policy: Policy = POLICY) -> None:
        self.policy, self.now = policy, NOW
        self.history: list[Entry] = []

    def tell(self, *alerts: Alert, after: float = 60.0) -> Decision:
        self.now += after
        return self.add(decide("rain", alerts, self.history, self.policy, self.now))

    def add(self, entry: Entry) -> Decision:
        self.history.insert(0, entry)
        return entry.decision

    @property
    def reason(self) -> str:
        return self.history[0].reason


@pytest.mark.parametrize("name", sorted(STARTERS))
def test_lost_performance_and_drift_of_many_features_retrain(name: str) -> None:
    desk = Desk()
    assert desk.tell(replace(DRIFT, name=name)) is Decision.RETRAIN
    assert name in desk.reason


@pytest.mark.parametrize(
    "told",
    [
        pytest.param([FEATURE], id="one feature"),
        pytest.param([PREDICTION], id="the prediction"),
        pytest.param([replace(DRIFT, name="LabelCoverageLow", cause="labels")], id="labels"),
        pytest.param([resolved(DRIFT)], id="resolved"),
        pytest.param([], id="nothing"),
    ],
)
def test_tickets_and_what_is_over_do_not(told: Sequence[Alert]) -> None:
    assert Desk().tell(*told) is Decision.IGNORED


@pytest.mark.parametrize("broken", [SENSOR, SCHEMA], ids=["sensor", "schema"])
class TestQuarantine:
    """A break holds the retraining, however the news comes."""

    def test_drift_together_with_it_does_not_retrain(self, broken: Alert) -> None:
        desk = Desk()
        assert desk.tell(DRIFT, PERFORMANCE, broken) is Decision.QUARANTINED
        assert desk.history[0].quarantined
        for name in (broken.name, "DataDrift", "PerformanceLow"):
            assert name in desk.reason

    def test_nor_does_drift_that_comes_later_and_alone(self, broken: Alert) -> None:
        desk = Desk()
        desk.tell(broken)
        assert desk.tell(DRIFT, after=40 * 24 * HOUR) is Decision.QUARANTINED

    def test_it_ends_when_every_break_is_resolved(self, broken: Alert) -> None:
        desk = Desk()
        other = replace(broken, fingerprint="other")
        desk.tell(broken, other)
        assert desk.tell(resolved(broken), DRIFT) is Decision.QUARANTINED
        assert desk.tell(resolved(other), DRIFT) is Decision.LIFTED
        assert not desk.history[0].quarantined
        assert desk.tell(DRIFT) is Decision.RETRAIN

    def test_a_late_end_of_an_earlier_break_does_not_end_it(self, broken: Alert) -> None:
        desk = Desk()
        desk.tell(broken)
        desk.tell(again(broken, NOW))
        assert desk.tell(resolved(broken)) is Decision.QUARANTINED

    def test_late_news_of_a_break_that_is_over_does_not_begin_it_again(self, broken: Alert) -> None:
        desk = Desk()
        desk.tell(broken)
        desk.tell(resolved(broken))
        assert desk.tell(broken) is Decision.IGNORED
        assert desk.tell(resolved(again(broken, NOW)), broken) is Decision.IGNORED
        assert desk.tell(again(broken, NOW + 1)) is Decision.QUARANTINED

    def test_an_administrator_lifts_it_until_it_begins_anew(self, broken: Alert) -> None:
        desk = Desk()
        desk.tell(broken)
        assert desk.add(lifted("rain", desk.history, "ops", desk.now)) is Decision.LIFTED
        assert "ops" in desk.reason
        assert broken.name in desk.reason
        assert desk.tell(broken) is Decision.IGNORED
        assert desk.tell(broken, DRIFT) is Decision.RETRAIN
        assert desk.tell(again(broken, NOW)) is Decision.QUARANTINED

    def test_it_stays_lifted_while_a_break_goes_on_for_months(self, broken: Alert) -> None:
        desk = Desk()
        desk.tell(broken)
        desk.now += 2 * MONTH_SECONDS
        desk.add(lifted("rain", desk.history, "ops", desk.now))
        assert desk.tell(broken) is Decision.IGNORED
        assert desk.tell(broken, after=2 * MONTH_SECONDS) is Decision.IGNORED
        assert desk.tell(resolved(broken)) is Decision.IGNORED


def test_lifting_what_is_not_held_is_noted() -> None:
    assert lifted("rain", [], "ops", NOW).decision is Decision.IGNORED


class TestTwice:
    """Alertmanager repeats: an alert starts one retraining."""

    def test_a_repeated_notification_is_ignored_for_ever(self) -> None:
        desk = Desk()
        assert desk.tell(DRIFT) is Decision.RETRAIN
        assert desk.tell(DRIFT) is Decision.IGNORED
        assert desk.tell(DRIFT, after=40 * 24 * HOUR) is Decision.IGNORED
        assert "already" in desk.reason

    def test_a_late_one_is_too(self) -> None:
        desk = Desk()
        desk.tell(DRIFT)
        desk.tell(resolved(DRIFT))
        assert desk.tell(DRIFT, after=25 * HOUR) is Decision.IGNORED

    def test_one_that_fires_anew_starts_another(self) -> None:
        desk = Desk()
        desk.tell(DRIFT)
        assert desk.tell(again(DRIFT, NOW), after=25 * HOUR) is Decision.RETRAIN

    def test_one_that_joins_starts_another_after_the_cooldown(self) -> None:
        desk = Desk()
        desk.tell(DRIFT)
        assert desk.tell(DRIFT, PERFORMANCE) is Decision.COOLING_DOWN
        assert desk.tell(DRIFT, PERFORMANCE, after=24 * HOUR) is Decision.RETRAIN
        assert "DataDrift" not in desk.reason

    def test_only_what_a_notification_tells_of_starts_one(self) -> None:
        desk = Desk()
        desk.tell(PERFORMANCE)
        assert desk.tell(DRIFT) is Decision.COOLING_DOWN
        assert desk.tell(FEATURE, after=25 * HOUR) is Decision.IGNORED
        assert desk.tell(DRIFT) is Decision.RETRAIN


def test_the_cooldown_ends() -> None:
    desk = Desk()
    desk.tell(DRIFT)
    assert desk.tell(PERFORMANCE, after=24 * HOUR - 1) is Decision.COOLING_DOWN
    assert "cooldown 24 h" in desk.reason
    assert desk.tell(PERFORMANCE, after=1) is Decision.RETRAIN


def test_the_budget_counts_thirty_days() -> None:
    desk = Desk(Policy(cooldown_seconds=0, monthly_budget=2))
    assert desk.policy.remaining(desk.history, desk.now) == 2
    assert desk.tell(again(DRIFT, 1)) is Decision.RETRAIN
    assert desk.tell(again(DRIFT, 2)) is Decision.RETRAIN
    assert desk.policy.remaining(desk.history, desk.now) == 0
    assert desk.tell(again(DRIFT, 3)) is Decision.BUDGET_SPENT
    assert desk.tell(again(DRIFT, 3), after=MONTH_SECONDS - 180) is Decision.BUDGET_SPENT
    assert desk.tell(again(DRIFT, 3), after=60) is Decision.RETRAIN


def test_no_budget_is_no_retraining() -> None:
    assert Desk(Policy(cooldown_seconds=0, monthly_budget=0)).tell(DRIFT) is Decision.BUDGET_SPENT


def test_what_could_not_be_started_may_be_started_again_and_costs_nothing() -> None:
    desk = Desk()
    entry = decide("rain", [DRIFT], [], POLICY, desk.now)
    assert desk.add(not_started(entry, "Airflow is down")) is Decision.FAILED
    assert "Airflow is down" in desk.reason
    assert POLICY.remaining(desk.history, desk.now) == 4
    assert desk.tell(DRIFT) is Decision.RETRAIN


def test_a_retraining_that_failed_may_be_repeated_after_the_cooldown() -> None:
    desk = Desk()
    desk.tell(DRIFT)
    desk.history[0] = replace(desk.history[0], reference="run 1")
    assert desk.add(ended("rain", desk.history, "run 2", "exit code 1", desk.now)) is Decision.FAILED
    assert desk.tell(DRIFT, after=25 * HOUR) is Decision.IGNORED
    assert desk.add(ended("rain", desk.history, "run 1", "exit code 1", desk.now)) is Decision.FAILED
    assert desk.tell(DRIFT) is Decision.RETRAIN


def test_only_the_alerts_that_started_it_may_repeat_it() -> None:
    desk = Desk()
    desk.tell(DRIFT)
    desk.tell(DRIFT, PERFORMANCE, after=25 * HOUR)
    desk.history[0] = replace(desk.history[0], reference="run 2")
    desk.add(ended("rain", desk.history, "run 2", "exit code 1", desk.now))
    assert desk.tell(DRIFT, after=25 * HOUR) is Decision.IGNORED
    assert desk.tell(PERFORMANCE) is Decision.RETRAIN


def test_one_that_ended_well_may_not() -> None:
    desk = Desk()
    desk.tell(DRIFT)
    desk.history[0] = replace(desk.history[0], reference="run 1")
    assert desk.add(ended("rain", desk.history, "run 1", "", desk.now)) is Decision.FINISHED
    assert desk.history[0].reference == "run 1"
    assert desk.tell(DRIFT, after=25 * HOUR) is Decision.IGNORED


def test_a_run_has_the_same_key_until_its_start_is_in_the_log() -> None:
    desk = Desk()
    first = decide("rain", [DRIFT], [], POLICY, NOW)
    assert run_key(first, []) == run_key(decide("rain", [DRIFT, PERFORMANCE], [], POLICY, NOW + 60), [])
    desk.add(not_started(first, "no answer in time"))
    later = decide("rain", [DRIFT], desk.history, POLICY, NOW + 60)
    assert run_key(later, desk.history) == run_key(first, [])
    desk.add(later)
    desk.add(replace(ended("rain", desk.history, "", "exit code 1", NOW + 120)))
    another = decide("rain", [DRIFT], desk.history, POLICY, NOW + 48 * HOUR)
    assert run_key(another, desk.history) != run_key(first, [])


def test_what_was_over_long_ago_is_forgotten() -> None:
    desk = Desk()
    desk.tell(resolved(DRIFT), SENSOR)
    desk.tell(FEATURE, after=2 * MONTH_SECONDS)
    assert [alert.name for alert in desk.history[0].alerts] == ["FeatureDrift", "MissingValues"]

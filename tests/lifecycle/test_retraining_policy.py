"""Decisions on notifications: retraining, cooldown, budget, quarantine; repeated and late notifications."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from retraining_alerts import (
    DRIFT,
    FEATURE,
    HOUR,
    NOW,
    PERFORMANCE,
    PREDICTION,
    SCHEMA,
    SENSOR,
    DecisionSequence,
    fire_again,
    resolve,
)
from servicio_ml.domain.retraining import MONTH_SECONDS, ModelAlert, RetrainingDecision
from servicio_ml.lifecycle.retraining_policy import RETRAINING_ALERTS, RetrainingPolicy, lift_quarantine


@pytest.mark.parametrize("name", sorted(RETRAINING_ALERTS))
def test_lost_performance_and_drift_of_many_features_retrain(name: str) -> None:
    desk = DecisionSequence()
    assert desk.notify(replace(DRIFT, name=name)) is RetrainingDecision.RETRAIN
    assert name in desk.reason


@pytest.mark.parametrize(
    "alerts",
    [
        pytest.param([FEATURE], id="one feature"),
        pytest.param([PREDICTION], id="the prediction"),
        pytest.param([replace(DRIFT, name="LabelCoverageLow", cause="labels")], id="labels"),
        pytest.param([resolve(DRIFT)], id="resolved"),
        pytest.param([], id="nothing"),
    ],
)
def test_tickets_and_resolved_alerts_do_not_retrain(alerts: Sequence[ModelAlert]) -> None:
    assert DecisionSequence().notify(*alerts) is RetrainingDecision.IGNORED


@pytest.mark.parametrize("broken", [SENSOR, SCHEMA], ids=["sensor", "schema"])
class TestQuarantine:
    """A schema or sensor alert stops retrainings, in whatever order notifications arrive."""

    def test_drift_together_with_it_does_not_retrain(self, broken: ModelAlert) -> None:
        desk = DecisionSequence()
        assert desk.notify(DRIFT, PERFORMANCE, broken) is RetrainingDecision.QUARANTINED
        assert desk.history[0].is_quarantined
        for name in (broken.name, "DataDrift", "PerformanceLow"):
            assert name in desk.reason

    def test_later_drift_does_not_retrain_either(self, broken: ModelAlert) -> None:
        desk = DecisionSequence()
        desk.notify(broken)
        assert desk.notify(DRIFT, after=40 * 24 * HOUR) is RetrainingDecision.QUARANTINED

    def test_it_ends_when_every_cause_is_resolved(self, broken: ModelAlert) -> None:
        desk = DecisionSequence()
        other = replace(broken, fingerprint="other")
        desk.notify(broken, other)
        assert desk.notify(resolve(broken), DRIFT) is RetrainingDecision.QUARANTINED
        assert desk.notify(resolve(other), DRIFT) is RetrainingDecision.LIFTED
        assert not desk.history[0].is_quarantined
        assert desk.notify(DRIFT) is RetrainingDecision.RETRAIN

    def test_a_late_end_of_an_earlier_cause_does_not_end_it(self, broken: ModelAlert) -> None:
        desk = DecisionSequence()
        desk.notify(broken)
        desk.notify(fire_again(broken, NOW))
        assert desk.notify(resolve(broken)) is RetrainingDecision.QUARANTINED

    def test_a_late_repeat_of_a_resolved_cause_does_not_begin_it_again(self, broken: ModelAlert) -> None:
        desk = DecisionSequence()
        desk.notify(broken)
        desk.notify(resolve(broken))
        assert desk.notify(broken) is RetrainingDecision.IGNORED
        assert desk.notify(resolve(fire_again(broken, NOW)), broken) is RetrainingDecision.IGNORED
        assert desk.notify(fire_again(broken, NOW + 1)) is RetrainingDecision.QUARANTINED

    def test_an_administrator_lifts_it_until_it_begins_anew(self, broken: ModelAlert) -> None:
        desk = DecisionSequence()
        desk.notify(broken)
        assert desk.add(lift_quarantine("rain", desk.history, "ops", desk.now)) is RetrainingDecision.LIFTED
        assert "ops" in desk.reason
        assert broken.name in desk.reason
        assert desk.notify(broken) is RetrainingDecision.IGNORED
        assert desk.notify(broken, DRIFT) is RetrainingDecision.RETRAIN
        assert desk.notify(fire_again(broken, NOW)) is RetrainingDecision.QUARANTINED

    def test_it_stays_lifted_while_a_cause_fires_for_months(self, broken: ModelAlert) -> None:
        desk = DecisionSequence()
        desk.notify(broken)
        desk.now += 2 * MONTH_SECONDS
        desk.add(lift_quarantine("rain", desk.history, "ops", desk.now))
        assert desk.notify(broken) is RetrainingDecision.IGNORED
        assert desk.notify(broken, after=2 * MONTH_SECONDS) is RetrainingDecision.IGNORED
        assert desk.notify(resolve(broken)) is RetrainingDecision.IGNORED


def test_lifting_without_a_quarantine_is_recorded() -> None:
    assert lift_quarantine("rain", [], "ops", NOW).decision is RetrainingDecision.IGNORED


class TestRepeatedNotifications:
    """Alertmanager repeats: an alert starts one retraining."""

    def test_a_repeated_notification_is_ignored_for_ever(self) -> None:
        desk = DecisionSequence()
        assert desk.notify(DRIFT) is RetrainingDecision.RETRAIN
        assert desk.notify(DRIFT) is RetrainingDecision.IGNORED
        assert desk.notify(DRIFT, after=40 * 24 * HOUR) is RetrainingDecision.IGNORED
        assert "already" in desk.reason

    def test_a_late_repeat_is_ignored_too(self) -> None:
        desk = DecisionSequence()
        desk.notify(DRIFT)
        desk.notify(resolve(DRIFT))
        assert desk.notify(DRIFT, after=25 * HOUR) is RetrainingDecision.IGNORED

    def test_one_that_fires_anew_starts_another(self) -> None:
        desk = DecisionSequence()
        desk.notify(DRIFT)
        assert desk.notify(fire_again(DRIFT, NOW), after=25 * HOUR) is RetrainingDecision.RETRAIN

    def test_one_that_joins_starts_another_after_the_cooldown(self) -> None:
        desk = DecisionSequence()
        desk.notify(DRIFT)
        assert desk.notify(DRIFT, PERFORMANCE) is RetrainingDecision.COOLING_DOWN
        assert desk.notify(DRIFT, PERFORMANCE, after=24 * HOUR) is RetrainingDecision.RETRAIN
        assert "DataDrift" not in desk.reason

    def test_only_alerts_of_the_notification_start_one(self) -> None:
        desk = DecisionSequence()
        desk.notify(PERFORMANCE)
        assert desk.notify(DRIFT) is RetrainingDecision.COOLING_DOWN
        assert desk.notify(FEATURE, after=25 * HOUR) is RetrainingDecision.IGNORED
        assert desk.notify(DRIFT) is RetrainingDecision.RETRAIN


def test_the_cooldown_ends() -> None:
    desk = DecisionSequence()
    desk.notify(DRIFT)
    assert desk.notify(PERFORMANCE, after=24 * HOUR - 1) is RetrainingDecision.COOLING_DOWN
    assert "cooldown 24 h" in desk.reason
    assert desk.notify(PERFORMANCE, after=1) is RetrainingDecision.RETRAIN


def test_the_budget_counts_thirty_days() -> None:
    desk = DecisionSequence(RetrainingPolicy(cooldown_seconds=0, monthly_budget=2))
    assert desk.policy.compute_remaining_budget(desk.history, desk.now) == 2
    assert desk.notify(fire_again(DRIFT, 1)) is RetrainingDecision.RETRAIN
    assert desk.notify(fire_again(DRIFT, 2)) is RetrainingDecision.RETRAIN
    assert desk.policy.compute_remaining_budget(desk.history, desk.now) == 0
    assert desk.notify(fire_again(DRIFT, 3)) is RetrainingDecision.BUDGET_SPENT
    assert desk.notify(fire_again(DRIFT, 3), after=MONTH_SECONDS - 180) is RetrainingDecision.BUDGET_SPENT
    assert desk.notify(fire_again(DRIFT, 3), after=60) is RetrainingDecision.RETRAIN


def test_no_budget_is_no_retraining() -> None:
    assert (
        DecisionSequence(RetrainingPolicy(cooldown_seconds=0, monthly_budget=0)).notify(DRIFT)
        is RetrainingDecision.BUDGET_SPENT
    )


def test_alerts_resolved_long_ago_are_dropped() -> None:
    desk = DecisionSequence()
    desk.notify(resolve(DRIFT), SENSOR)
    desk.notify(FEATURE, after=2 * MONTH_SECONDS)
    assert [alert.name for alert in desk.history[0].alerts] == ["FeatureDrift", "MissingValues"]

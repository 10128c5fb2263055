"""Starts and ends of retrainings: intents, outcomes, keys, and what a crash leaves behind."""

from dataclasses import replace

import pytest

from retraining_alerts import DRIFT, HOUR, NOW, PERFORMANCE, POLICY, SENSOR, DecisionSequence, fire_again
from servicio_ml.domain.ports.retrainer import RetrainingEnd
from servicio_ml.domain.promotion import DecisionRecord, PromotionDecision
from servicio_ml.domain.retraining import (
    ModelAlert,
    RetrainingDecision,
    get_pending_start,
    get_running,
    omit_settled_intents,
)
from servicio_ml.lifecycle.retraining_policy import decide
from servicio_ml.lifecycle.retraining_starts import (
    build_intent,
    build_run_key,
    confirm_start,
    fail_start,
    find_verdict,
    finish_retraining,
)

SUCCESS, FAILURE = RetrainingEnd(error=""), RetrainingEnd(error="exit code 1")


def announce(desk: DecisionSequence, *alerts: ModelAlert) -> str:
    """Add the intent that a notification leads to; return its key."""
    desk.now += 60
    intent = build_intent(decide("rain", alerts, desk.history, desk.policy, desk.now), desk.history)
    assert desk.add(intent) is RetrainingDecision.STARTING
    return intent.reference


def test_a_failed_start_may_be_repeated_and_costs_no_budget() -> None:
    desk = DecisionSequence()
    key = announce(desk, DRIFT)
    assert desk.add(fail_start(desk.history, key, "Airflow is down")) is RetrainingDecision.FAILED
    assert "Airflow is down" in desk.reason
    assert POLICY.compute_remaining_budget(desk.history, desk.now) == 4
    assert desk.notify(DRIFT) is RetrainingDecision.RETRAIN


def test_a_retraining_that_failed_may_be_repeated_after_the_cooldown() -> None:
    desk = DecisionSequence()
    desk.notify(DRIFT)
    desk.history[0] = replace(desk.history[0], reference="run 1")
    assert (
        desk.add(finish_retraining("rain", desk.history, "run 2", FAILURE, None, desk.now))
        is RetrainingDecision.FAILED
    )
    assert desk.notify(DRIFT, after=25 * HOUR) is RetrainingDecision.IGNORED
    assert (
        desk.add(finish_retraining("rain", desk.history, "run 1", FAILURE, None, desk.now))
        is RetrainingDecision.FAILED
    )
    assert desk.notify(DRIFT) is RetrainingDecision.RETRAIN


def test_only_the_alerts_that_started_it_may_repeat_it() -> None:
    desk = DecisionSequence()
    desk.notify(DRIFT)
    desk.notify(DRIFT, PERFORMANCE, after=25 * HOUR)
    desk.history[0] = replace(desk.history[0], reference="run 2")
    desk.add(finish_retraining("rain", desk.history, "run 2", FAILURE, None, desk.now))
    assert desk.notify(DRIFT, after=25 * HOUR) is RetrainingDecision.IGNORED
    assert desk.notify(PERFORMANCE) is RetrainingDecision.RETRAIN


def test_a_finished_retraining_may_not_be_repeated() -> None:
    desk = DecisionSequence()
    desk.notify(DRIFT)
    desk.history[0] = replace(desk.history[0], reference="run 1")
    assert (
        desk.add(finish_retraining("rain", desk.history, "run 1", SUCCESS, None, desk.now))
        is RetrainingDecision.FINISHED
    )
    assert desk.history[0].reference == "run 1"
    assert desk.notify(DRIFT, after=25 * HOUR) is RetrainingDecision.IGNORED


def build_verdict(decision: PromotionDecision, at: float = NOW, version: int = 7) -> DecisionRecord:
    return DecisionRecord(
        use_case="rain", decision=decision, reason="floor: roc_auc 0.7", challenger=version, champion=1,
        by="somebody", at=at,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("verdict", "decision", "said"),
    [
        (None, RetrainingDecision.FINISHED, "has finished without a new challenger"),
        (
            PromotionDecision.PROMOTED,
            RetrainingDecision.FINISHED,
            "finished; version 7: promoted, floor: roc_auc 0.7",
        ),
        (
            PromotionDecision.REJECTED,
            RetrainingDecision.REJECTED,
            "finished; version 7: rejected, floor: roc_auc 0.7",
        ),
    ],
)
def test_an_end_says_what_it_has_led_to(
    verdict: PromotionDecision | None, decision: RetrainingDecision, said: str
) -> None:
    desk = DecisionSequence()
    desk.notify(DRIFT)
    found = build_verdict(verdict) if verdict else None
    assert desk.add(finish_retraining("rain", desk.history, "run 1", SUCCESS, found, NOW)) is decision
    assert said in desk.reason
    # recorded once, whoever finds it out again
    assert finish_retraining("rain", desk.history, "run 1", FAILURE, None, NOW) is None


def test_a_verdict_is_newer_than_the_start() -> None:
    decisions = [
        build_verdict(PromotionDecision.ROLLED_BACK, NOW + 30, version=1),
        build_verdict(PromotionDecision.REJECTED, NOW + 20),
        build_verdict(PromotionDecision.PROMOTED, NOW + 10, version=6),
    ]
    assert find_verdict(decisions, NOW) == decisions[1]
    assert find_verdict(decisions, NOW + 20) == decisions[1]
    assert find_verdict(decisions, NOW + 21) is None


def test_the_cooldown_counts_from_the_end() -> None:
    desk = DecisionSequence()
    desk.notify(DRIFT)
    desk.history[0] = replace(desk.history[0], reference="run 1")
    desk.now += 10 * HOUR
    desk.add(finish_retraining("rain", desk.history, "run 1", SUCCESS, None, desk.now))
    assert desk.notify(PERFORMANCE, after=24 * HOUR - 1) is RetrainingDecision.COOLING_DOWN
    assert desk.notify(PERFORMANCE, after=1) is RetrainingDecision.RETRAIN


def test_a_failed_retraining_cools_down_from_its_start() -> None:
    desk = DecisionSequence()
    desk.notify(DRIFT)
    desk.history[0] = replace(desk.history[0], reference="run 1")
    desk.now += 10 * HOUR
    desk.add(finish_retraining("rain", desk.history, "run 1", FAILURE, None, desk.now))
    assert desk.notify(DRIFT, after=14 * HOUR - 1) is RetrainingDecision.COOLING_DOWN
    assert desk.notify(DRIFT, after=1) is RetrainingDecision.RETRAIN


def test_a_retraining_runs_until_its_own_end() -> None:
    desk = DecisionSequence()
    assert get_running(desk.history) is None
    desk.notify(DRIFT)
    desk.history[0] = replace(desk.history[0], reference="run 1")
    desk.add(finish_retraining("rain", desk.history, "run 0", FAILURE, None, desk.now))
    running = get_running(desk.history)
    assert running is not None
    assert running.reference == "run 1"
    desk.add(finish_retraining("rain", desk.history, "run 1", SUCCESS, None, desk.now))
    assert get_running(desk.history) is None


def test_a_run_has_the_same_key_until_its_start_is_in_the_log() -> None:
    desk = DecisionSequence()
    first = decide("rain", [DRIFT], [], POLICY, NOW)
    assert build_run_key(first, []) == build_run_key(
        decide("rain", [DRIFT, PERFORMANCE], [], POLICY, NOW + 60), []
    )
    key = announce(desk, DRIFT)
    assert key == build_run_key(first, [])
    desk.add(fail_start(desk.history, key, "no answer in time"))
    later = decide("rain", [DRIFT], desk.history, POLICY, NOW + 60)
    assert build_run_key(later, desk.history) == build_run_key(first, [])
    desk.add(replace(later, reference="run 1"))
    desk.add(finish_retraining("rain", desk.history, "run 1", FAILURE, None, NOW + 120))
    another = decide("rain", [DRIFT], desk.history, POLICY, NOW + 48 * HOUR)
    assert build_run_key(another, desk.history) != build_run_key(first, [])


class TestPendingStart:
    """An intent without an outcome, as a crash leaves it."""

    def test_it_counts_as_a_retraining(self) -> None:
        desk = DecisionSequence()
        announce(desk, DRIFT)
        assert POLICY.compute_remaining_budget(desk.history, desk.now) == POLICY.monthly_budget - 1
        assert desk.notify(DRIFT) is RetrainingDecision.IGNORED
        assert desk.notify(PERFORMANCE) is RetrainingDecision.COOLING_DOWN

    def test_it_stays_pending_through_other_decisions(self) -> None:
        desk = DecisionSequence()
        key = announce(desk, DRIFT)
        desk.notify(SENSOR)
        pending = get_pending_start(desk.history)
        assert pending is not None
        assert pending.reference == key
        assert omit_settled_intents(desk.history) == desk.history

    def test_a_confirmation_takes_its_place_and_keeps_later_alerts(self) -> None:
        desk = DecisionSequence()
        key = announce(desk, DRIFT)
        desk.notify(SENSOR)
        desk.add(confirm_start(desk.history, key, "run 1"))
        newest, held, _ = desk.history
        assert (newest.decision, newest.reference) == (RetrainingDecision.RETRAIN, "run 1")
        assert newest.is_quarantined
        assert get_pending_start(desk.history) is None
        assert omit_settled_intents(desk.history) == [newest, held]
        assert POLICY.compute_remaining_budget(desk.history, desk.now) == POLICY.monthly_budget - 1

    def test_only_the_first_outcome_counts(self) -> None:
        desk = DecisionSequence()
        key = announce(desk, DRIFT)
        desk.add(confirm_start(desk.history, key, "run 1"))
        assert confirm_start(desk.history, key, "run 1") is None
        assert fail_start(desk.history, key, "no answer in time") is None

    def test_another_key_settles_nothing(self) -> None:
        desk = DecisionSequence()
        announce(desk, DRIFT)
        assert confirm_start(desk.history, "another", "run 1") is None

    def test_a_run_that_ends_before_its_server_confirms_it_may_be_repeated(self) -> None:
        desk = DecisionSequence()
        key = announce(desk, DRIFT)
        desk.add(confirm_start(desk.history, key, "run 1"))
        desk.add(finish_retraining("rain", desk.history, "run 1", FAILURE, None, desk.now + 1))
        assert confirm_start(desk.history, key, "run 1") is None
        assert desk.notify(DRIFT, after=25 * HOUR) is RetrainingDecision.RETRAIN


class TestRunKey:
    def test_a_start_without_a_clear_answer_keeps_its_key_when_an_older_alert_joins(self) -> None:
        desk = DecisionSequence()
        key = announce(desk, DRIFT)
        desk.add(fail_start(desk.history, key, "no answer in time"))
        assert announce(desk, DRIFT, fire_again(PERFORMANCE, NOW - 9 * HOUR)) == key

    def test_an_alert_that_fires_anew_has_a_key_of_its_own(self) -> None:
        desk = DecisionSequence()
        key = announce(desk, DRIFT)
        desk.add(fail_start(desk.history, key, "no answer in time"))
        assert announce(desk, fire_again(DRIFT, NOW)) != key

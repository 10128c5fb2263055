"""Starts and ends of retrainings in the decision log.

A start takes two entries, because no transaction may stay open while a scheduler is called: the intent
`STARTING` with the key of the run, then its outcome, `RETRAIN` or `FAILED`. After a crash between the two
the start is repeated under the key of the intent, which a retrainer starts only once.
"""

from collections.abc import Sequence
from dataclasses import replace

from servicio_ml.domain.ports.retrainer import RetrainingEnd
from servicio_ml.domain.promotion import DecisionRecord, PromotionDecision
from servicio_ml.domain.retraining import (
    DecisionEntry,
    RetrainingDecision,
    RetrainingHistory,
    get_known_alerts,
    get_last_start,
    get_pending_start,
    has_ended,
)
from servicio_ml.lifecycle.retraining_policy import build_entry, format_time


def build_intent(entry: DecisionEntry, history: RetrainingHistory) -> DecisionEntry:
    """Turn a decision `RETRAIN` into the intent to start it."""
    return replace(entry, decision=RetrainingDecision.STARTING, reference=build_run_key(entry, history))


def build_run_key(entry: DecisionEntry, history: RetrainingHistory) -> str:
    """Name the run of an entry; the same decision, made again, gives the same name.

    A start that failed without a clear answer may have started its run, so its key is used again as long as
    one of its alerts asks for a retraining.
    """
    starters = {(alert.fingerprint, alert.started_at) for alert in entry.starters}
    for earlier in history:
        if earlier.decision is RetrainingDecision.RETRAIN:
            break
        if earlier.decision is RetrainingDecision.STARTING and starters & {
            (alert.fingerprint, alert.started_at) for alert in earlier.starters
        }:
            return earlier.reference
    # from the alerts, not from the clock: a repeated decision must give the same key
    first = min(alert.started_at for alert in entry.starters)
    return f"alert__{format_time(first)}__after_{format_time(get_last_start(history))}"


def confirm_start(history: RetrainingHistory, key: str, reference: str) -> DecisionEntry | None:
    """Build the outcome of a pending start whose run exists.

    Args:
        history: Earlier decisions, the newest first.
        key: Key of the run.
        reference: Address or file where the run can be followed.

    Returns:
        The entry to add; None when the start of that key is not pending, because another process has
        recorded its outcome.
    """
    intent = _get_pending(history, key)
    if intent is None:
        return None
    # not the alerts of the intent: notifications may have changed them since
    return replace(intent, decision=RetrainingDecision.RETRAIN, reference=reference, alerts=history[0].alerts)


def fail_start(history: RetrainingHistory, key: str, error: str) -> DecisionEntry | None:
    """Build the outcome of a pending start that failed: its alerts may start it again.

    Returns:
        The entry to add; None when the start of that key is not pending.
    """
    intent = _get_pending(history, key)
    if intent is None:
        return None
    alerts = tuple(
        replace(alert, retrained_at=0) if alert.retrained_at == intent.decided_at else alert
        for alert in history[0].alerts
    )
    reason = f"{intent.reason}, but the retraining could not be started: {error}"
    return replace(intent, decision=RetrainingDecision.FAILED, reason=reason, reference="", alerts=alerts)


def find_verdict(decisions: Sequence[DecisionRecord], since: float) -> DecisionRecord | None:
    """Find what a training that began at a time has led to; None where no challenger was judged since.

    Args:
        decisions: Applied decisions, the newest first.
        since: Time in seconds since 1970.
    """
    judged = (PromotionDecision.PROMOTED, PromotionDecision.REJECTED, PromotionDecision.ROLLOUT_STARTED)
    return next((each for each in decisions if each.at >= since and each.decision in judged), None)


def finish_retraining(
    model: str, history: RetrainingHistory, reference: str, end: RetrainingEnd,
    verdict: DecisionRecord | None, now: float,
) -> DecisionEntry | None:  # fmt: skip
    """Build the entry for the end of a retraining; after a failed one its alerts may start another.

    Args:
        model: Name of the model.
        history: Earlier decisions, the newest first.
        reference: Reference of the run.
        end: How the run has ended.
        verdict: Decision on its challenger; None without one.
        now: Current time, in seconds since 1970.

    Returns:
        The entry to add; None when the end of the run is recorded already.
    """
    if has_ended(history, reference):
        return None
    known = get_known_alerts(history)
    if not end.error:
        decision, reason = _describe_verdict(verdict)
        return build_entry(model, decision, reason, now, known, reference)
    # the log has no ids, so the alerts of a run are found by the time of its decision
    started = [entry.decided_at for entry in history if entry.reference == reference]
    known |= {
        each.fingerprint: replace(each, retrained_at=0)
        for each in known.values()
        if each.retrained_at in started
    }
    return build_entry(
        model, RetrainingDecision.FAILED, f"the retraining failed: {end.error}", now, known, reference
    )


def _describe_verdict(verdict: DecisionRecord | None) -> tuple[RetrainingDecision, str]:
    if verdict is None:
        return RetrainingDecision.FINISHED, "the retraining has finished without a new challenger"
    is_rejected = verdict.decision is PromotionDecision.REJECTED
    decision = RetrainingDecision.REJECTED if is_rejected else RetrainingDecision.FINISHED
    outcome = f"version {verdict.challenger}: {verdict.decision}, {verdict.reason}"
    return decision, f"the retraining has finished; {outcome}"


def _get_pending(history: RetrainingHistory, key: str) -> DecisionEntry | None:
    intent = get_pending_start(history)
    return intent if intent is not None and intent.reference == key else None

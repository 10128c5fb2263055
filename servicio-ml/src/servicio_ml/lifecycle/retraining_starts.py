"""Starts and ends of retrainings in the decision log.

A start takes two entries, because no transaction may stay open while a scheduler is called: the intent
`STARTING` with the key of the run, then its outcome, `RETRAIN` or `FAILED`. After a crash between the two
the start is repeated under the key of the intent, which a retrainer starts only once.
"""

from dataclasses import replace

from servicio_ml.domain.retraining import (
    DecisionEntry,
    RetrainingDecision,
    RetrainingHistory,
    get_known_alerts,
    get_last_start,
    get_pending_start,
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


def finish_retraining(
    model: str, history: RetrainingHistory, reference: str, error: str, now: float
) -> DecisionEntry:
    """Build the entry for the end of a retraining; after a failed one its alerts may start another.

    Args:
        model: Name of the model.
        history: Earlier decisions, the newest first.
        reference: Reference of the run.
        error: Why the run failed; empty when it succeeded.
        now: Current time, in seconds since 1970.
    """
    known = get_known_alerts(history)
    if not error:
        reason = "the retraining has finished"
        return build_entry(model, RetrainingDecision.FINISHED, reason, now, known, reference)
    # the log has no ids, so the alerts of a run are found by the time of its decision
    started = [entry.decided_at for entry in history if entry.reference == reference]
    known |= {
        each.fingerprint: replace(each, retrained_at=0)
        for each in known.values()
        if each.retrained_at in started
    }
    return build_entry(
        model, RetrainingDecision.FAILED, f"the retraining failed: {error}", now, known, reference
    )


def _get_pending(history: RetrainingHistory, key: str) -> DecisionEntry | None:
    intent = get_pending_start(history)
    return intent if intent is not None and intent.reference == key else None

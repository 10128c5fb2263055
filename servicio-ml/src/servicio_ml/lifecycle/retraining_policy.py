"""Retraining policy: the decision that a notification about one model leads to.

A broken schema or sensor puts the model into quarantine: a model trained on broken rows is worse than a
drifted one. Lost performance, or drift of many features, starts a retraining, limited by a cooldown and a
monthly budget. Alertmanager repeats and regroups its notifications: each alert, from its start to its end,
starts at most one retraining.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from servicio_ml.domain.retraining import (
    MONTH_SECONDS,
    SECONDS_PER_HOUR,
    DecisionEntry,
    ModelAlert,
    RetrainingDecision,
    RetrainingHistory,
    get_cooldown_start,
    get_known_alerts,
    get_starts,
)

RETRAINING_ALERTS = frozenset({"DataDrift", "PerformanceLow", "ExpectedPerformanceLow"})
"""Names of the alerts that start a retraining; the others are tickets for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainingPolicy:
    """Limits on the retrainings of one model that alerts start.

    Attributes:
        cooldown_seconds: Minimum time from the end of a retraining, or from the start of a failed one, to the
            next.
        monthly_budget: Maximum number of retrainings in 30 days.
    """

    cooldown_seconds: float
    monthly_budget: int

    @property
    def history_seconds(self) -> float:
        """Age from which an entry of the log no longer affects a decision."""
        return max(MONTH_SECONDS, self.cooldown_seconds)

    def compute_remaining_budget(self, history: RetrainingHistory, now: float) -> int:
        """Return the number of retrainings that the budget still allows."""
        spent = sum(entry.decided_at > now - MONTH_SECONDS for entry in get_starts(history))
        return max(self.monthly_budget - spent, 0)


def decide(
    model: str,
    alerts: Sequence[ModelAlert],
    history: RetrainingHistory,
    policy: RetrainingPolicy,
    now: float,
) -> DecisionEntry:
    """Decide on a notification; a decision `RETRAIN` is not started yet.

    Args:
        model: Name of the model.
        alerts: Alerts of the notification.
        history: Earlier decisions, the newest first.
        policy: Cooldown and budget.
        now: Current time, in seconds since 1970.
    """
    before = get_known_alerts(history)
    known = _merge_alerts(before, alerts)
    # an alert known from before, but absent from this notification, starts nothing: its state may be stale
    firing = {alert.fingerprint for alert in alerts if alert.firing}
    starters = [
        alert
        for alert in known.values()
        if alert.firing and alert.name in RETRAINING_ALERTS and alert.fingerprint in firing
    ]
    decision, reason = _judge(before, known, starters, history, policy, now)
    if decision is RetrainingDecision.RETRAIN:
        known |= {
            each.fingerprint: replace(each, retrained_at=now) for each in starters if not each.retrained_at
        }
    return build_entry(model, decision, reason, now, known)


def _merge_alerts(known: dict[str, ModelAlert], alerts: Sequence[ModelAlert]) -> dict[str, ModelAlert]:
    """Merge the alerts of a notification into the known ones; late repeats of old states are dropped."""
    merged = dict(known)
    for alert in alerts:
        if alert.fingerprint not in merged or alert.is_newer_than(merged[alert.fingerprint]):
            merged[alert.fingerprint] = alert
    return merged


def _judge(
    before: dict[str, ModelAlert], known: dict[str, ModelAlert], starters: Sequence[ModelAlert],
    history: RetrainingHistory, policy: RetrainingPolicy, now: float,
) -> tuple[RetrainingDecision, str]:  # fmt: skip
    if causes := _find_quarantine_causes(known):
        return RetrainingDecision.QUARANTINED, _explain_quarantine(causes, starters)
    # resolved alerts end a quarantine, but do not retrain at once: the model waits for the next notification
    if _find_quarantine_causes(before):
        return RetrainingDecision.LIFTED, (
            "the alerts that caused the quarantine are resolved; the next notification may retrain the model"
        )
    fresh = [alert for alert in starters if not alert.retrained_at]
    if not fresh:
        return RetrainingDecision.IGNORED, (
            f"{join_names(starters)} has started a retraining already" if starters
            else f"no alert asks for a retraining ({', '.join(sorted(RETRAINING_ALERTS))} do)"
        )  # fmt: skip
    return _check_limits(fresh, history, policy, now)


def _find_quarantine_causes(known: dict[str, ModelAlert]) -> list[ModelAlert]:
    return [alert for alert in known.values() if alert.causes_quarantine]


def _explain_quarantine(causes: Sequence[ModelAlert], starters: Sequence[ModelAlert]) -> str:
    held = f"; {join_names(starters)} would retrain it" if starters else ""
    return (
        f"{join_names(causes)} fires: repair the data first, a model must not be trained on it{held}; "
        "the quarantine ends when these alerts are resolved, or by DELETE of the quarantine"
    )


def _check_limits(
    fresh: Sequence[ModelAlert], history: RetrainingHistory, policy: RetrainingPolicy, now: float
) -> tuple[RetrainingDecision, str]:
    # without a retraining it is 0, so the test of it comes first
    last = get_cooldown_start(history)
    until = last + policy.cooldown_seconds
    if last and now < until:
        return RetrainingDecision.COOLING_DOWN, (
            f"{join_names(fresh)} fires; the last retraining was at {format_time(last)}, the next may "
            f"begin at {format_time(until)} (cooldown {policy.cooldown_seconds / SECONDS_PER_HOUR:g} h)"
        )
    if not policy.compute_remaining_budget(history, now):
        return RetrainingDecision.BUDGET_SPENT, (
            f"{join_names(fresh)} fires; the budget of {policy.monthly_budget} retrainings in 30 days is "
            "spent: find out why they do not help, or train by hand"
        )
    return RetrainingDecision.RETRAIN, f"{join_names(fresh)} fires"


def build_ignored(model: str, reason: str, now: float) -> DecisionEntry:
    """Build the entry of a notification that has no effect."""
    return DecisionEntry(model=model, decision=RetrainingDecision.IGNORED, reason=reason, decided_at=now)


def lift_quarantine(model: str, history: RetrainingHistory, by: str, now: float) -> DecisionEntry:
    """End a quarantine on an administrator's behalf; its alerts cause another one once they fire anew."""
    known = get_known_alerts(history)
    causes = _find_quarantine_causes(known)
    if not causes:
        reason = f"{by} lifted the quarantine, but the model was not in quarantine"
        return build_entry(model, RetrainingDecision.IGNORED, reason, now, known)
    known |= {alert.fingerprint: replace(alert, quarantine_lifted=True) for alert in causes}
    reason = f"{by} lifted it although {join_names(causes)} fires"
    return build_entry(model, RetrainingDecision.LIFTED, reason, now, known)


def build_entry(
    model: str,
    decision: RetrainingDecision,
    reason: str,
    now: float,
    known: dict[str, ModelAlert],
    reference: str = "",
) -> DecisionEntry:
    """Build an entry with the known alerts; alerts resolved over a month ago are dropped."""
    # Alertmanager repeats a resolved alert for some days at most, so a month is far beyond late repeats
    kept = sorted(
        (alert for alert in known.values() if alert.firing or alert.started_at > now - MONTH_SECONDS),
        key=lambda alert: alert.fingerprint,
    )
    return DecisionEntry(
        model=model, decision=decision, reason=reason, decided_at=now, reference=reference,
        alerts=tuple(kept),
    )  # fmt: skip


def join_names(alerts: Iterable[ModelAlert]) -> str:
    """Join the distinct names of alerts with commas, sorted."""
    return ", ".join(sorted({alert.name for alert in alerts}))


def format_time(at: float) -> str:
    """Format seconds since 1970 as ISO 8601 in UTC."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

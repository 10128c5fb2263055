"""Retraining by alerts: what a notification about one model leads to, from the log of earlier decisions.

A broken schema or sensor puts the model's retraining into quarantine: a model that learns from broken rows is
worse than a drifted one. Lost performance, or drift of many features, starts a retraining, held back by a
cooldown and a monthly budget. Alertmanager repeats and regroups what it tells: each alert, from its start to
its end, starts one retraining at the most.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

MONTH_SECONDS = 30 * 86_400
SECONDS_AN_HOUR = 3600
BREAKS = frozenset({"schema", "sensor"})
"""Causes that make rows worthless to learn from."""
STARTERS = frozenset({"DataDrift", "PerformanceLow", "ExpectedPerformanceLow"})
"""Names of the alerts that start a retraining; the others are tickets for people."""


class Decision(StrEnum):
    """What a notification, an administrator or the end of a retraining led to."""

    RETRAIN = "retrain"
    COOLING_DOWN = "cooling_down"
    BUDGET_SPENT = "budget_spent"
    QUARANTINED = "quarantined"
    LIFTED = "lifted"
    IGNORED = "ignored"
    FAILED = "failed"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert about a model, as it was last told.

    Attributes:
        name: Of the rule.
        cause: The rule's label.
        severity: `page` or `ticket`.
        firing: False once it is resolved.
        starts: When it began to fire, in seconds since 1970.
        fingerprint: The same for the same labels.
        retrained: When it started a retraining, in seconds since 1970; 0 while it has not.
        lifted: Whether an administrator has let it hold the model no longer.
    """

    name: str
    cause: str
    severity: str
    firing: bool
    starts: float
    fingerprint: str
    retrained: float = 0
    lifted: bool = False

    @property
    def breaks(self) -> bool:
        """Whether it holds the model in quarantine."""
        return self.firing and self.cause in BREAKS and not self.lifted

    def supersedes(self, known: "Alert") -> bool:
        """Whether it is news: a later start, or the end of the one that is known."""
        return self.starts > known.starts or (
            self.starts == known.starts and known.firing and not self.firing
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How often alerts may start a retraining of one model.

    Attributes:
        cooldown_seconds: Least time between two.
        monthly_budget: Most in 30 days.
    """

    cooldown_seconds: float
    monthly_budget: int

    @property
    def memory_seconds(self) -> float:
        """How far back the decisions matter."""
        return max(MONTH_SECONDS, self.cooldown_seconds)

    def remaining(self, history: Iterable["Entry"], now: float) -> int:
        """Retrainings that the budget still allows."""
        spent = sum(
            entry.decision is Decision.RETRAIN and entry.at > now - MONTH_SECONDS for entry in history
        )
        return max(self.monthly_budget - spent, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of the decision log.

    Attributes:
        model: Its name.
        decision: What was decided.
        reason: In words.
        at: Seconds since 1970.
        reference: Of the run that was started or has ended; empty where there is none.
        alerts: Those that are known after it, in the order of their fingerprints.
    """

    model: str
    decision: Decision
    reason: str
    at: float
    reference: str = ""
    alerts: tuple[Alert, ...] = ()

    @property
    def quarantined(self) -> bool:
        """Whether the model's retraining is in quarantine from here on."""
        return any(alert.breaks for alert in self.alerts)

    def repeats(self, other: "Entry") -> bool:
        """Whether it says the same of the same alerts, at another time."""
        return replace(self, at=other.at) == other


History = Sequence[Entry]
"""Entries of one model, the newest first, as far back as its policy remembers."""


def decide(model: str, told: Sequence[Alert], history: History, policy: Policy, now: float) -> Entry:
    """What a notification leads to; a retraining is yet to be started.

    Args:
        model: Its name.
        told: The alerts of the notification.
        history: Earlier decisions.
        policy: Cooldown and budget.
        now: Seconds since 1970.
    """
    before = _known(history)
    known = dict(before)
    for alert in told:
        if alert.fingerprint not in known or alert.supersedes(known[alert.fingerprint]):
            known[alert.fingerprint] = alert
    firing = {alert.fingerprint for alert in told if alert.firing}
    starters = [
        alert
        for alert in known.values()
        if alert.firing and alert.name in STARTERS and alert.fingerprint in firing
    ]
    decision, reason = _judged(before, known, starters, history, policy, now)
    if decision is Decision.RETRAIN:
        known |= {each.fingerprint: replace(each, retrained=now) for each in starters if not each.retrained}
    return _entry(model, decision, reason, now, known)


def _judged(
    before: dict[str, Alert], known: dict[str, Alert], starters: Sequence[Alert],
    history: History, policy: Policy, now: float,
) -> tuple[Decision, str]:  # fmt: skip
    breaks = [alert for alert in known.values() if alert.breaks]
    if breaks:
        asked = f"; {_names(starters)} would retrain it" if starters else ""
        return Decision.QUARANTINED, (
            f"{_names(breaks)} fires: what is broken must be mended, not learned{asked}; it ends when "
            "these alerts are resolved, or by DELETE of the quarantine"
        )
    if any(alert.breaks for alert in before.values()):
        return Decision.LIFTED, "the alerts that held it are resolved; from the next notification on it may"
    fresh = [alert for alert in starters if not alert.retrained]
    if not fresh:
        return Decision.IGNORED, (
            f"{_names(starters)} has started a retraining already" if starters
            else f"no alert asks for a retraining ({', '.join(sorted(STARTERS))} do)"
        )  # fmt: skip
    return _allowed(fresh, history, policy, now)


def _allowed(fresh: Sequence[Alert], history: History, policy: Policy, now: float) -> tuple[Decision, str]:
    last = last_start(history)
    until = last + policy.cooldown_seconds
    if last and now < until:
        return Decision.COOLING_DOWN, (
            f"{_names(fresh)} fires; the last retraining began at {_moment(last)}, the next may at "
            f"{_moment(until)} (cooldown {policy.cooldown_seconds / SECONDS_AN_HOUR:g} h)"
        )
    if not policy.remaining(history, now):
        return Decision.BUDGET_SPENT, (
            f"{_names(fresh)} fires; {policy.monthly_budget} retrainings in 30 days are the most: see why "
            "they do not help, or train by hand"
        )
    return Decision.RETRAIN, f"{_names(fresh)} fires"


def run_key(entry: Entry, history: History) -> str:
    """A name for the run that an entry starts, the same when the same is decided again.

    So a start whose entry was lost, by a kill between the two, is not repeated.
    """
    begun = min(alert.starts for alert in entry.alerts if alert.retrained == entry.at)
    return f"alert__{_moment(begun)}__after_{_moment(last_start(history))}"


def not_started(entry: Entry, problem: str) -> Entry:
    """What stands in the log when a retraining could not be started: its alerts may start it again."""
    alerts = tuple(
        replace(alert, retrained=0) if alert.retrained == entry.at else alert for alert in entry.alerts
    )
    reason = f"{entry.reason}, but the retraining could not be started: {problem}"
    return replace(entry, decision=Decision.FAILED, reason=reason, alerts=alerts)


def ignored(model: str, why: str, now: float) -> Entry:
    """What stands in the log of a notification that nothing is done about."""
    return Entry(model=model, decision=Decision.IGNORED, reason=why, at=now)


def lifted(model: str, history: History, by: str, now: float) -> Entry:
    """What an administrator leads to; the alerts that hold the quarantine do so again once they fire anew."""
    known = _known(history)
    held = [alert for alert in known.values() if alert.breaks]
    if not held:
        return _entry(model, Decision.IGNORED, f"{by} lifted a quarantine that was none", now, known)
    known |= {alert.fingerprint: replace(alert, lifted=True) for alert in held}
    return _entry(model, Decision.LIFTED, f"{by} lifted it although {_names(held)} fires", now, known)


def ended(model: str, history: History, reference: str, problem: str, now: float) -> Entry:
    """What the end of a retraining leads to; of a failed one, the alerts may start another.

    Args:
        model: Its name.
        history: Earlier decisions.
        reference: Of the run.
        problem: Why it failed; empty when it did not.
        now: Seconds since 1970.
    """
    known = _known(history)
    if not problem:
        return _entry(model, Decision.FINISHED, "the retraining has ended well", now, known, reference)
    begun = [entry.at for entry in history if entry.reference == reference]
    known |= {
        each.fingerprint: replace(each, retrained=0) for each in known.values() if each.retrained in begun
    }
    return _entry(model, Decision.FAILED, f"the retraining failed: {problem}", now, known, reference)


def last_start(history: History) -> float:
    """When the newest retraining began, in seconds since 1970; 0 when there is none."""
    return next((entry.at for entry in history if entry.decision is Decision.RETRAIN), 0)


def _known(history: History) -> dict[str, Alert]:
    return {alert.fingerprint: alert for alert in history[0].alerts} if history else {}


def _entry(
    model: str, decision: Decision, reason: str, now: float, known: dict[str, Alert], reference: str = ""
) -> Entry:
    # late news of an alert that was resolved so long ago does not come any more
    kept = sorted(
        (alert for alert in known.values() if alert.firing or alert.starts > now - MONTH_SECONDS),
        key=lambda alert: alert.fingerprint,
    )
    return Entry(
        model=model, decision=decision, reason=reason, at=now, reference=reference, alerts=tuple(kept)
    )


def _names(alerts: Iterable[Alert]) -> str:
    return ", ".join(sorted({alert.name for alert in alerts}))


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

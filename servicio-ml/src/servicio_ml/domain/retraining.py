"""Alerts about a model and the log of the decisions on its retraining."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

MONTH_SECONDS = 30 * 86_400
SECONDS_PER_HOUR = 3600
# drift and lost performance are reasons to retrain, but these two are faults of the data
QUARANTINE_CAUSES = frozenset({"schema", "sensor"})
"""Causes that make the recent rows unfit for training."""


# values are public: they appear in the API, in metrics and in the log's table
class RetrainingDecision(StrEnum):
    """Result of a notification, of an administrator's action or of the end of a retraining."""

    # recorded before the run exists, so that a crash in between cannot start a second one
    STARTING = "starting"
    RETRAIN = "retrain"
    COOLING_DOWN = "cooling_down"
    BUDGET_SPENT = "budget_spent"
    QUARANTINED = "quarantined"
    LIFTED = "lifted"
    IGNORED = "ignored"
    FAILED = "failed"
    FINISHED = "finished"
    # it has finished, and its challenger did not become champion
    REJECTED = "rejected"
    # about drift that people accept; these two have entries of their own
    ACKNOWLEDGED = "acknowledged"
    ACKNOWLEDGEMENT_ENDED = "acknowledgement_ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelAlert:
    """An alert about a model, in the state that was received last.

    Attributes:
        name: Name of the rule.
        cause: Label `cause` of the rule.
        severity: `page` or `ticket`.
        firing: False once the alert is resolved.
        started_at: Time at which it began to fire, in seconds since 1970.
        fingerprint: Identifier that Alertmanager derives from the labels.
        retrained_at: Time of the decision to retrain because of it, in seconds since 1970; 0 without one.
        quarantine_lifted: True once an administrator has ended the quarantine that it caused.
    """

    name: str
    cause: str
    severity: str
    firing: bool
    started_at: float
    fingerprint: str
    retrained_at: float = 0
    quarantine_lifted: bool = False

    @property
    def causes_quarantine(self) -> bool:
        """Whether the alert keeps the model in quarantine."""
        return self.firing and self.cause in QUARANTINE_CAUSES and not self.quarantine_lifted

    def is_newer_than(self, known: "ModelAlert") -> bool:
        """Compare with the known state of the same alert: a later start, or the end of the known one."""
        # notifications arrive repeatedly and out of order; an old one must change nothing
        return self.started_at > known.started_at or (
            self.started_at == known.started_at and known.firing and not self.firing
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionEntry:
    """One entry of the decision log.

    Attributes:
        model: Name of the model.
        decision: What was decided.
        reason: Explanation for people.
        decided_at: Time of the decision, in seconds since 1970.
        reference: Address or file of the run that was started or has ended; the key of the run while its
            start is unconfirmed; empty for every other decision.
        alerts: Alerts known after the decision, in the order of their fingerprints.
    """

    model: str
    decision: RetrainingDecision
    reason: str
    decided_at: float
    reference: str = ""
    alerts: tuple[ModelAlert, ...] = ()

    @property
    def is_quarantined(self) -> bool:
        """Whether the model is in quarantine after this entry."""
        return any(alert.causes_quarantine for alert in self.alerts)

    @property
    def starters(self) -> tuple[ModelAlert, ...]:
        """Alerts that this entry retrains for."""
        # equal floats are safe here: both were copied from the same value
        return tuple(alert for alert in self.alerts if alert.retrained_at == self.decided_at)

    def is_repeat_of(self, other: "DecisionEntry") -> bool:
        """Compare everything but the time."""
        # an alert repeats every few minutes, and an unchanged decision must not fill the log
        return replace(self, decided_at=other.decided_at) == other

    def is_outcome_of(self, intent: "DecisionEntry") -> bool:
        """Whether this entry confirms or gives up the start that `intent` announces."""
        # an outcome repeats the time of its intent, which links the two without a key in each entry
        outcomes = (RetrainingDecision.RETRAIN, RetrainingDecision.FAILED)
        return self.decision in outcomes and self.decided_at == intent.decided_at


ENDS = (RetrainingDecision.FINISHED, RetrainingDecision.REJECTED, RetrainingDecision.FAILED)
"""Decisions that end a retraining."""
RetrainingHistory = Sequence[DecisionEntry]
"""Entries of one model, the newest first, as far back as the policy needs them."""


def get_pending_start(history: RetrainingHistory) -> DecisionEntry | None:
    """Return the newest intent to start a retraining if it has no outcome yet."""
    # outcomes are newer than their intent, so they come before it in the history
    for position, entry in enumerate(history):
        if entry.decision is RetrainingDecision.STARTING:
            has_outcome = any(later.is_outcome_of(entry) for later in history[:position])
            return None if has_outcome else entry
    return None


def omit_settled_intents(history: RetrainingHistory) -> list[DecisionEntry]:
    """Return the history for people: an intent whose outcome is known is left out."""
    pending = get_pending_start(history)
    return [
        entry for entry in history if entry.decision is not RetrainingDecision.STARTING or entry is pending
    ]


def get_starts(history: RetrainingHistory) -> list[DecisionEntry]:
    """Return the entries that count as a retraining, the newest first.

    A pending start counts, because nobody knows whether its run exists.
    """
    pending = get_pending_start(history)
    return [entry for entry in history if entry.decision is RetrainingDecision.RETRAIN or entry is pending]


def get_last_start(history: RetrainingHistory) -> float:
    """Return the time of the newest retraining, in seconds since 1970; 0 without one."""
    return next((entry.decided_at for entry in get_starts(history)), 0)


def get_running(history: RetrainingHistory) -> DecisionEntry | None:
    """Return the newest retraining if its end is not recorded."""
    for position, entry in enumerate(history):
        if entry.decision is RetrainingDecision.RETRAIN:
            return None if has_ended(history[:position], entry.reference) else entry
    return None


def has_ended(history: RetrainingHistory, reference: str) -> bool:
    """Whether the end of a run is recorded."""
    return any(entry.decision in ENDS and entry.reference == reference for entry in history)


def get_cooldown_start(history: RetrainingHistory) -> float:
    """Return when the cooldown began, in seconds since 1970: at the end of a retraining, or at its start.

    One that failed, or still runs, counts from its start. 0 without one.
    """
    return max((entry.decided_at for entry in (*get_starts(history), *_get_results(history))), default=0)


def find_last_rejection(history: RetrainingHistory) -> float:
    """Find the end of the newest retraining whose challenger was rejected; 0 without one."""
    rejected = RetrainingDecision.REJECTED
    return next((entry.decided_at for entry in history if entry.decision is rejected), 0)


def _get_results(history: RetrainingHistory) -> list[DecisionEntry]:
    results = (RetrainingDecision.FINISHED, RetrainingDecision.REJECTED)
    return [entry for entry in history if entry.decision in results]


def get_known_alerts(history: RetrainingHistory) -> dict[str, ModelAlert]:
    """Return the alerts known after the newest entry, by fingerprint."""
    # each entry holds all known alerts, so the newest one alone gives the state
    return {alert.fingerprint: alert for alert in history[0].alerts} if history else {}

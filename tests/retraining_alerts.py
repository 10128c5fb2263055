"""Alerts of a model, and notifications about them one after another."""

from dataclasses import replace

from servicio_ml.domain.retraining import DecisionEntry, ModelAlert, RetrainingDecision
from servicio_ml.lifecycle.retraining_policy import RetrainingPolicy, decide

NOW = 1_600_000_000.0
HOUR = 3600.0
POLICY = RetrainingPolicy(cooldown_seconds=24 * HOUR, monthly_budget=4)
DRIFT = ModelAlert(
    name="DataDrift", cause="drift", severity="ticket", firing=True, started_at=NOW - HOUR, fingerprint="d"
)
PERFORMANCE = replace(DRIFT, name="PerformanceLow", cause="performance", severity="page", fingerprint="p")
SENSOR = replace(DRIFT, name="MissingValues", cause="sensor", fingerprint="s")
SCHEMA = replace(DRIFT, name="UnseenLevels", cause="schema", fingerprint="u")
FEATURE = replace(DRIFT, name="FeatureDrift", fingerprint="f")
PREDICTION = replace(DRIFT, name="PredictionDrift", fingerprint="q")


def resolve(alert: ModelAlert) -> ModelAlert:
    return replace(alert, firing=False)


def fire_again(alert: ModelAlert, starts: float) -> ModelAlert:
    """Let an alert fire again after it was resolved in between."""
    return replace(alert, started_at=starts)


class DecisionSequence:
    """Decisions on notifications, one after another, with a clock of its own."""

    def __init__(self, policy: RetrainingPolicy = POLICY) -> None:
        self.policy, self.now = policy, NOW
        self.history: list[DecisionEntry] = []

    def notify(self, *alerts: ModelAlert, after: float = 60.0) -> RetrainingDecision:
        self.now += after
        return self.add(decide("rain", alerts, self.history, self.policy, self.now))

    def add(self, entry: DecisionEntry | None) -> RetrainingDecision:
        assert entry is not None
        self.history.insert(0, entry)
        return entry.decision

    @property
    def reason(self) -> str:
        return self.history[0].reason

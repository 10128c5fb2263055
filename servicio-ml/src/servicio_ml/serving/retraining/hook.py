"""Alert hook: decides on the notifications of Alertmanager and starts the retrainings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hmac import compare_digest
from pathlib import Path

from servicio_ml.domain.ports.retrainer import Retrainer
from servicio_ml.domain.retraining import DecisionEntry, ModelAlert, RetrainingDecision, RetrainingHistory
from servicio_ml.errors import HookTokenError, RetrainingError, SettingsError
from servicio_ml.lifecycle.retraining_policy import build_ignored, decide
from servicio_ml.lifecycle.retraining_starts import build_intent, confirm_start, fail_start
from servicio_ml.serving.retraining.decisions import RetrainingDecisions

TOKEN_SETTING = "SERVICIO_ML_HOOK_TOKEN_FILE"  # noqa: S105  the name of a setting


def read_token(path: Path) -> str:
    """Read the token of the hook from a file.

    Raises:
        SettingsError: The file cannot be read or is empty.
    """
    try:
        token = path.read_text().strip()
    except (OSError, UnicodeError) as error:
        raise SettingsError(TOKEN_SETTING, f"{error}; put a random token into the file") from error
    if not token:
        raise SettingsError(TOKEN_SETTING, f"{path} is empty; put a random token into it")
    return token


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertHook:
    """Receiver of Alertmanager's notifications.

    Attributes:
        token: Token that every notification must carry.
        retrainer: Starts the retrainings.
        decisions: Decision log and policy.
    """

    token: str
    retrainer: Retrainer
    decisions: RetrainingDecisions

    def authorize(self, authorization: str) -> None:
        """Check the header `Authorization` of a notification.

        Raises:
            HookTokenError: The token is absent or wrong.
        """
        kind, _, token = authorization.partition(" ")
        # compared as bytes, because compare_digest refuses text beyond ASCII
        is_same = compare_digest(token.strip().encode(errors="replace"), self.token.encode())
        if kind.lower() != "bearer" or not is_same:
            raise HookTokenError

    def handle_notification(self, alerts_by_model: Mapping[str, Sequence[ModelAlert]]) -> list[DecisionEntry]:
        """Decide on each model and start the retrainings.

        Raises:
            LogError: The log cannot be reached.
            NotReadyError: The registry has not been read yet.
            RetrainingError: A retraining could not be started; the same notification tries it again.
        """
        entries = [self._decide_model(model, alerts) for model, alerts in alerts_by_model.items()]
        # raised after all models are decided on: one that fails must not hold up the others
        for entry in entries:
            if entry.decision is RetrainingDecision.FAILED:
                raise RetrainingError(entry.model, entry.reason)
        return entries

    def _decide_model(self, model: str, alerts: Sequence[ModelAlert]) -> DecisionEntry:
        if not self.decisions.is_served(model):
            reason = "no such model is served here"
            return self.decisions.record(model, lambda _, now: build_ignored(model, reason, now))

        def decide_on_alerts(history: RetrainingHistory, now: float) -> DecisionEntry:
            entry = decide(model, alerts, history, self.decisions.policy, now)
            return build_intent(entry, history) if entry.decision is RetrainingDecision.RETRAIN else entry

        entry = self.decisions.record(model, decide_on_alerts)
        # also an intent that a crashed process left behind; the key keeps its run from starting twice
        intent = self.decisions.get_pending_start(model)
        return entry if intent is None or entry.is_quarantined else self._start_retraining(intent)

    def _start_retraining(self, intent: DecisionEntry) -> DecisionEntry:
        """Start a recorded intent outside any transaction and record the outcome."""
        key = intent.reference
        try:
            reference = self.retrainer.start(intent.model, key, intent.reason)
        except RetrainingError as error:
            message = str(error)
            return self.decisions.record_outcome(intent, lambda history: fail_start(history, key, message))
        return self.decisions.record_outcome(intent, lambda history: confirm_start(history, key, reference))
